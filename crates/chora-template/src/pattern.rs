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
}

/// A file that a pattern writes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FileRule {
    /// Where, relative to the target; may be a line of a template.
    pub path: String,
    /// The template, by its path below `templates/`; may be a line of a template.
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
