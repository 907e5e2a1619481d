//! What a caller asks for and what it gets.

use std::path::PathBuf;

use indexmap::IndexMap;

use super::model::Stack;
use super::written::Written;
use crate::diagnostic::Diagnostic;

/// Which project to resolve, and with what.
#[derive(Debug, Clone, Default)]
pub struct ResolveRequest {
    /// The directory (absolute) where files are looked for and that relative `compose_files` and `env_files` start from.
    pub project_dir: PathBuf,
    /// The directory that relative paths in the files start from; `None`: the one of the first Compose file.
    pub working_dir: Option<PathBuf>,
    /// The Compose files in order; empty: `COMPOSE_FILE`, else the default names in `project_dir` and the directories above.
    pub compose_files: Vec<PathBuf>,
    /// Files with variables for interpolation; empty: `.env`, where it is.
    pub env_files: Vec<PathBuf>,
    /// The environment of the process.
    pub environment: IndexMap<String, String>,
    /// Active profiles; empty: `COMPOSE_PROFILES`.
    pub profiles: Vec<String>,
    /// The project's name; `None`: its own, from `COMPOSE_PROJECT_NAME`, the `name` key, the directory.
    pub project_name: Option<String>,
    /// What is added to the project's own name; `project_name` wins over it.
    pub name_suffix: String,
}

/// A project resolved.
#[derive(Debug, Clone)]
pub struct Resolved {
    /// The stack.
    pub stack: Stack,
    /// The name that the project has when the request gives none.
    pub own_name: String,
    /// The document that the reference prints, `$` doubled so that it can be read again.
    pub canonical: serde_json::Value,
    /// Every file that was read, in order: env files and Compose files, included and extended ones too.
    pub files: Vec<PathBuf>,
    /// The Compose files that were named or found, without included and extended ones.
    pub compose_files: Vec<PathBuf>,
    /// The directory that relative paths started from.
    pub working_dir: PathBuf,
    /// The variables that interpolation saw: process environment, then env files.
    pub environment: IndexMap<String, String>,
    /// Where its parts are written.
    pub written: Written,
    /// What is worth knowing: unset variables, obsolete keys.
    pub warnings: Vec<Diagnostic>,
    /// Keys of active services and their resources that a deployment must refuse, each with its place.
    pub(super) unsupported: Vec<Diagnostic>,
}

impl Resolved {
    /// Every key of an active service or of what it uses that Chora does not honour, with its place and the reason.
    /// A deployment must refuse a stack for which this is not empty.
    #[must_use]
    pub fn unsupported(&self) -> &[Diagnostic] {
        &self.unsupported
    }
}
