//! Where a piece of text stands: a source file and a byte range in it.

use std::sync::Arc;

/// A byte range of one source. `Span::default()` points nowhere and renders without an excerpt.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Span {
    /// One more than the index of the source; zero for values that no file holds.
    pub(crate) source: u32,
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

/// A line of a file, as messages print it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The path as messages print it.
    pub file: String,
    /// The line, counted from one.
    pub line: usize,
}

/// A file that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The path as messages print it.
    pub name: String,
    /// The whole text.
    pub text: String,
}

impl Source {
    /// Line and column (in characters) of a byte offset, both counted from one.
    #[must_use]
    pub fn position(&self, offset: usize) -> (usize, usize) {
        let before = self.text.get(..offset).unwrap_or(&self.text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
        (line, before.get(line_start..).unwrap_or_default().chars().count() + 1)
    }
}

/// The sources of one resolution, in the order in which they were read.
#[derive(Debug, Clone, Default)]
pub struct Sources(Vec<Arc<Source>>);

impl Sources {
    /// Adds a source and returns it with the number that spans carry.
    pub fn add(&mut self, name: String, text: String) -> (u32, Arc<Source>) {
        let source = Arc::new(Source { name, text });
        self.0.push(Arc::clone(&source));
        (u32::try_from(self.0.len()).unwrap_or(0), source)
    }

    /// The part of a span where a text stands; the whole span where it does not stand literally.
    #[must_use]
    pub(crate) fn narrow(&self, span: Span, text: &str) -> Span {
        let within = |at: u32| usize::try_from(at).ok();
        let found = self.get(span).and_then(|source| source.text.get(within(span.start)?..within(span.end)?)?.find(text));
        match found.and_then(|at| u32::try_from(at).ok()).zip(u32::try_from(text.len()).ok()) {
            Some((at, len)) => Span { start: span.start + at, end: span.start + at + len, ..span },
            None => span,
        }
    }

    /// The line where a span starts.
    #[must_use]
    pub fn place(&self, span: Span) -> Option<Place> {
        let source = self.get(span)?;
        let (line, _) = source.position(usize::try_from(span.start).ok()?);
        Some(Place { file: source.name.clone(), line })
    }

    /// The source that a span points into.
    #[must_use]
    pub fn get(&self, span: Span) -> Option<&Arc<Source>> {
        self.0.get(usize::try_from(span.source).ok()?.checked_sub(1)?)
    }
}

#[cfg(test)]
mod tests {
    use super::Source;

    #[test]
    fn positions_count_characters_from_one() {
        let source = Source { name: String::new(), text: "añb\ncd".to_owned() };
        assert_eq!(source.position(0), (1, 1));
        assert_eq!(source.position(3), (1, 3));
        assert_eq!(source.position(6), (2, 2));
        assert_eq!(source.position(99), (2, 3));
    }
}
