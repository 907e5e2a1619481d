//! Lines of a text, and which of them two texts share.

/// Pairs of lines that are compared; beyond it two texts count as different where they differ first and last.
const LIMIT: usize = 16_000_000;

/// A line; two are equal when their texts are, whatever ends them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Line<'a> {
    /// Without its end.
    pub(super) text: &'a str,
    /// With it.
    pub(super) whole: &'a str,
}

impl Line<'_> {
    pub(super) fn is_ended(&self) -> bool {
        self.whole.ends_with('\n')
    }
}

impl PartialEq for Line<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

pub(super) fn split(text: &str) -> Vec<Line<'_>> {
    let line = |whole: &'_ str| whole.strip_suffix('\n').map_or(whole.len(), |line| line.strip_suffix('\r').unwrap_or(line).len());
    text.split_inclusive('\n').map(|whole| Line { text: whole.get(..line(whole)).unwrap_or(whole), whole }).collect()
}

/// For every line of the first text, where the second has it: the longest common subsequence.
pub(super) fn matches(first: &[Line<'_>], second: &[Line<'_>]) -> Vec<Option<usize>> {
    let head = first.iter().zip(second).take_while(|(a, b)| a == b).count();
    let rest = (first.get(head..).unwrap_or_default(), second.get(head..).unwrap_or_default());
    let tail = rest.0.iter().rev().zip(rest.1.iter().rev()).take_while(|(a, b)| a == b).count();
    let middle = (
        rest.0.get(..rest.0.len().saturating_sub(tail)).unwrap_or_default(),
        rest.1.get(..rest.1.len().saturating_sub(tail)).unwrap_or_default(),
    );
    let mut found: Vec<Option<usize>> = (0..head).map(Some).collect();
    found.extend(common(middle.0, middle.1).into_iter().map(|at| at.map(|at| at + head)));
    found.extend((second.len() - tail..second.len()).map(Some));
    found
}

fn common(first: &[Line<'_>], second: &[Line<'_>]) -> Vec<Option<usize>> {
    let mut found = vec![None; first.len()];
    let width = second.len() + 1;
    if first.len().saturating_mul(second.len()) > LIMIT {
        return found;
    }
    // lengths[i * width + j]: the longest common subsequence of what follows line i and line j.
    let mut lengths = vec![0_u32; (first.len() + 1) * width];
    let at = |lengths: &[u32], i: usize, j: usize| lengths.get(i * width + j).copied().unwrap_or_default();
    for (i, a) in first.iter().enumerate().rev() {
        for (j, b) in second.iter().enumerate().rev() {
            let length = if a == b { at(&lengths, i + 1, j + 1) + 1 } else { at(&lengths, i + 1, j).max(at(&lengths, i, j + 1)) };
            if let Some(place) = lengths.get_mut(i * width + j) {
                *place = length;
            }
        }
    }
    let (mut i, mut j) = (0, 0);
    while let (Some(a), Some(b)) = (first.get(i), second.get(j)) {
        if a == b {
            if let Some(place) = found.get_mut(i) {
                *place = Some(j);
            }
            (i, j) = (i + 1, j + 1);
        } else if at(&lengths, i + 1, j) >= at(&lengths, i, j + 1) {
            i += 1;
        } else {
            j += 1;
        }
    }
    found
}
