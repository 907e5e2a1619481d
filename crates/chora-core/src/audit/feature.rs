//! What a feature is: a row of a table.

use super::marks::Marks;
use super::phase::Phase;
use super::subject::Subject;

/// What a feature is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Area {
    /// Dockerfiles and what goes into images.
    Image,
    /// Compose files.
    Stack,
    /// Everything around them.
    Project,
}

impl Area {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Stack => "stack",
            Self::Project => "project",
        }
    }
}

/// Something that a project can adopt.
pub(super) struct Feature {
    /// Its name for machines; stays.
    pub(super) id: &'static str,
    /// Its name for people: what holds when it is adopted.
    pub(super) title: &'static str,
    pub(super) area: Area,
    /// 1–10: what goes wrong without it.
    pub(super) weight: u8,
    pub(super) phase: Phase,
    /// How long it takes to adopt.
    pub(super) minutes: u16,
    /// Looks for it.
    pub(super) check: fn(&Subject, &mut Marks),
    /// What to do, in a sentence.
    pub(super) change: &'static str,
    /// What to write.
    pub(super) lines: Lines,
}

/// What adopts a feature.
pub(super) enum Lines {
    /// The sentence says all.
    None,
    /// Instructions of a Dockerfile.
    Dockerfile(&'static str),
    /// Keys of every service that lacks it.
    Service(&'static str),
    /// The same, with keys at the top of the file.
    ServiceAnd(&'static str, &'static str),
    /// Instructions of a Dockerfile; keys of services where only those lack it.
    Either(&'static str, &'static str),
    /// A file, or lines to be added to it.
    File(&'static str, &'static str),
    /// Commands.
    Commands(&'static [&'static str]),
    /// What depends on the project.
    Made(fn(&Subject) -> super::plan::Snippet),
}
