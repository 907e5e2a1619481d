//! `.chora/answers.yaml`: which pattern was written, from which answers, and what became of it.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::answers::Answers;

/// Where the record stands in a project.
pub const RECORD: &str = ".chora/answers.yaml";
/// The folder of files as the pattern wrote them.
pub const BASE: &str = ".chora/base";
/// The newest format; what came of the built-in catalogue is written in the first one, which older programs can read.
const FORMAT: u32 = 2;

/// What a project remembers about its pattern.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// Grows when older programs could not read it.
    pub format: u32,
    /// Where the pattern is from; the built-in catalogue where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Source>,
    /// The pattern.
    pub pattern: String,
    /// Its version.
    pub version: u32,
    /// The answers, complete.
    pub answers: Answers,
    /// What was written: SHA-256 by path, in hexadecimal; `+x` follows where it may be run.
    pub files: IndexMap<String, String>,
    /// Which of them hooks have made or changed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hooked: Vec<String>,
}

/// Where a pattern is from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// The directory or repository; a relative path starts at the project.
    pub from: String,
    /// The tag, branch or commit that was asked for.
    #[serde(default, rename = "ref", skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// The commit that it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
}

/// Why a record cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// It is not what this program writes.
    #[error("{}", .0.render(false))]
    Broken(chora_syntax::Diagnostics),
    /// A newer program wrote it.
    #[error("{RECORD} has format {0}, this chora reads {FORMAT}")]
    Newer(u32),
}

impl Record {
    /// A record of what came of the built-in catalogue.
    #[must_use]
    pub const fn new(pattern: String, version: u32, answers: Answers, files: IndexMap<String, String>) -> Self {
        Self { format: 1, source: None, pattern, version, answers, files, hooked: Vec::new() }
    }

    /// The same of what came from elsewhere, and what hooks made of it.
    #[must_use]
    pub fn from(self, source: Option<Source>, hooked: Vec<String>) -> Self {
        let format = if source.is_some() || !hooked.is_empty() { FORMAT } else { self.format };
        Self { format, source, hooked, ..self }
    }

    /// Reads a record.
    ///
    /// # Errors
    /// Broken, or of a newer format.
    pub fn read(text: &str) -> Result<Self, RecordError> {
        // What a newer format adds would be unknown keys: its number comes first.
        let format = text.lines().find_map(|line| line.strip_prefix("format:")?.trim().parse::<u32>().ok());
        match format {
            Some(format) if format > FORMAT => Err(RecordError::Newer(format)),
            _ => chora_syntax::yaml::read(text, RECORD).map_err(RecordError::Broken),
        }
    }

    /// Writes it, one answer and one file on each line.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = format!("# Written by chora; `chora upgrade` reads it. Commit it together with {BASE}.\n");
        text.push_str(&format!("format: {}\n", self.format));
        if let Some(Source { from, reference, commit }) = &self.source {
            text.push_str(&format!("source:\n  from: {}\n", quoted(from)));
            let rest = [("ref", reference), ("commit", commit)].into_iter().filter_map(|(key, value)| Some((key, value.as_ref()?)));
            rest.for_each(|(key, value)| text.push_str(&format!("  {key}: {}\n", quoted(value))));
        }
        text.push_str(&format!("pattern: {}\nversion: {}\n", quoted(&self.pattern), self.version));
        text.push_str("answers:\n");
        self.answers.iter().for_each(|(name, answer)| text.push_str(&format!("  {}: {answer}\n", quoted(name))));
        text.push_str("files:\n");
        self.files.iter().for_each(|(path, hash)| text.push_str(&format!("  {}: {}\n", quoted(path), quoted(hash))));
        if !self.hooked.is_empty() {
            text.push_str(&format!("hooked: {}\n", Value::from(self.hooked.clone())));
        }
        text
    }
}

fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::{Record, RecordError, Source};
    use indexmap::IndexMap;
    use serde_json::json;

    #[test]
    fn what_was_written_is_read() {
        let answers = [("name", json!("a: \"b\" #\u{e9}")), ("port", json!(8000)), ("list", json!(["x", "- y"])), ("yes", json!(true))];
        let answers = answers.into_iter().map(|(name, answer)| (name.to_owned(), answer)).collect();
        let files = IndexMap::from([("docs/a b.md".to_owned(), "00ff".to_owned()), ("run".to_owned(), "00ff+x".to_owned())]);
        let record = Record::new("minimal".into(), 3, answers, files);
        assert_eq!((record.format, &Record::read(&record.text()).unwrap()), (1, &record));
        for (reference, commit) in [(None, None), (Some("v1.2".to_owned()), Some("00ff".to_owned()))] {
            let source = Source { from: "https://host/a \"b\"".into(), reference, commit };
            let record = record.clone().from(Some(source), vec!["docs/a b.md".to_owned()]);
            assert_eq!((record.format, &Record::read(&record.text()).unwrap()), (2, &record));
        }
    }

    #[test]
    fn records_of_every_format_are_read() {
        let first = Record::read(include_str!("../testdata/answers-1.yaml")).unwrap();
        assert_eq!((first.format, first.pattern.as_str(), first.source), (1, "minimal", None));
        let second = Record::read(include_str!("../testdata/answers-2.yaml")).unwrap();
        assert_eq!((second.format, second.source.unwrap().reference.as_deref()), (2, Some("v1.2.0")));
        assert_eq!(second.hooked, ["README.md"]);
    }

    #[test]
    fn what_cannot_be_read_says_so() {
        assert!(matches!(Record::read("format: 3\nnovel: true\n"), Err(RecordError::Newer(3))));
        for text in ["", "format: 1\n", "format: 1\npattern: a\nversion: x\nanswers: {}\nfiles: {}\n", "{"] {
            assert!(matches!(Record::read(text), Err(RecordError::Broken(_))), "{text}");
        }
    }
}
