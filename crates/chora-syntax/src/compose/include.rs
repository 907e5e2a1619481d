//! `include`: other projects' files as part of this one, each with its own directory and variables.

use super::environment;
use super::lexical;
use super::load::{Loader, Scope, Step, Stop};
use super::marks::Marks;
use super::merge;
use super::path::Path;
use super::schema::Shape;
use super::validate;
use crate::diagnostic::Problem;
use crate::span::Span;
use crate::yaml::{Map, Node, Value};

const SECTIONS: [&str; 6] = ["services", "volumes", "networks", "secrets", "configs", "models"];

/// One entry of `include`.
struct Included {
    paths: Vec<String>,
    project_directory: Option<String>,
    env_files: Vec<String>,
    span: Span,
}

impl Loader<'_> {
    /// Loads everything a document includes and adds it to the document.
    pub(super) fn include_all(&mut self, document: &mut Node, file: &str, marks: &Marks, scope: Scope<'_>) {
        let Some(map) = document.as_map_mut() else { return };
        let Some(mut entry) = map.shift_remove("include") else { return };
        self.checked(&mut entry.node, |node, _, problems| validate::check(&Shape::Include, node, &Path::ROOT.key("include"), problems));
        self.incomplete |= has_unknown(&entry.node);
        let mut included = scope.included.to_vec();
        included.push(file.to_owned());
        for item in entry.node.as_list().into_iter().flatten().filter(|item| !has_unknown(item)) {
            let wanted = read(item);
            match self.include(wanted, Scope { included: &included, ..scope }) {
                Ok(imported) => self.import(imported, map, marks),
                Err(Stop) => self.incomplete = true,
            }
        }
    }

    fn include(&mut self, wanted: Included, scope: Scope<'_>) -> Step<Node> {
        let paths: Vec<String> = wanted.paths.iter().map(|path| lexical::join(scope.dir, path)).collect();
        let Some(main) = paths.first() else {
            return self.fail(Problem::value(wanted.span, "an entry of `include` names no file").help("give it a `path`"));
        };
        if scope.included.contains(main) {
            let names: Vec<String> = scope.included.iter().chain([main]).map(|path| self.shown(path)).collect();
            return self.fail(Problem::reference(wanted.span, format!("files include each other: {}", names.join(" → "))));
        }
        let dir = wanted.project_directory.map_or_else(|| lexical::parent(main), |dir| lexical::join(scope.dir, &dir));
        let mut env_files: Vec<String> =
            wanted.env_files.iter().filter(|path| *path != "/dev/null").map(|path| lexical::join(scope.dir, path)).collect();
        let default = lexical::join(&dir, ".env");
        if wanted.env_files.is_empty() && self.files.exists(std::path::Path::new(&default)) {
            env_files.push(default);
        }
        let (variables, known) = environment::read_files(self, &env_files, wanted.span, scope.environment);
        let mut environment = scope.environment.clone();
        environment::add(&mut environment, variables);
        let scope = Scope { dir: &dir, environment: &environment, known: known && scope.known, included: scope.included };
        Ok(self.model(&paths, wanted.span, scope))
    }

    /// Adds imported entries; an entry that the document has too is merged over the imported one.
    fn import(&mut self, imported: Node, document: &mut Map, marks: &Marks) {
        let Value::Map(mut imported) = imported.value else { return };
        for section in SECTIONS {
            let Some(from) = imported.shift_remove(section) else { continue };
            let Value::Map(entries) = from.node.value else { continue };
            let target = document
                .entry(section.to_owned())
                .or_insert_with(|| crate::yaml::Entry { key: from.key, node: Node::new(from.node.span, Value::Map(Map::default())) });
            if target.node.is_null() {
                target.node.value = Value::Map(Map::default());
            }
            let Value::Map(target) = &mut target.node.value else { continue };
            for (name, mut entry) in entries {
                let Some(own) = target.get_mut(&name) else {
                    target.insert(name, entry);
                    continue;
                };
                let over = std::mem::take(&mut own.node);
                if marks.covers(&[section, &name]) {
                    own.node = over;
                    continue;
                }
                marks.apply(&mut entry.node, &[section, &name]);
                merge::merge_entry(section, &mut entry.node, over, &mut self.problems);
                own.node = entry.node;
            }
        }
    }
}

/// Whether a part of a node is unknown.
fn has_unknown(node: &Node) -> bool {
    match &node.value {
        Value::Unknown => true,
        Value::List(list) => list.iter().any(has_unknown),
        Value::Map(map) => map.values().any(|entry| has_unknown(&entry.node)),
        _ => false,
    }
}

fn texts(node: Option<&Node>) -> Vec<String> {
    match node.map(|node| &node.value) {
        Some(Value::Text(text)) => vec![text.clone()],
        Some(Value::List(list)) => list.iter().filter_map(Node::as_text).map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}

fn read(item: &Node) -> Included {
    let paths = if item.as_text().is_some() { texts(Some(item)) } else { texts(item.get("path")) };
    let project_directory = item.get("project_directory").and_then(Node::as_text).filter(|dir| !dir.is_empty()).map(str::to_owned);
    Included { paths, project_directory, env_files: texts(item.get("env_file")), span: item.span }
}
