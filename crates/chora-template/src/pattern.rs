//! A pattern: what it asks and which files it writes under which condition. Patterns share parts.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::question::Questions;

/// A pattern of the catalogue, its parts put together.
#[derive(Debug, Clone, PartialEq)]
pub struct Pattern {
    /// Its name.
    pub name: String,
    /// A few words.
    pub title: String,
    /// When to take it.
    pub summary: String,
    /// Grows with every change of what it writes.
    pub version: u32,
    /// Answers that are not asked.
    pub fixed: IndexMap<String, Value>,
    /// What it asks.
    pub questions: Questions,
    /// What it writes.
    pub files: Vec<FileRule>,
    /// Programs that go over what is to be written.
    pub hooks: Hooks,
    /// What was called otherwise in older versions, the oldest first.
    pub migrations: Vec<Migration>,
}

/// Programs that go over what is to be written, each with its arguments, which may be lines of templates. No shell reads them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Hooks {
    /// Of `init`.
    pub init: Vec<Vec<String>>,
    /// Of `upgrade`.
    pub upgrade: Vec<Vec<String>>,
}

/// What one version of a pattern calls otherwise than the versions before.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Migration {
    /// The first version with the new names.
    pub to: u32,
    /// Questions: the new name by the old one.
    #[serde(default)]
    pub answers: IndexMap<String, String>,
    /// Files: the new path by the old one; both may be lines of templates.
    #[serde(default)]
    pub files: IndexMap<String, String>,
}

/// A file that a pattern writes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FileRule {
    /// Where, relative to the target; may be a line of a template.
    pub path: String,
    /// The template, by its path below the source; what does not end in `.j2` is copied as it is. May be a line of a template.
    pub from: String,
    /// Only where this holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<String>,
    /// Whether it may be run.
    #[serde(default)]
    pub executable: bool,
}

/// `pattern.yaml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PatternFile {
    pub(crate) title: String,
    pub(crate) summary: String,
    pub(crate) version: u32,
    #[serde(default)]
    pub(crate) parts: Vec<String>,
    #[serde(default)]
    pub(crate) fixed: IndexMap<String, Value>,
    #[serde(default)]
    pub(crate) questions: Questions,
    #[serde(default)]
    pub(crate) files: Vec<FileRule>,
    #[serde(default)]
    pub(crate) hooks: Hooks,
    #[serde(default)]
    pub(crate) migrations: Vec<Migration>,
}

/// A file of `parts/`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PartFile {
    #[serde(default)]
    pub(crate) fixed: IndexMap<String, Value>,
    #[serde(default)]
    pub(crate) questions: Questions,
    #[serde(default)]
    pub(crate) files: Vec<FileRule>,
}
