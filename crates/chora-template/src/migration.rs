//! What older versions of a pattern called otherwise: answers and files under their new names.

use std::collections::BTreeMap;

use crate::answers::Answers;
use crate::engine::{Engine, TemplateError};
use crate::pattern::Pattern;

/// Paths of files by what they were called before.
pub type Renames = BTreeMap<String, String>;

/// The answers of an older version under their names in the present one. A new name that is answered already keeps its answer.
pub(crate) fn answers(pattern: &Pattern, version: u32, old: &Answers) -> Answers {
    let mut answers = old.clone();
    for migration in pattern.migrations.iter().filter(|migration| migration.to > version) {
        for (before, now) in &migration.answers {
            if let Some(answer) = answers.shift_remove(before) {
                answers.entry(now.clone()).or_insert(answer);
            }
        }
    }
    answers
}

/// Where the files of an older version are now.
pub(crate) fn files(engine: &Engine<'_>, pattern: &Pattern, version: u32, known: &Answers) -> Result<Renames, TemplateError> {
    let mut renames = Renames::new();
    for migration in pattern.migrations.iter().filter(|migration| migration.to > version) {
        for (before, now) in &migration.files {
            let (before, now) = (engine.line(&pattern.name, before, known)?, engine.line(&pattern.name, now, known)?);
            // What was moved by an earlier version goes on from there.
            match renames.iter_mut().find(|(_, place)| **place == before) {
                Some((_, place)) => *place = now,
                None => drop(renames.insert(before, now)),
            }
        }
    }
    Ok(renames)
}

#[cfg(test)]
mod tests {
    use super::{answers, files};
    use crate::answers::Answers;
    use crate::catalogue::Catalogue;
    use serde_json::json;

    const PATTERN: &str = "
title: t
summary: s
version: 3
migrations:
  - { to: 2, answers: {nmae: name, port: http_port}, files: {'{{ name }}.conf': conf/a, b: c} }
  - { to: 3, answers: {name: project}, files: {conf/a: etc/a} }
";

    #[test]
    fn names_go_on_from_version_to_version() {
        let catalogue = Catalogue::read(&[("patterns/p.yaml", PATTERN)]).unwrap();
        let pattern = catalogue.find("p").unwrap();
        let old =
            Answers::from_iter([("nmae".to_owned(), json!("shop")), ("port".to_owned(), json!(1)), ("http_port".to_owned(), json!(2))]);
        let migrated = |version| serde_json::to_value(answers(pattern, version, &old)).unwrap();
        assert_eq!(migrated(1), json!({"http_port": 2, "project": "shop"}));
        assert_eq!(migrated(2), json!({"nmae": "shop", "port": 1, "http_port": 2}));
        let known = Answers::from_iter([("name".to_owned(), json!("shop"))]);
        let engine = crate::engine::Engine::new([]).unwrap();
        let moved = |version| files(&engine, pattern, version, &known).unwrap().into_iter().collect::<Vec<_>>();
        let pair = |old: &str, new: &str| (old.to_owned(), new.to_owned());
        assert_eq!(moved(1), [pair("b", "c"), pair("shop.conf", "etc/a")]);
        assert_eq!(moved(2), [pair("conf/a", "etc/a")]);
        assert_eq!(moved(3), []);
    }
}
