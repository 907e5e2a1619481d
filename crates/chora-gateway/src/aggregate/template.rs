//! URI templates (RFC 6570), as far as it takes to tell whether a URI can be one of theirs.

use std::collections::BTreeSet;

/// A part of a template.
enum Part<'a> {
    Text(&'a str),
    /// Something without a slash.
    Segment,
    /// Anything, also nothing.
    Anything,
}

/// Whether a URI can come from a template.
pub(super) fn matches(template: &str, uri: &str) -> bool {
    let mut reached = BTreeSet::from([0]);
    for part in parts(template) {
        reached = reached.into_iter().flat_map(|at| ends(&part, uri, at)).collect();
        if reached.is_empty() {
            return false;
        }
    }
    reached.contains(&uri.len())
}

/// Where a part can end that begins at a place.
fn ends(part: &Part<'_>, uri: &str, at: usize) -> Vec<usize> {
    let Some(rest) = uri.get(at..) else { return Vec::new() };
    let places = rest.char_indices().map(|(place, letter)| place + letter.len_utf8());
    match part {
        Part::Text(text) => rest.starts_with(text).then_some(at + text.len()).into_iter().collect(),
        Part::Segment => {
            let longest = rest.find('/').unwrap_or(rest.len());
            places.take_while(|place| *place <= longest).map(|place| at + place).collect()
        }
        Part::Anything => std::iter::once(at).chain(places.map(|place| at + place)).collect(),
    }
}

fn parts(template: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let mut rest = template;
    while let Some((text, after)) = rest.split_once('{') {
        let Some((expression, after)) = after.split_once('}') else { break };
        if !text.is_empty() {
            parts.push(Part::Text(text));
        }
        let is_plain = expression.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        parts.push(if is_plain && !expression.ends_with('*') { Part::Segment } else { Part::Anything });
        rest = after;
    }
    if !rest.is_empty() {
        parts.push(Part::Text(rest));
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn uris_are_told_from_strangers() {
        for (template, uri, is_one) in [
            ("file:///{name}", "file:///a", true),
            ("file:///{name}", "file:///a/b", false),
            ("file:///{+path}", "file:///a/b", true),
            ("test://{id}/data", "test://42/data", true),
            ("test://{id}/data", "test:///data", false),
            ("test://{id}/data{?x,y}", "test://42/data?x=1", true),
            ("test://{id}/data{?x,y}", "test://42/data", true),
            ("a{b}c{d}", "axcyc", true),
            ("plain", "plain", true),
            ("plain", "plain2", false),
        ] {
            assert_eq!(matches(template, uri), is_one, "{template} {uri}");
        }
    }
}
