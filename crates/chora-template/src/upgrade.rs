//! What becomes of files when the pattern, the answers or both have changed. An edit is never overwritten.

mod plan;

use serde::{Deserialize, Serialize};

use crate::merge::{ConflictStyle, merge_as};
use crate::render::ProjectFile;

pub use plan::{Planned, Upgrade, plan};

/// What becomes of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// It stays as it is.
    Same,
    /// It was not edited: the pattern's new text takes its place.
    Clean,
    /// It was edited: the pattern's changes were merged into it.
    Merged,
    /// Both changed the same lines, or the merge is not possible: a person has to decide.
    Conflict,
    /// It was deleted here and stays so.
    KeptDeleted,
    /// The pattern has it now.
    New,
    /// The pattern has it elsewhere now: it moved, with its edits.
    Moved,
    /// The pattern has it no more, and it was not edited.
    Removed,
    /// The pattern has it no more, but it was edited: it stays.
    Kept,
}

/// A file's fate, and what to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// What becomes of it.
    pub fate: Fate,
    /// What is to be written.
    pub write: Write,
    /// What was not taken of the pattern's change, as hunks of a patch, where conflicts are told apart.
    pub rejected: Option<String>,
}

/// What is to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Write {
    /// Nothing.
    Nothing,
    /// This file.
    File(ProjectFile),
    /// The file goes.
    Removal,
}

/// How conflicts are told: what the pattern is called, and where they stand.
pub type Telling<'a> = (&'a str, ConflictStyle);

/// Decides about one file: as the pattern wrote it, as it stands, as the pattern wants it now.
#[must_use]
pub fn decide(base: Option<&ProjectFile>, ours: Option<&ProjectFile>, new: Option<&ProjectFile>, telling: Telling<'_>) -> Decision {
    match (base, ours, new) {
        (_, None, None) => leave(Fate::Same),
        (Some(base), Some(ours), None) if is_as_written(ours, base) => {
            Decision { fate: Fate::Removed, write: Write::Removal, rejected: None }
        }
        (_, Some(_), None) => leave(Fate::Kept),
        (Some(_), None, Some(_)) => leave(Fate::KeptDeleted),
        (None, None, Some(new)) => put(Fate::New, new.bytes.clone(), new.executable),
        (None, Some(ours), Some(new)) => both(&ProjectFile { bytes: Vec::new(), executable: new.executable }, ours, new, telling),
        (Some(base), Some(ours), Some(new)) => both(base, ours, new, telling),
    }
}

fn both(base: &ProjectFile, ours: &ProjectFile, new: &ProjectFile, telling: Telling<'_>) -> Decision {
    // The side that changed the permission has its way; both cannot change it differently.
    let executable = if ours.executable == base.executable { new.executable } else { ours.executable };
    // Not edited at all: what is merged line by line would keep how its lines end, and whether the last one does.
    if ours.bytes == base.bytes {
        return replaced(base, ours, new, executable);
    }
    let (Some(base_text), Some(text), Some(new_text)) = (base.text(), ours.text(), new.text()) else {
        return whole(base, ours, new, executable);
    };
    let merged = merge_as(base_text, text, new_text, telling);
    let fate = match merged.conflicts {
        0 if merged.text == text && executable == ours.executable => return leave(Fate::Same),
        0 if is_as_written(ours, base) => Fate::Clean,
        0 => Fate::Merged,
        _ => Fate::Conflict,
    };
    let rejected = Some(merged.rejected).filter(|hunks| !hunks.is_empty());
    Decision { rejected, ..put(fate, merged.text.into_bytes(), executable) }
}

/// What is no text is taken from one side or the other, never mixed.
fn whole(base: &ProjectFile, ours: &ProjectFile, new: &ProjectFile, executable: bool) -> Decision {
    if new.bytes == base.bytes || ours.bytes == new.bytes { replaced(base, ours, ours, executable) } else { leave(Fate::Conflict) }
}

/// The bytes of one side, the permission of both.
fn replaced(base: &ProjectFile, ours: &ProjectFile, by: &ProjectFile, executable: bool) -> Decision {
    if by.bytes == ours.bytes && executable == ours.executable {
        return leave(Fate::Same);
    }
    put(if is_as_written(ours, base) { Fate::Clean } else { Fate::Merged }, by.bytes.clone(), executable)
}

const fn leave(fate: Fate) -> Decision {
    Decision { fate, write: Write::Nothing, rejected: None }
}

const fn put(fate: Fate, bytes: Vec<u8>, executable: bool) -> Decision {
    Decision { fate, write: Write::File(ProjectFile { bytes, executable }), rejected: None }
}

/// Whether a file is what the pattern wrote; Git may have changed how its lines end.
#[must_use]
pub fn is_as_written(ours: &ProjectFile, base: &ProjectFile) -> bool {
    let plain = |file: &ProjectFile| file.text().map(|text| text.replace("\r\n", "\n"));
    ours.executable == base.executable && (ours.bytes == base.bytes || plain(ours).is_some_and(|text| plain(base) == Some(text)))
}

#[cfg(test)]
mod tests {
    use super::{Decision, Fate, Write, decide};
    use crate::merge::ConflictStyle;
    use crate::render::ProjectFile;

    const TOLD: (&str, ConflictStyle) = ("p 2", ConflictStyle::Inline);

    fn rendered(text: Option<&str>) -> Option<ProjectFile> {
        standing(text.map(str::as_bytes))
    }

    /// A text; `+` before it makes it executable.
    fn standing(text: Option<&[u8]>) -> Option<ProjectFile> {
        text.map(|text| ProjectFile { bytes: text.strip_prefix(b"+").unwrap_or(text).to_vec(), executable: text.starts_with(b"+") })
    }

