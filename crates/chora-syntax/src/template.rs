//! `$NAME` and `${NAME…}` in text: every operator of the Compose Specification, nested defaults, `$$`.

/// Levels of defaults within defaults.
const DEPTH_LIMIT: usize = 32;

/// Why text could not be interpolated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// A `${` that is not a variable; the byte offset of its `$`.
    #[error("`{text}` is not a variable")]
    Malformed {
        /// What stands there.
        text: String,
        /// Byte offset of the `$`.
        at: usize,
    },
    /// A variable with `?` is not set.
    #[error("variable `{name}` is required{}{reason}", if reason.is_empty() { "" } else { ": " })]
    Required {
        /// Its name.
        name: String,
        /// The message given in the file.
        reason: String,
    },
    /// Defaults nested too deeply.
    #[error("defaults are nested deeper than {DEPTH_LIMIT} levels")]
    TooDeep,
}

/// Where values come from, and which names were asked for in vain.
pub struct Variables<'a> {
    lookup: &'a dyn Fn(&str) -> Option<String>,
    /// Names that were not set and got the blank string.
    pub unset: Vec<String>,
    /// Required names that were not set.
    missing: Vec<TemplateError>,
}

impl<'a> Variables<'a> {
    /// Looks names up with a function.
    #[must_use]
    pub fn new(lookup: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self { lookup, unset: Vec::new(), missing: Vec::new() }
    }
}

/// Replaces every variable of a text.
///
/// # Errors
/// A malformed `${`, a required variable that is missing, or defaults nested too deeply.
pub fn substitute(text: &str, variables: &mut Variables<'_>) -> Result<String, TemplateError> {
    substitute_all(text, variables).map_err(|mut errors| errors.swap_remove(0))
}

/// As [`substitute`], with every required variable that is missing.
///
/// # Errors
/// At least one, in the order of the text.
pub fn substitute_all(text: &str, variables: &mut Variables<'_>) -> Result<String, Vec<TemplateError>> {
    let result = expand(text, variables, 0);
    let mut errors = std::mem::take(&mut variables.missing);
    match result {
        Ok(value) if errors.is_empty() => return Ok(value),
        Ok(_) => {}
        Err(error) => errors.push(error),
    }
    Err(errors)
}

fn expand(text: &str, variables: &mut Variables<'_>, depth: usize) -> Result<String, TemplateError> {
    if depth > DEPTH_LIMIT {
        return Err(TemplateError::TooDeep);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        let (before, tail) = rest.split_at(at);
        out.push_str(before);
        let after = tail.get(1..).unwrap_or_default();
        rest = if let Some(escaped) = after.strip_prefix('$') {
            out.push('$');
            escaped
        } else if let Some(body) = after.strip_prefix('{') {
            let (value, remainder) = braced(body, variables, depth).map_err(|error| placed(error, text, tail))?;
            out.push_str(&value);
            remainder
        } else {
            let (name, remainder) = after.split_at(name_length(after));
            if name.is_empty() {
                out.push('$');
            } else {
                out.push_str(&plain(name, variables));
            }
            remainder
        };
    }
    out.push_str(rest);
    Ok(out)
}

/// Gives a malformed variable of this level its text and offset.
fn placed(error: TemplateError, whole: &str, tail: &str) -> TemplateError {
    match error {
        TemplateError::Malformed { text, at: 0 } if text.is_empty() => {
            let end = tail.find(['}', '\n']).map_or(tail.len(), |end| tail.ceil_char_boundary(end + 1));
            let shown = tail.get(..end).unwrap_or(tail).trim_end().to_owned();
            TemplateError::Malformed { text: shown, at: whole.len() - tail.len() }
        }
        other => other,
    }
}

fn name_length(text: &str) -> usize {
    let starts = text.bytes().next().is_some_and(|byte| byte == b'_' || byte.is_ascii_alphabetic());
    if !starts {
        return 0;
    }
    text.bytes().take_while(|byte| *byte == b'_' || byte.is_ascii_alphanumeric()).count()
}

fn plain(name: &str, variables: &mut Variables<'_>) -> String {
    (variables.lookup)(name).unwrap_or_else(|| {
        if !variables.unset.iter().any(|known| known == name) {
            variables.unset.push(name.to_owned());
        }
        String::new()
    })
}

