//! Three-way merge of texts by lines: what only one side changed is taken, what both changed differently is a conflict.

mod lines;

use serde::{Deserialize, Serialize};

use self::lines::{Line, matches, split};

/// What came of merging.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Merged {
    /// The text; conflicts stand between markers, unless they are told apart.
    pub text: String,
    /// How many conflicts.
    pub conflicts: usize,
    /// The conflicts as hunks of a patch, where they are told apart.
    pub rejected: String,
}

/// How conflicts are told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ConflictStyle {
    /// Both sides stand in the file, between markers.
    #[default]
    Inline,
    /// The file keeps its own side, the pattern's change stands in a file `.rej` beside it.
    Rej,
}

/// The first mark of a conflict.
pub const OURS: &str = "<<<<<<< yours";
const MIDDLE: &str = "=======";
/// The last mark of a conflict; what the pattern is called follows.
pub const THEIRS: &str = ">>>>>>> ";

/// Merges what changed from `base` to `theirs` into `ours`. Line ends are those of `ours`; they make no difference.
#[must_use]
pub fn merge(base: &str, ours: &str, theirs: &str, label: &str) -> Merged {
    merge_as(base, ours, theirs, (label, ConflictStyle::Inline))
}

/// The same, with conflicts told in one way or the other.
#[must_use]
pub fn merge_as(base: &str, ours: &str, theirs: &str, (label, style): (&str, ConflictStyle)) -> Merged {
    let (base, ours_lines, theirs_lines) = (split(base), split(ours), split(theirs));
    let end = if ours.matches("\r\n").count() * 2 > ours.matches('\n').count() { "\r\n" } else { "\n" };
    let mut sheet = Sheet { lines: Vec::new(), end, label, style, conflicts: 0, rejected: String::new() };
    let (in_ours, in_theirs) = (matches(&base, &ours_lines), matches(&base, &theirs_lines));
    let (mut b, mut o, mut t) = (0, 0, 0);
    while b < base.len() || o < ours_lines.len() || t < theirs_lines.len() {
        // The next line of the base that both sides still have ends what is to be decided.
        let stable = (b..base.len()).find_map(|at| {
            let (mine, other) = (in_ours.get(at).copied().flatten()?, in_theirs.get(at).copied().flatten()?);
            (mine >= o && other >= t).then_some((at, mine, other))
        });
        let (b_end, o_end, t_end) = stable.unwrap_or((base.len(), ours_lines.len(), theirs_lines.len()));
        sheet.decide((piece(&base, b, b_end), b), piece(&ours_lines, o, o_end), (piece(&theirs_lines, t, t_end), t));
        if let Some((at, mine, other)) = stable {
            sheet.keep(ours_lines.get(mine..=mine).unwrap_or_default());
            (b, o, t) = (at + 1, mine + 1, other + 1);
        } else {
            break;
        }
    }
    Merged { conflicts: sheet.conflicts, text: sheet.lines.concat(), rejected: sheet.rejected }
}

fn piece<'a, 'b>(lines: &'b [Line<'a>], from: usize, to: usize) -> &'b [Line<'a>] {
    lines.get(from..to).unwrap_or_default()
}

/// What is written.
struct Sheet<'a> {
    lines: Vec<String>,
    end: &'static str,
    label: &'a str,
    style: ConflictStyle,
    conflicts: usize,
    rejected: String,
}

