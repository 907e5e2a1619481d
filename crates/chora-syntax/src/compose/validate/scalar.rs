//! Single values.

use super::expected;
use crate::compose::forms::number;
use crate::compose::path::Path;
use crate::compose::schema::Shape;
use crate::diagnostic::Problem;
use crate::nearest::nearest;
use crate::yaml::{Node, Value};

/// Checks a shape that is one value.
pub(super) fn check(shape: &Shape, node: &Node, path: &Path<'_>, problems: &mut Vec<Problem>) {
    match shape {
        Shape::Text => {
            text(node, path, problems);
        }
        Shape::TextOrNull if node.is_null() => {}
        Shape::TextOrNull => {
            text(node, path, problems);
        }
        Shape::Choice(words) => choice(words, node, path, problems),
        Shape::ContainerName => named(node, path, problems),
        Shape::PullPolicy => pull_policy(node, path, problems),
        Shape::Flag | Shape::OptFlag | Shape::OptOut => read(number::flag(node), node, path, problems),
        Shape::StrictFlag if matches!(node.value, Value::Bool(_)) => {}
        Shape::StrictFlag => expected("`true` or `false`", node, path, problems),
        Shape::Int(min, max) | Shape::OptInt(min, max) => read(number::integer(node, *min, *max), node, path, problems),
        Shape::Number(min, max) if node.as_text().is_none() => read(number::integer(node, *min, *max), node, path, problems),
        Shape::Number(..) => expected("a number, not text", node, path, problems),
        Shape::Percent => read(number::percent(node), node, path, problems),
        Shape::PlainInt => read(number::integer(node, i64::MIN, i64::MAX), node, path, problems),
        Shape::Float => read(number::float(node), node, path, problems),
        Shape::BytesText if node.as_text().is_none() => expected("a size such as `512m`", node, path, problems),
        Shape::Bytes | Shape::BytesText | Shape::PlainBytes => read(number::bytes(node), node, path, problems),
        Shape::Duration | Shape::OptDuration => read(number::duration(node), node, path, problems),
        Shape::FileMode => read(number::file_mode(node), node, path, problems),
        Shape::DeviceCount => read(number::device_count(node), node, path, problems),
        Shape::Stringified if matches!(node.value, Value::Bool(_) | Value::Text(_)) => {}
        Shape::Stringified => expected("text or a boolean", node, path, problems),
        Shape::NumberOrText if matches!(node.value, Value::Int(_) | Value::Text(_)) => {}
        Shape::NumberOrText => expected("a whole number or text", node, path, problems),
        _ => {}
    }
}

/// The text of a node; anything else is reported.
pub(super) fn text<'n>(node: &'n Node, path: &Path<'_>, problems: &mut Vec<Problem>) -> Option<&'n str> {
    let text = node.as_text();
    if text.is_none() && !node.is_unknown() {
        let problem = Problem::value(node.span, format!("`{path}` takes text, found {}", node.kind_name()));
        let quoted = node.printed().map(|printed| format!("write it in quotes: \"{printed}\""));
        problems.push(if let Some(help) = quoted { problem.help(help) } else { problem });
    }
    text
}

fn read<T>(result: Result<T, String>, node: &Node, path: &Path<'_>, problems: &mut Vec<Problem>) {
    if let Err(wanted) = result {
        let found = node.as_text().map_or_else(|| node.kind_name().to_owned(), |text| format!("`{text}`"));
        problems.push(Problem::value(node.span, format!("`{path}` takes {wanted}, found {found}")));
    }
}

fn choice(words: &[&str], node: &Node, path: &Path<'_>, problems: &mut Vec<Problem>) {
    let Some(found) = text(node, path, problems) else { return };
    if words.contains(&found) {
        return;
    }
    let problem = Problem::value(node.span, format!("`{path}` is none of {}, found `{found}`", words.join(", ")));
    let near = nearest(found, words.iter().copied());
    problems.push(if let Some(near) = near { problem.help(format!("did you mean `{near}`?")) } else { problem });
}

fn named(node: &Node, path: &Path<'_>, problems: &mut Vec<Problem>) {
    let Some(found) = text(node, path, problems) else { return };
    let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    let pairs = found.chars().zip(found.chars().skip(1));
    if !pairs.into_iter().any(|(first, second)| first.is_ascii_alphanumeric() && is_word(second)) {
        problems.push(Problem::value(node.span, format!("`{found}` is not a container name: two letters or digits at least")));
    }
}

fn pull_policy(node: &Node, path: &Path<'_>, problems: &mut Vec<Problem>) {
    const WORDS: &[&str] = &["always", "never", "build", "if_not_present", "missing", "refresh", "daily", "weekly"];
    let Some(found) = text(node, path, problems) else { return };
    let every = found.split("every_").skip(1).any(|rest| {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        digits > 0 && rest.as_bytes().get(digits).is_some_and(|unit| b"wdhms".contains(unit))
    });
    if !every && !WORDS.iter().any(|word| found.contains(word)) {
        choice(WORDS, node, path, problems);
    }
}