/// Reads what follows `${`; returns the value and the text after the closing brace.
fn braced<'t>(body: &'t str, variables: &mut Variables<'_>, depth: usize) -> Result<(String, &'t str), TemplateError> {
    let malformed = || TemplateError::Malformed { text: String::new(), at: 0 };
    let (name, rest) = body.split_at(name_length(body));
    if name.is_empty() {
        return Err(malformed());
    }
    if let Some(remainder) = rest.strip_prefix('}') {
        return Ok((plain(name, variables), remainder));
    }
    let (colon, operation) = rest.strip_prefix(':').map_or((false, rest), |operation| (true, operation));
    let operator = operation.chars().next().filter(|c| matches!(c, '-' | '+' | '?')).ok_or_else(malformed)?;
    let argument = operation.get(1..).unwrap_or_default();
    let close = closing_brace(argument).ok_or_else(malformed)?;
    let (argument, remainder) = argument.split_at(close);
    let remainder = remainder.get(1..).unwrap_or_default();

    let value = (variables.lookup)(name);
    let usable = value.as_ref().is_some_and(|value| !(colon && value.is_empty()));
    let result = match operator {
        '-' if !usable => expand(argument, variables, depth + 1)?,
        '+' if usable => expand(argument, variables, depth + 1)?,
        '?' if !usable => {
            let reason = expand(argument, variables, depth + 1)?;
            variables.missing.push(TemplateError::Required { name: name.to_owned(), reason });
            String::new()
        }
        _ => value.unwrap_or_default(),
    };
    Ok((result, remainder))
}

/// The brace that ends an argument: the balanced one, else the last of the line. An argument is one line.
fn closing_brace(argument: &str) -> Option<usize> {
    let line = argument.split('\n').next().unwrap_or_default();
    let mut depth = 0usize;
    for (at, byte) in line.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' if depth == 0 => return Some(at),
            b'}' => depth -= 1,
            _ => {}
        }
    }
    line.rfind('}')
}

#[cfg(test)]
mod tests {
    use super::{TemplateError, Variables, substitute};

    fn run(text: &str) -> Result<String, TemplateError> {
        let lookup = |name: &str| match name {
            "SET" => Some("value".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        };
        substitute(text, &mut Variables::new(&lookup))
    }

    #[test]
    fn every_operator_gives_what_the_specification_says() {
        for (text, expected) in [
            ("$SET ${SET} $$SET $${SET}", "value value $SET ${SET}"),
            ("${SET:-d} ${EMPTY:-d} ${NONE:-d}", "value d d"),
            ("${SET-d} ${EMPTY-d} ${NONE-d}", "value  d"),
            ("${SET:+r}|${EMPTY:+r}|${NONE:+r}", "r||"),
            ("${SET+r}|${EMPTY+r}|${NONE+r}", "r|r|"),
            ("${SET:?m} ${SET?m} ${EMPTY?m}", "value value "),
            ("${NONE:-${EMPTY:-${SET}}}!", "value!"),
            ("${NONE:-{\"a\": {\"b\": 1}}}", "{\"a\": {\"b\": 1}}"),
            ("${NONE:-{} x", "{ x"),
            ("$ $1 a$", "$ $1 a$"),
            ("${NONE:-a}b}", "ab}"),
            ("${NONE--x:-y}", "-x:-y"),
            ("$SET-$NONE.", "value-."),
        ] {
            assert_eq!(run(text).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn malformed_and_missing_variables_are_errors() {
        for text in ["${", "${}", "${1}", "${SET", "${SET!x}", "${NONE:-a\nb}", "a ${SET:x}"] {
            assert!(matches!(run(text), Err(TemplateError::Malformed { .. })), "{text}");
        }
        assert_eq!(run("ab ${x!}"), Err(TemplateError::Malformed { text: "${x!}".to_owned(), at: 3 }));
        let missing = run("${NONE:?say $SET}").unwrap_err();
        assert_eq!(missing.to_string(), "variable `NONE` is required: say value");
        assert_eq!(run(&"${A:-".repeat(100)), Err(TemplateError::Malformed { text: "${A:-".repeat(100), at: 0 }));
        let nested = format!("{}{}", "${A:-".repeat(100), "}".repeat(100));
        assert_eq!(run(&nested), Err(TemplateError::TooDeep));
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics_and_text_without_variables_is_unchanged(text in "\\PC*") {
            let _ = run(&text);
            if !text.contains('$') {
                assert_eq!(run(&text).unwrap(), text);
            }
        }

        #[test]
        fn doubled_dollars_give_the_text_back(text in "[a-z${}:?+-]{0,40}") {
            assert_eq!(run(&text.replace('$', "$$")).unwrap(), text);
        }
    }
}
