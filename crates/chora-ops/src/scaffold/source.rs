//! Where patterns are from: the built-in catalogue, a directory, or a repository at a tag, branch or commit.

pub(crate) mod address;
mod folder;
mod git;

use chora_template::record::Source;
use chora_template::{Catalogue, SourceError, SourceFiles};

use self::address::{Address, Place};
use super::UNTOUCHED;
use crate::context::Settings;
use crate::failure::{Failure, FailureKind};

/// Which of its states a source is wanted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State<'a> {
    /// This tag, branch or commit.
    Exactly(&'a str),
    /// The newest there is: the head of this branch, where it is one, else the newest version.
    Newest(Option<&'a str>),
    /// The files of a directory as they stand.
    AsItStands,
}

/// Patterns and where they are from.
#[derive(Debug)]
pub(crate) struct Fetched {
    /// Absent for the built-in catalogue.
    external: Option<External>,
}

#[derive(Debug)]
struct External {
    files: SourceFiles,
    source: Source,
    /// What it is trusted by.
    name: String,
}

impl Fetched {
    /// The catalogue that is part of the program.
    pub(crate) const fn built_in() -> Self {
        Self { external: None }
    }

    /// What an address names, in the state that it asks for.
    pub(crate) fn at(settings: &Settings, address: &Address) -> Result<Self, Failure> {
        let state = match (&address.reference, &address.place) {
            (Some(reference), _) => State::Exactly(reference),
            (None, Place::Folder { path, .. }) if !folder::is_bare(path) => State::AsItStands,
            (None, _) => State::Newest(None),
        };
        Self::in_state(settings, &address.place, state)
    }

    /// The same in another state than it asks for.
    pub(crate) fn in_state(settings: &Settings, place: &Place, state: State<'_>) -> Result<Self, Failure> {
        let (files, reference, commit) = match (place, state) {
            (Place::Folder { path, .. }, State::AsItStands) => (folder::read(path)?, None, None),
            (place, state) => {
                let found = git::read(settings, place, state)?;
                (found.files, found.reference, Some(found.commit))
            }
        };
        let source = Source { from: place.written(), reference, commit };
        Ok(Self { external: Some(External { files, source, name: place.name() }) })
    }

    pub(crate) fn catalogue(&self) -> Result<Catalogue<'_>, Failure> {
        let Some(External { files, source, .. }) = &self.external else {
            return Catalogue::built_in()
                .map_err(|error| Failure::new(FailureKind::Internal, format!("the catalogue cannot be read: {error}")));
        };
        Catalogue::of(files).map_err(|error| {
            let text = error.to_string();
            let mut lines = text.lines().map(str::to_owned);
            let message = format!(
                "the patterns of {} cannot be used: {}",
                source.from,
                lines.next().unwrap_or_default().trim_start_matches("error: ")
            );
            let failure = Failure::new(FailureKind::Invalid, message).details(lines.collect()).state(UNTOUCHED);
            failure.hint("mend the source, or name another one with --from")
        })
    }

    /// What the project remembers of it.
    pub(crate) fn source(&self) -> Option<&Source> {
        self.external.as_ref().map(|external| &external.source)
    }

    /// What it is trusted by, and its files.
    pub(crate) fn name(&self) -> Option<(&str, &SourceFiles)> {
        self.external.as_ref().map(|external| (external.name.as_str(), &external.files))
    }

    /// What to do about a pattern that is wrong.
    pub(crate) fn blame(&self) -> (FailureKind, String) {
        match &self.external {
            None => (FailureKind::Internal, "please report the bug in the pattern".to_owned()),
            Some(external) => (FailureKind::Invalid, format!("mend the pattern in {}", external.source.from)),
        }
    }
}

/// A source that is more than one may be.
fn too_much(shown: &str, error: &SourceError) -> Failure {
    let failure = Failure::new(FailureKind::Invalid, format!("{shown} cannot be used: {error}")).state(UNTOUCHED);
    failure.hint("name the directory or repository that holds the templates alone")
}