    #[test]
    fn the_matrix_of_changes_and_edits() {
        use Fate::{Clean, Conflict, Kept, KeptDeleted, Merged, New, Removed, Same};
        type Case<'a> = (Option<&'a str>, Option<&'a str>, Option<&'a str>, Fate, Option<&'a str>);
        let conflict = "<<<<<<< yours\nx\n=======\ny\n>>>>>>> p 2\n";
        let cases: &[Case<'_>] = &[
            // as written, as it stands, as wanted, fate, what is written
            (None, None, None, Same, None),
            (None, None, Some("a\n"), New, Some("a\n")),
            (None, None, Some("+a\n"), New, Some("+a\n")),
            (None, Some("a\n"), None, Kept, None),
            (None, Some("a\n"), Some("a\n"), Same, None),
            (None, Some("x\n"), Some("y\n"), Conflict, Some(conflict)),
            (None, Some("+x\n"), Some("y\n"), Conflict, Some("+<<<<<<< yours\nx\n=======\ny\n>>>>>>> p 2\n")),
            (Some("a\n"), None, None, Same, None),
            (Some("a\n"), None, Some("a\n"), KeptDeleted, None),
            (Some("a\n"), None, Some("b\n"), KeptDeleted, None),
            (Some("a\n"), Some("a\n"), None, Removed, None),
            (Some("a\n"), Some("a\r\n"), None, Removed, None),
            (Some("a\n"), Some("x\n"), None, Kept, None),
            (Some("a\n"), Some("+a\n"), None, Kept, None),
            (Some("a\n"), Some("a\n"), Some("a\n"), Same, None),
            (Some("a\n"), Some("a\n"), Some("b\n"), Clean, Some("b\n")),
            (Some("a\n"), Some("a\n"), Some("+a\n"), Clean, Some("+a\n")),
            (Some("a\n"), Some("a\r\n"), Some("b\n"), Clean, Some("b\r\n")),
            (Some("a\n"), Some("a\r\n"), Some("a\n"), Same, None),
            (Some("a\n"), Some("x\n"), Some("a\n"), Same, None),
            (Some("a\n"), Some("+a\n"), Some("a\n"), Same, None),
            (Some("+a\n"), Some("a\n"), Some("+a\n"), Same, None),
            (Some("a\n"), Some("+a\n"), Some("b\n"), Merged, Some("+b\n")),
            (Some("a\n"), Some("x\n"), Some("+a\n"), Merged, Some("+x\n")),
            (Some("a\n"), Some("b\n"), Some("b\n"), Same, None),
            (Some("a\n"), Some("x\n"), Some("y\n"), Conflict, Some(conflict)),
            (Some("a\nb\nc\n"), Some("A\nb\nc\n"), Some("a\nb\nC\n"), Merged, Some("A\nb\nC\n")),
            (Some("a\nb\nc\n"), Some("a\r\nb\r\nc\r\nd\r\n"), Some("A\nb\nc\n"), Merged, Some("A\r\nb\r\nc\r\nd\r\n")),
            (Some("a\nb\nc\n"), Some("a\nb\n"), Some("A\nb\nc\n"), Merged, Some("A\nb\n")),
            (Some("a\nb\nc\n"), Some(""), Some("a\nb\nC\n"), Conflict, Some("<<<<<<< yours\n=======\na\nb\nC\n>>>>>>> p 2\n")),
            (Some("a\n"), Some("a"), Some("a\n"), Same, None),
            (Some("a\nb\n"), Some("a\nb"), Some("A\nb\n"), Merged, Some("A\nb")),
            (Some("a\r\n"), Some("a\r\n"), Some("a\n"), Clean, Some("a\n")),
            (Some("a\r\nb\r\n"), Some("a\r\nb\r\n"), Some("a\nB\n"), Clean, Some("a\nB\n")),
            (Some("a\n"), Some("a\n"), Some("a"), Clean, Some("a")),
            (Some("a"), Some("+a"), Some("a\n"), Merged, Some("+a\n")),
        ];
        for (base, ours, new, fate, written) in cases {
            let decision = decide(rendered(*base).as_ref(), standing(ours.map(str::as_bytes)).as_ref(), rendered(*new).as_ref(), TOLD);
            let expected = match (fate, written) {
                (Removed, _) => Write::Removal,
                (_, None) => Write::Nothing,
                (_, Some(text)) => Write::File(standing(Some(text.as_bytes())).unwrap()),
            };
            assert_eq!(decision, Decision { fate: *fate, write: expected, rejected: None }, "{base:?} {ours:?} {new:?}");
        }
    }

    #[test]
    fn what_is_no_text_is_taken_from_one_side() {
        let (written, mine, theirs) = (standing(Some(b"\0a")), standing(Some(b"\0mine")), standing(Some(b"+\0b")));
        let fate = |base: &Option<ProjectFile>, ours: &Option<ProjectFile>, new: &Option<ProjectFile>| {
            let decision = decide(base.as_ref(), ours.as_ref(), new.as_ref(), TOLD);
            (decision.fate, matches!(decision.write, Write::File(file) if Some(&file) == new.as_ref()))
        };
        assert_eq!(fate(&written, &written, &theirs), (Fate::Clean, true));
        assert_eq!(fate(&written, &mine, &theirs), (Fate::Conflict, false));
        assert_eq!(fate(&written, &mine, &written), (Fate::Same, false));
        assert_eq!(fate(&written, &theirs, &theirs), (Fate::Same, false));
        assert_eq!(fate(&rendered(Some("a\n")), &mine, &rendered(Some("b\n"))), (Fate::Conflict, false));
        assert_eq!(fate(&rendered(Some("a\n")), &rendered(Some("a\n")), &theirs), (Fate::Clean, true));
    }
}
