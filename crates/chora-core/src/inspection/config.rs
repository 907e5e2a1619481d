//! An image's configuration (OCI image-spec, config.md), as far as it is judged.

use indexmap::IndexMap;
use serde::Deserialize;

use crate::model::secret::Secret;

/// What an image says of itself. Values of variables and the text of instructions may hold secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageConfig {
    /// Architecture that it is made for, such as `amd64`.
    pub architecture: String,
    /// User that its programs run as; empty is root.
    pub user: String,
    /// Variables, with their values.
    pub environment: Secret<Vec<(String, String)>>,
    /// Labels.
    pub labels: IndexMap<String, String>,
    /// `HEALTHCHECK` test, empty for none.
    pub healthcheck: Vec<String>,
    /// What it was made by, oldest first.
    pub history: Vec<Instruction>,
}

/// One instruction of an image's history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instruction {
    /// As it was written down by the builder.
    pub text: Secret<String>,
    /// It made no layer.
    pub is_empty: bool,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Document {
    architecture: String,
    config: Option<ConfigDocument>,
    history: Option<Vec<HistoryDocument>>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct ConfigDocument {
    user: String,
    env: Option<Vec<String>>,
    labels: Option<IndexMap<String, String>>,
    healthcheck: Option<CheckDocument>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct CheckDocument {
    test: Option<Vec<String>>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct HistoryDocument {
    created_by: String,
    empty_layer: bool,
}

impl ImageConfig {
    /// Reads a configuration; `None` when it is none.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let document: Document = serde_json::from_slice(bytes).ok()?;
        let config = document.config.unwrap_or_default();
        let pair = |line: String| line.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
        let instruction = |entry: HistoryDocument| Instruction { text: Secret::new(entry.created_by), is_empty: entry.empty_layer };
        let test = config.healthcheck.and_then(|check| check.test).unwrap_or_default();
        Some(Self {
            architecture: document.architecture,
            user: config.user,
            environment: Secret::new(config.env.unwrap_or_default().into_iter().filter_map(pair).collect()),
            labels: config.labels.unwrap_or_default(),
            healthcheck: if test.first().is_some_and(|word| word == "NONE") { Vec::new() } else { test },
            history: document.history.unwrap_or_default().into_iter().map(instruction).collect(),
        })
    }

    /// The instructions that made layers, in the order of the layers.
    pub fn layered(&self) -> impl Iterator<Item = &Instruction> {
        self.history.iter().filter(|instruction| !instruction.is_empty)
    }
}
