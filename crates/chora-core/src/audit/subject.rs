//! What was read of a project, for an audit to judge. Somebody else reads it.

use std::collections::{BTreeMap, BTreeSet};

use chora_syntax::compose::Written;
use chora_syntax::dockerfile::{Dockerfile, Stage};
use chora_syntax::dockerignore::Dockerignore;
use chora_syntax::manifest::{EnvironmentClass, Manifest};
use chora_syntax::span::Place;

use super::marks::Evidence;
use crate::compose::{Build, Stack};

/// A project's files, as far as an audit looks at them. Paths are relative to the project where nothing else is said.
#[derive(Debug, Clone, Default)]
pub struct Subject {
    /// Its directory, absolute.
    pub directory: String,
    /// The Dockerfiles of careful environments, or the one that lies there.
    pub images: Vec<ImageFile>,
    /// Environments: those that `chora.yaml` names, else those that file names tell of. One of them is careful.
    pub environments: Vec<EnvironmentFiles>,
    /// `chora.yaml`.
    pub manifest: ManifestFile,
    /// Files that are there: those at the top, those below `docs` and those of CI services.
    pub paths: BTreeSet<String>,
    /// The text of files with recipes, and of workflows.
    pub texts: BTreeMap<String, String>,
    /// For each path that version control should not take: the line that keeps it out.
    pub ignored: BTreeMap<String, Option<Place>>,
    /// Whether it is a Git repository.
    pub is_repository: bool,
    /// The pattern that it was written from.
    pub pattern: PatternState,
    /// Whether it is an MCP server, as far as its manifest files tell.
    pub is_mcp: bool,
}

/// The name of a Dockerfile that stands in a Compose file.
pub const INLINE: &str = "dockerfile_inline";

/// A Dockerfile.
#[derive(Debug, Clone)]
pub struct ImageFile {
    /// Its path, as messages print it.
    pub path: String,
    /// The build context, as the stack names it.
    pub context: String,
    /// Its name, as the stack gives it.
    pub dockerfile: Option<String>,
    /// The stage that is built; the last where none is named.
    pub target: Option<String>,
    /// What it says, or why it cannot be read.
    pub file: Result<Dockerfile, Vec<Evidence>>,
    /// What stays out of its context; absent where no file says so.
    pub ignore: Option<IgnoreFile>,
    /// Files with secrets that lie in its context, relative to that.
    pub secrets: Vec<String>,
}

/// A `.dockerignore`.
#[derive(Debug, Clone)]
pub struct IgnoreFile {
    /// Its path, as messages print it.
    pub path: String,
    /// Its rules.
    pub rules: Dockerignore,
}

impl ImageFile {
    /// The file and the stage that becomes the image.
    pub(super) fn target(&self) -> Option<(&Dockerfile, &Stage)> {
        let file = self.file.as_ref().ok()?;
        Some((file, file.target(self.target.as_deref())?))
    }

    /// Whether a service is built from it.
    pub(super) fn is_of(&self, build: &Build) -> bool {
        self.context == build.context && self.dockerfile == build.dockerfile && self.target == build.target
    }
}

/// An environment and its Compose files.
#[derive(Debug, Clone)]
pub struct EnvironmentFiles {
    /// Its name.
    pub name: String,
    /// How careful it is.
    pub class: EnvironmentClass,
    /// Its Compose files, in order.
    pub files: Vec<String>,
    /// What they resolve to, or why they do not.
    pub stack: Result<ResolvedStack, Vec<Evidence>>,
}

impl EnvironmentFiles {
    pub(super) fn is_careful(&self) -> bool {
        self.class != EnvironmentClass::Development
    }

    /// The last of its files, or the one that would be.
    pub(super) fn last_file(&self) -> &str {
        self.files.last().map_or("compose.yaml", String::as_str)
    }

    /// The file where it can be told something of its own; one that is yet to be written where it has only the file of all.
    pub(super) fn own_file(&self) -> String {
        let last = self.last_file();
        match (self.is_careful() && self.has_usual_file(), last.rsplit_once('.')) {
            (true, Some((stem, end))) => format!("{stem}.{}.{end}", self.name),
            _ => last.to_owned(),
        }
    }

    /// Whether its only Compose file is the one that is found without being named.
    pub(super) fn has_usual_file(&self) -> bool {
        self.files.len() <= 1 && USUAL.contains(&self.last_file())
    }
}

/// Compose files that are found without being named.
const USUAL: [&str; 4] = ["compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml"];

/// A stack, and where it is written.
#[derive(Debug, Clone)]
pub struct ResolvedStack {
    /// The stack.
    pub stack: Stack,
    /// Where its keys are.
    pub written: Written,
    /// Variables that were not set and have no default.
    pub unset: Vec<Evidence>,
}

/// `chora.yaml`.
#[derive(Debug, Clone, Default)]
pub enum ManifestFile {
    /// It is not there.
    #[default]
    Absent,
    /// It cannot be read: why.
    Broken(Vec<Evidence>),
    /// What it says, and its text.
    Read(Box<Manifest>, String),
}

/// What is known about the pattern of a project.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum PatternState {
    /// It was written from none.
    #[default]
    None,
    /// It was, but what is remembered of it cannot be used: why.
    Broken(String),
    /// It was, from a repository elsewhere, which an audit does not ask.
    Elsewhere {
        /// The pattern.
        name: String,
        /// Its version when the files were written.
        version: u32,
        /// Where it is from.
        source: String,
    },
    /// It was.
    Known {
        /// The pattern.
        name: String,
        /// Its version when the files were written.
        version: u32,
        /// Its version now.
        latest: u32,
        /// Whether an upgrade would change something.
        is_behind: bool,
        /// Files of the pattern that were deleted.
        deleted: Vec<String>,
    },
}

impl Subject {
    /// The Dockerfile that a service is built from.
    pub(super) fn image_of(&self, build: &Build) -> Option<&ImageFile> {
        self.images.iter().find(|image| image.is_of(build))
    }

    pub(super) fn careful(&self) -> impl Iterator<Item = &EnvironmentFiles> {
        self.environments.iter().filter(|environment| environment.is_careful())
    }

    pub(super) fn manifest(&self) -> Option<&Manifest> {
        if let ManifestFile::Read(manifest, _) = &self.manifest { Some(manifest) } else { None }
    }
}
