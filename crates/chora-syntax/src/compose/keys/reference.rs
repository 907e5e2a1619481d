//! The reference page of keys, made from the table.

use std::fmt::Write;

use super::exceptions::EXCEPTIONS;
use super::{Exception, Support};
use crate::compose::schema::{Object, Shape, TOP};

const HEAD: &str = "# Compose keys

Every key of a Compose file and what Chora does with it. This page is generated from the table that the program uses.

- **honoured**: it has the effect that the Compose Specification describes.
- **carried**: a deployment has no use for it; other commands do.
- **ignored**: it has no effect, and a warning says so with file, line and column.
- **refused**: a deployment stops before it changes anything and names file, line and column. `chora config` prints the key all the same.

Keys that start with `x-` are yours wherever the specification allows them. Any other key that is not in this table is an error.

";

/// The page, in Markdown.
#[must_use]
pub fn reference() -> String {
    let mut page = HEAD.to_owned();
    let mut rows = Vec::new();
    object(&TOP, "", &mut rows);
    let mut section = "";
    for row in &rows {
        let top = row.path.split('.').next().unwrap_or_default();
        let top = if row.path.contains('.') { top } else { "top level" };
        if top != section {
            section = top;
            let _ = write!(page, "\n## {section}\n\n| key | takes | |\n|---|---|---|\n");
        }
        let _ = writeln!(page, "| `{}` | {} | {} |", row.path, row.takes, support(&row.path));
    }
    page
}

struct Row {
    path: String,
    takes: &'static str,
}

fn object(table: &'static Object, prefix: &str, rows: &mut Vec<Row>) {
    let (plain, nested): (Vec<_>, Vec<_>) = table.fields.iter().partition(|_| !prefix.is_empty());
    for field in nested {
        rows.push(Row { path: field.key.to_owned(), takes: takes(&field.shape) });
    }
    if prefix.is_empty() {
        for field in table.fields {
            below(&field.shape, field.key, rows);
        }
    }
    for field in plain {
        let path = format!("{prefix}.{}", field.key);
        rows.push(Row { path: path.clone(), takes: takes(&field.shape) });
        below(&field.shape, &path, rows);
    }
}

fn below(shape: &'static Shape, path: &str, rows: &mut Vec<Row>) {
    match shape {
        Shape::Object(table)
        | Shape::PlainObject(table)
        | Shape::Build(table)
        | Shape::Extends(table)
        | Shape::EnvFiles(table)
        | Shape::FileReferences(table)
        | Shape::Devices(table)
        | Shape::Volumes(table)
        | Shape::Ports(table)
        | Shape::Gpus(table) => object(table, path, rows),
        Shape::NamesOr(table) | Shape::Dependencies(table) => object(table, &format!("{path}.*"), rows),
        Shape::List(inner) | Shape::Dropped(inner) => below(inner, path, rows),
        Shape::Named(inner) | Shape::StrictNamed(inner) => below(inner, &format!("{path}.*"), rows),
        _ => {}
    }
}

const fn takes(shape: &Shape) -> &'static str {
    match shape {
        Shape::Text | Shape::TextOrNull | Shape::ContainerName | Shape::PullPolicy => "text",
        Shape::Choice(_) => "one of some words",
        Shape::Flag | Shape::StrictFlag | Shape::OptFlag | Shape::OptOut => "true or false",
        Shape::Int(..) | Shape::Number(..) | Shape::OptInt(..) | Shape::PlainInt | Shape::Percent => "whole number",
        Shape::Float => "number",
        Shape::Bytes | Shape::BytesText | Shape::PlainBytes => "size",
        Shape::Duration | Shape::OptDuration => "duration",
        Shape::FileMode => "file mode",
        Shape::DeviceCount => "number or `all`",
        Shape::Stringified => "true, false or text",
        Shape::NumberOrText => "number or text",
        Shape::Texts(_) | Shape::PrintedList => "list",
        Shape::TextOrTexts | Shape::TextList | Shape::LabelFiles => "text or list",
        Shape::Command | Shape::HealthTest => "command line or list",
        Shape::Dict(_) | Shape::KeyValues | Shape::Ssh => "mapping or list of `key=value`",
        Shape::Options(_) | Shape::TextMap | Shape::AnyMap | Shape::MultiOptions | Shape::Ulimits => "mapping",
        Shape::Hosts => "mapping or list of `name=address`",
        Shape::Object(_) | Shape::PlainObject(_) | Shape::Named(_) | Shape::StrictNamed(_) => "mapping",
        Shape::List(_) | Shape::Devices(_) | Shape::Volumes(_) | Shape::Ports(_) | Shape::FileReferences(_) | Shape::Include => "list",
        Shape::NamesOr(_) | Shape::Dependencies(_) => "list of names or mapping",
        Shape::Build(_) | Shape::Extends(_) => "text or mapping",
        Shape::EnvFiles(_) => "text or list",
        Shape::Gpus(_) => "`all` or list",
        Shape::External => "true or false",
        Shape::Dropped(inner) => takes(inner),
    }
}

/// What the table says of a path, or of what it is below.
fn support(path: &str) -> String {
    let exact = EXCEPTIONS.iter().find(|exception| exception.path == path || exception.path == format!("{path}.*"));
    let above = || EXCEPTIONS.iter().find(|exception| path.starts_with(&format!("{}.", exception.path)));
    let Some(exception) = exact.or_else(above) else {
        return if path == "version" { "ignored: obsolete".to_owned() } else { "honoured".to_owned() };
    };
    phrase(exception)
}

fn phrase(exception: &Exception) -> String {
    let word = match exception.support {
        Support::Carried => "carried",
        Support::Ignored => "ignored",
        Support::Refused => "refused",
    };
    let values = |list: &[&str]| list.iter().map(|value| format!("`{value}`")).collect::<Vec<_>>().join(", ");
    match (exception.only, exception.harmless) {
        ([], []) => format!("{word}: {}", exception.reason),
        ([], harmless) => format!("{word}, but for {}: {}", values(harmless), exception.reason),
        (only, _) => format!("{word} for {}: {}", values(only), exception.reason),
    }
}

#[cfg(test)]
mod tests {
    use super::{EXCEPTIONS, reference};

    #[test]
    fn every_exception_names_a_key_of_the_format() {
        let page = reference();
        for exception in EXCEPTIONS {
            let path = exception.path.trim_end_matches(".*");
            assert!(page.contains(&format!("| `{path}` |")), "{}", exception.path);
        }
    }
}