impl Sheet<'_> {
    fn decide(&mut self, (base, at_base): (&[Line<'_>], usize), ours: &[Line<'_>], (theirs, at_theirs): (&[Line<'_>], usize)) {
        if theirs == base || ours == theirs {
            self.keep(ours);
        } else if ours == base {
            self.take(theirs);
        } else if self.style == ConflictStyle::Rej {
            self.conflicts += 1;
            self.keep(ours);
            self.rejected.push_str(&hunk((base, at_base), (theirs, at_theirs)));
        } else {
            self.conflicts += 1;
            self.mark(OURS.to_owned());
            self.keep(ours);
            self.mark(MIDDLE.to_owned());
            self.take(theirs);
            self.mark(format!("{THEIRS}{}", self.label));
        }
    }

    /// Lines as they stand.
    fn keep(&mut self, lines: &[Line<'_>]) {
        lines.iter().for_each(|line| self.push(line.whole.to_owned()));
    }

    /// Lines of the other side, with the line end of this one.
    fn take(&mut self, lines: &[Line<'_>]) {
        let end = self.end;
        lines.iter().for_each(|line| self.push(if line.is_ended() { format!("{}{end}", line.text) } else { line.text.to_owned() }));
    }

    fn mark(&mut self, mark: String) {
        self.push(mark + self.end);
    }

    /// Every line stands on its own, also after a last line of one side that has no end.
    fn push(&mut self, line: String) {
        if self.lines.last().is_some_and(|line| !line.ends_with('\n')) {
            self.lines.push(self.end.to_owned());
        }
        self.lines.push(line);
    }
}

/// A change as a patch has it: what went with `-`, what came with `+`.
fn hunk((base, at_base): (&[Line<'_>], usize), (theirs, at_theirs): (&[Line<'_>], usize)) -> String {
    // Where nothing goes or comes, a patch names the line before.
    let place = |at: usize, lines: &[Line<'_>]| format!("{},{}", if lines.is_empty() { at } else { at + 1 }, lines.len());
    let mut text = format!("@@ -{} +{} @@\n", place(at_base, base), place(at_theirs, theirs));
    for (sign, line) in base.iter().map(|line| ('-', line)).chain(theirs.iter().map(|line| ('+', line))) {
        text.push_str(&format!("{sign}{}\n", line.text));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{ConflictStyle, merge, merge_as};
    use proptest::prelude::*;

    #[test]
    fn the_table_of_merges() {
        let cases = [
            // base, ours, theirs, merged, conflicts
            ("a\nb\nc\n", "a\nb\nc\n", "a\nB\nc\n", "a\nB\nc\n", 0),
            ("a\nb\nc\n", "a\nB\nc\n", "a\nb\nc\n", "a\nB\nc\n", 0),
            ("a\nb\nc\n", "A\nb\nc\n", "a\nb\nC\n", "A\nb\nC\n", 0),
            ("a\nb\nc\n", "a\nX\nc\n", "a\nX\nc\n", "a\nX\nc\n", 0),
            ("a\nb\nc\n", "a\nc\n", "a\nb\nc\nd\n", "a\nc\nd\n", 0),
            ("a\nc\n", "a\nb\nc\n", "a\nc\nd\n", "a\nb\nc\nd\n", 0),
            ("a\nb\nc\n", "a\nX\nc\n", "a\nY\nc\n", "a\n<<<<<<< yours\nX\n=======\nY\n>>>>>>> p 2\nc\n", 1),
            ("a\nb\nc\n", "a\nc\n", "a\nY\nc\n", "a\n<<<<<<< yours\n=======\nY\n>>>>>>> p 2\nc\n", 1),
            ("", "x\n", "y\n", "<<<<<<< yours\nx\n=======\ny\n>>>>>>> p 2\n", 1),
            ("a\nb\n", "a\r\nb\r\n", "a\nB\n", "a\r\nB\r\n", 0),
            ("a\nb\n", "a\r\nX\r\n", "a\nY\n", "a\r\n<<<<<<< yours\r\nX\r\n=======\r\nY\r\n>>>>>>> p 2\r\n", 1),
            ("a\nb\n", "a\nb", "A\nb\n", "A\nb", 0),
            ("a\n", "a\nx", "a\ny", "a\n<<<<<<< yours\nx\n=======\ny\n>>>>>>> p 2\n", 1),
            ("a\n", "a", "a\nb\n", "a\nb\n", 0),
            ("a\n", "a\nb\n", "a", "a\nb\n", 0),
            ("a\r\n", "a\r\nb\r\nc", "x\na\n", "x\r\na\r\nb\r\nc", 0),
            ("a\nb", "a\nb\nc\n", "a\nb\nc", "a\nb\nc\n", 0),
            ("a\na\na\n", "a\na\n", "a\na\na\nb\n", "a\na\n<<<<<<< yours\n=======\na\nb\n>>>>>>> p 2\n", 1),
        ];
        for (base, ours, theirs, text, conflicts) in cases {
            let merged = merge(base, ours, theirs, "p 2");
            assert_eq!((merged.text.as_str(), merged.conflicts), (text, conflicts), "{base:?} {ours:?} {theirs:?}");
        }
    }

    #[test]
    fn what_is_rejected_stands_apart() {
        let merged = merge_as("a\nb\nc\nd\n", "A\nX\nc\nd\n", "a\nY\nc\nD\n", ("p 2", ConflictStyle::Rej));
        assert_eq!((merged.text.as_str(), merged.conflicts), ("A\nX\nc\nD\n", 1));
        assert_eq!(merged.rejected, "@@ -1,2 +1,2 @@\n-a\n-b\n+a\n+Y\n");
        let added = merge_as("a\n", "a\nx\n", "a\ny\n", ("p 2", ConflictStyle::Rej));
        assert_eq!((added.text.as_str(), added.rejected.as_str()), ("a\nx\n", "@@ -1,0 +2,1 @@\n+y\n"));
    }

    fn text() -> impl Strategy<Value = String> {
        prop::collection::vec(prop::sample::select(vec!["a\n", "b\n", "c\n", "d\n", "\n"]), 0..12).prop_map(|lines| lines.concat())
    }

    /// The same, where the last line may have no end.
    fn unterminated() -> impl Strategy<Value = String> {
        (text(), any::<bool>()).prop_map(|(text, is_ended)| if is_ended { text } else { text.trim_end_matches('\n').to_owned() })
    }

    fn lines(text: &str) -> Vec<String> {
        text.lines().map(str::to_owned).collect()
    }

    proptest! {
        #[test]
        fn lines_of_one_side_stay_lines(base in unterminated(), other in unterminated()) {
            prop_assert_eq!(lines(&merge(&base, &base, &other, "p").text), lines(&other));
            prop_assert_eq!(lines(&merge(&base, &other, &base, "p").text), lines(&other));
            prop_assert_eq!(lines(&merge(&base, &other, &other, "p").text), lines(&other));
        }

        #[test]
        fn every_line_is_one_of_the_three(base in unterminated(), ours in unterminated(), theirs in unterminated()) {
            let ours = format!("{ours}\nmine");
            let theirs = format!("{theirs}\nyours");
            let merged = merge(&base, &ours, &theirs, "p").text;
            let known = [lines(&ours), lines(&theirs), lines("<<<<<<< yours\n=======\n>>>>>>> p")].concat();
            prop_assert!(lines(&merged).iter().all(|line| known.contains(line)), "{:?}", merged);
            prop_assert!(lines(&merged).contains(&"mine".to_owned()), "{:?}", merged);
        }

        #[test]
        fn one_side_alone_is_taken_as_it_is(base in text(), other in text()) {
            prop_assert_eq!(merge(&base, &base, &other, "p").text, other.clone());
            prop_assert_eq!(merge(&base, &other, &base, "p").text, other.clone());
            prop_assert_eq!(merge(&base, &other, &other, "p").text, other);
        }

        #[test]
        fn no_line_of_ours_that_is_new_is_lost(base in text(), ours in text(), theirs in text()) {
            let ours = format!("{ours}mine\n");
            prop_assert!(merge(&base, &ours, &theirs, "p").text.lines().any(|line| line == "mine"));
        }
    }
}
