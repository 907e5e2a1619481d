//! `.chora/answers.yaml`: which pattern was written, from which answers, and what became of it.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::answers::Answers;

/// Where the record stands in a project.
pub const RECORD: &str = ".chora/answers.yaml";
/// The folder of files as the pattern wrote them.
pub const BASE: &str = ".chora/base";
/// The format that this program writes.
const FORMAT: u32 = 1;

/// What a project remembers about its pattern.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// Grows when older programs could not read it.
    pub format: u32,
    /// The pattern.
    pub pattern: String,
    /// Its version.
    pub version: u32,
    /// The answers, complete.
    pub answers: Answers,
    /// What was written: SHA-256 by path, in hexadecimal; `+x` follows where it may be run.
    pub files: IndexMap<String, String>,
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
    /// A record in the present format.
    #[must_use]
    pub const fn new(pattern: String, version: u32, answers: Answers, files: IndexMap<String, String>) -> Self {
        Self { format: FORMAT, pattern, version, answers, files }
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
        text.push_str(&format!("format: {}\npattern: {}\nversion: {}\n", self.format, quoted(&self.pattern), self.version));
        text.push_str("answers:\n");
        self.answers.iter().for_each(|(name, answer)| text.push_str(&format!("  {}: {answer}\n", quoted(name))));
        text.push_str("files:\n");
        self.files.iter().for_each(|(path, hash)| text.push_str(&format!("  {}: {}\n", quoted(path), quoted(hash))));
        text
    }
}

fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::{Record, RecordError};
    use indexmap::IndexMap;
    use serde_json::json;

    #[test]
    fn what_was_written_is_read() {
        let answers = [("name", json!("a: \"b\" #\u{e9}")), ("port", json!(8000)), ("list", json!(["x", "- y"])), ("yes", json!(true))];
        let answers = answers.into_iter().map(|(name, answer)| (name.to_owned(), answer)).collect();
        let files = IndexMap::from([("docs/a b.md".to_owned(), "00ff".to_owned()), ("run".to_owned(), "00ff+x".to_owned())]);
        let record = Record::new("minimal".into(), 3, answers, files);
        assert_eq!(Record::read(&record.text()).unwrap(), record);
    }

    #[test]
    fn what_cannot_be_read_says_so() {
        assert!(matches!(Record::read("format: 2\nnovel: true\n"), Err(RecordError::Newer(2))));
        for text in ["", "format: 1\n", "format: 1\npattern: a\nversion: x\nanswers: {}\nfiles: {}\n", "{"] {
            assert!(matches!(Record::read(text), Err(RecordError::Broken(_))), "{text}");
        }
    }
}
