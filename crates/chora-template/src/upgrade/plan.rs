//! All files of an upgrade at once: each by itself, and those that the pattern has moved together with where they were.

use std::collections::{BTreeMap, BTreeSet};

use super::{Decision, Fate, Telling, Write, decide};
use crate::migration::Renames;
use crate::render::{ProjectFile, Rendered};

/// What an upgrade is decided from.
#[derive(Debug)]
pub struct Upgrade<'a> {
    /// As the pattern wrote it.
    pub base: &'a Rendered,
    /// As it stands: every path of `base` and `wanted` where something stands.
    pub ours: &'a BTreeMap<String, ProjectFile>,
    /// As the pattern wants it now.
    pub wanted: &'a Rendered,
    /// Where files of the pattern are now.
    pub renames: &'a Renames,
    /// How conflicts are told.
    pub telling: Telling<'a>,
}

/// What becomes of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    /// Where it is afterwards.
    pub path: String,
    /// Where it was, when the pattern has moved it.
    pub from: Option<String>,
    /// Its fate, and what is to be written at `path`; what stands at `from` goes.
    pub decision: Decision,
}

/// Decides about all files, by their paths.
#[must_use]
pub fn plan(upgrade: &Upgrade<'_>) -> Vec<Planned> {
    let moves: BTreeMap<&str, &str> = upgrade.renames.iter().filter_map(|(old, new)| upgrade.moved(old, new)).collect();
    let sources: BTreeSet<&str> = moves.values().copied().collect();
    let paths: BTreeSet<&String> = upgrade.base.keys().chain(upgrade.wanted.keys()).collect();
    let each = paths.into_iter().filter(|path| !sources.contains(path.as_str()));
    each.map(|path| match moves.get(path.as_str()) {
        Some(from) => upgrade.at_new_place(path, from),
        None => Planned { path: path.clone(), from: None, decision: upgrade.in_place(path) },
    })
    .collect()
}

impl Upgrade<'_> {
    /// The new and the old path, where the pattern really moved a file, and not onto one that a person put there.
    fn moved<'p>(&self, old: &'p str, new: &'p str) -> Option<(&'p str, &'p str)> {
        let is_moved = self.base.contains_key(old) && !self.wanted.contains_key(old);
        let is_new = self.wanted.contains_key(new) && !self.base.contains_key(new);
        let is_taken = self.ours.contains_key(old) && self.ours.contains_key(new);
        (is_moved && is_new && !is_taken).then_some((new, old))
    }

    fn in_place(&self, path: &str) -> Decision {
        decide(self.base.get(path), self.ours.get(path), self.wanted.get(path), self.telling)
    }

    fn at_new_place(&self, path: &str, from: &str) -> Planned {
        let (base, wanted) = (self.base.get(from), self.wanted.get(path));
        // A person may have moved it already.
        if self.ours.contains_key(path) {
            let decision = decide(base, self.ours.get(path), wanted, self.telling);
            return Planned { path: path.to_owned(), from: None, decision };
        }
        let Some(ours) = self.ours.get(from) else {
            let decision = Decision { fate: Fate::KeptDeleted, write: Write::Nothing, rejected: None };
            return Planned { path: path.to_owned(), from: None, decision };
        };
        let mut decision = decide(base, Some(ours), wanted, self.telling);
        if decision.write == Write::Nothing {
            decision.write = Write::File(ours.clone());
        }
        if decision.fate == Fate::Same {
            decision.fate = Fate::Moved;
        }
        Planned { path: path.to_owned(), from: Some(from.to_owned()), decision }
    }
}
