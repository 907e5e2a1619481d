//! Mending: objects spread over lines are joined, objects glued on a line are split, the rest is set aside. Pure.

use serde_json::{Deserializer, Map, Value};

use super::line::{numbered, understand};

/// An object is looked for over at most this many lines.
const LONGEST_OBJECT: usize = 500;

/// A mended log.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Mended {
    /// Its lines, each with the number of the (first) line that it was.
    pub(super) kept: Vec<(usize, Vec<u8>)>,
    /// What could not be read: number of the (first) line, the bytes, why.
    pub(super) aside: Vec<(usize, Vec<u8>, String)>,
    /// Objects that were spread over lines: number of the first.
    pub(super) joined: Vec<usize>,
    /// Lines that held more than one thing.
    pub(super) split: Vec<usize>,
}

pub(super) fn mend(bytes: &[u8]) -> Mended {
    let lines: Vec<(usize, &[u8])> = numbered(bytes).filter(|(_, line)| !line.trim_ascii().is_empty()).collect();
    let mut mended = Mended::default();
    let mut rest = lines.as_slice();
    while let [(number, line), after @ ..] = rest {
        rest = after;
        if understand(line).is_ok() {
            mended.kept.push((*number, line.to_vec()));
        } else if let Some((joined, count)) = join(line, after) {
            mended.joined.push(*number);
            mended.kept.push((*number, joined));
            rest = after.get(count..).unwrap_or_default();
        } else {
            mended.take_apart(*number, line);
        }
    }
    mended
}

impl Mended {
    /// Keeps the events of a line and sets aside what is between them.
    fn take_apart(&mut self, number: usize, line: &[u8]) {
        let mut unread: Vec<u8> = Vec::new();
        let mut rest = line;
        let mut found = 0;
        while let Some(first) = rest.first() {
            let event = if *first == b'{' { leading_event(rest) } else { None };
            let length = event.unwrap_or(1);
            let (part, after) = rest.split_at_checked(length).unwrap_or((rest, &[]));
            if event.is_some() {
                found += 1;
                self.set_aside(number, &mut unread);
                self.kept.push((number, part.to_vec()));
            } else {
                unread.extend_from_slice(part);
            }
            rest = after;
        }
        if found > 0 {
            self.split.push(number);
        }
        self.set_aside(number, &mut unread);
    }

    fn set_aside(&mut self, number: usize, unread: &mut Vec<u8>) {
        let bytes = std::mem::take(unread);
        if !bytes.trim_ascii().is_empty() {
            let reason = understand(&bytes).err().unwrap_or_default();
            self.aside.push((number, bytes, reason));
        }
    }
}

/// The length of the event that the bytes begin with.
fn leading_event(bytes: &[u8]) -> Option<usize> {
    let mut objects = Deserializer::from_slice(bytes).into_iter::<Map<String, Value>>();
    objects.next()?.ok()?;
    let length = objects.byte_offset();
    understand(bytes.get(..length)?).ok().map(|_| length)
}

/// An event that begins on this line and ends on a later one: its one line, and how many more it took.
fn join(line: &[u8], after: &[(usize, &[u8])]) -> Option<(Vec<u8>, usize)> {
    if line.trim_ascii_start().first() != Some(&b'{') {
        return None;
    }
    let mut joined = line.trim_ascii().to_vec();
    for (count, (_, next)) in (1..=LONGEST_OBJECT).zip(after) {
        if understand(next).is_ok() {
            return None;
        }
        joined.push(b' ');
        joined.extend_from_slice(next.trim_ascii());
        if next.trim_ascii_end().ends_with(b"}") && understand(&joined).is_ok() {
            return Some((joined, count));
        }
    }
    None
}
