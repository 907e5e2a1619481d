//! What becomes of one file when the pattern, the answers or both have changed. An edit is never overwritten.

use serde::{Deserialize, Serialize};

use crate::merge::merge;
use crate::render::RenderedFile;

/// A file as it stands in the project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectFile {
    /// What it holds.
    pub bytes: Vec<u8>,
    /// Whether it may be run.
    pub executable: bool,
}

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

/// Decides about one file: as the pattern wrote it, as it stands, as the pattern wants it now.
#[must_use]
pub fn decide(base: Option<&RenderedFile>, ours: Option<&ProjectFile>, new: Option<&RenderedFile>, label: &str) -> Decision {
    let leave = |fate| Decision { fate, write: Write::Nothing };
    match (base, ours, new) {
        (_, None, None) => leave(Fate::Same),
        (Some(base), Some(ours), None) if is_as_written(ours, base) => Decision { fate: Fate::Removed, write: Write::Removal },
        (_, Some(_), None) => leave(Fate::Kept),
        (Some(_), None, Some(_)) => leave(Fate::KeptDeleted),
        (None, None, Some(new)) => put(Fate::New, new.text.clone().into_bytes(), new.executable),
        (None, Some(ours), Some(new)) => both(&RenderedFile { text: String::new(), executable: new.executable }, ours, new, label),
        (Some(base), Some(ours), Some(new)) => both(base, ours, new, label),
    }
}

fn both(base: &RenderedFile, ours: &ProjectFile, new: &RenderedFile, label: &str) -> Decision {
    // The side that changed the permission has its way; both cannot change it differently.
    let executable = if ours.executable == base.executable { new.executable } else { ours.executable };
    let is_text = |text: &&str| !text.contains('\0');
    let Some(text) = std::str::from_utf8(&ours.bytes).ok().filter(is_text) else {
        let fate = if base.text == new.text { Fate::Same } else { Fate::Conflict };
        return Decision { fate, write: Write::Nothing };
    };
    let merged = merge(&base.text, text, &new.text, label);
    let fate = match merged.conflicts {
        0 if merged.text == text && executable == ours.executable => return Decision { fate: Fate::Same, write: Write::Nothing },
        0 if is_as_written(ours, base) => Fate::Clean,
        0 => Fate::Merged,
        _ => Fate::Conflict,
    };
    put(fate, merged.text.into_bytes(), executable)
}

fn put(fate: Fate, bytes: Vec<u8>, executable: bool) -> Decision {
    Decision { fate, write: Write::File(ProjectFile { bytes, executable }) }
}

/// Whether a file is what the pattern wrote; Git may have changed how its lines end.
#[must_use]
pub fn is_as_written(ours: &ProjectFile, base: &RenderedFile) -> bool {
    let is_equal = ours.bytes == base.text.as_bytes();
    ours.executable == base.executable
        && (is_equal || std::str::from_utf8(&ours.bytes).is_ok_and(|text| text.replace("\r\n", "\n") == base.text))
}

#[cfg(test)]
mod tests {
    use super::{Decision, Fate, ProjectFile, Write, decide};
    use crate::render::RenderedFile;

    /// A text; `+` before it makes it executable.
    fn rendered(text: Option<&str>) -> Option<RenderedFile> {
        text.map(|text| RenderedFile { text: text.trim_start_matches('+').to_owned(), executable: text.starts_with('+') })
    }

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
        ];
        for (base, ours, new, fate, written) in cases {
            let decision = decide(rendered(*base).as_ref(), standing(ours.map(str::as_bytes)).as_ref(), rendered(*new).as_ref(), "p 2");
            let expected = match (fate, written) {
                (Removed, _) => Write::Removal,
                (_, None) => Write::Nothing,
                (_, Some(text)) => Write::File(standing(Some(text.as_bytes())).unwrap()),
            };
            assert_eq!(decision, Decision { fate: *fate, write: expected }, "{base:?} {ours:?} {new:?}");
        }
    }

    #[test]
    fn what_is_no_text_is_left_alone() {
        let (base, ours) = (rendered(Some("a\n")), standing(Some(b"\0\xff")));
        let decision = |new| decide(base.as_ref(), ours.as_ref(), rendered(Some(new)).as_ref(), "p 2");
        assert_eq!(decision("a\n"), Decision { fate: Fate::Same, write: Write::Nothing });
        assert_eq!(decision("b\n"), Decision { fate: Fate::Conflict, write: Write::Nothing });
    }
}
