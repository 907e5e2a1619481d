//! Env files in the format of Compose: `export`, quotes, comments, escapes, values over several lines, variables.

use indexmap::IndexMap;

use crate::template::{self, TemplateError, Variables};

/// Why an env file could not be read, and at which byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DotenvError {
    /// Byte offset of the offending text.
    pub at: usize,
    /// Length of the offending text in bytes.
    pub len: usize,
    /// What is wrong.
    pub message: String,
    /// Whether a required variable is missing, which is no fault of the file's form.
    pub missing_variable: bool,
}

/// Reads an env file. `lookup` gives the values that win over the file's own in `${…}`, and those of keys without a value.
///
/// # Errors
/// The first line that cannot be read.
pub fn parse(text: &str, lookup: &dyn Fn(&str) -> Option<String>) -> Result<IndexMap<String, String>, DotenvError> {
    let mut values = IndexMap::new();
    parse_into(text, lookup, &mut values)?;
    Ok(values)
}

/// As [`parse`], into values that are there already: `${…}` sees them, and later values replace them.
///
/// # Errors
/// The first line that cannot be read; the values before it are kept.
pub fn parse_into(text: &str, lookup: &dyn Fn(&str) -> Option<String>, values: &mut IndexMap<String, String>) -> Result<(), DotenvError> {
    let mut reader = Reader::new(text, lookup, values);
    while reader.next_statement() {
        reader.statement()?;
    }
    Ok(())
}

/// As [`parse_into`], with every error: a line that cannot be read is left out, and the next one is read.
pub fn parse_lines(text: &str, lookup: &dyn Fn(&str) -> Option<String>, values: &mut IndexMap<String, String>) -> Vec<DotenvError> {
    let mut errors = Vec::new();
    let mut reader = Reader::new(text, lookup, values);
    while reader.next_statement() {
        let start = reader.at;
        if let Err(error) = reader.statement() {
            reader.skip_line(start, error.at);
            errors.push(error);
        }
    }
    errors
}

/// Reads the `raw` format: `key=value` lines, nothing in them special but `#` at their start.
///
/// # Errors
/// The first line without a name, or with white space in it.
pub fn parse_raw(text: &str, lookup: &dyn Fn(&str) -> Option<String>, values: &mut IndexMap<String, String>) -> Result<(), DotenvError> {
    parse_raw_lines(text, lookup, values).into_iter().next().map_or(Ok(()), Err)
}

/// As [`parse_raw`], with every error: a line that cannot be read is left out.
pub fn parse_raw_lines(text: &str, lookup: &dyn Fn(&str) -> Option<String>, values: &mut IndexMap<String, String>) -> Vec<DotenvError> {
    let mut errors = Vec::new();
    let mut at = 0;
    for whole in text.split_inclusive('\n') {
        let line = whole.trim_start_matches('\u{feff}').trim_end_matches(['\n', '\r']).trim_start();
        let start = at;
        at += whole.len();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (key, value) = line.split_once('=').map_or((line, None), |(key, value)| (key, Some(value.to_owned())));
        if key.is_empty() || key.contains([' ', '\t']) {
            let message = format!("`{key}` is not the name of a variable");
            errors.push(DotenvError { at: start, len: line.len(), message, missing_variable: false });
            continue;
        }
        if let Some(value) = value.or_else(|| lookup(key)) {
            values.insert(key.to_owned(), value);
        }
    }
    errors
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    lookup: &'a dyn Fn(&str) -> Option<String>,
    values: &'a mut IndexMap<String, String>,
}

/// White space that does not end a line.
const fn is_blank(c: char) -> bool {
    matches!(c, '\t' | '\u{b}' | '\u{c}' | '\r' | ' ' | '\u{85}' | '\u{a0}')
}

impl<'a> Reader<'a> {
    fn new(text: &'a str, lookup: &'a dyn Fn(&str) -> Option<String>, values: &'a mut IndexMap<String, String>) -> Self {
        let at = usize::from(text.starts_with('\u{feff}')) * '\u{feff}'.len_utf8();
        Self { text, at, lookup, values }
    }

    /// Moves past the line in which a statement that began at `start` failed.
    fn skip_line(&mut self, start: usize, failed: usize) {
        self.at = self.at.max(failed);
        let line_is_read = self.at > start && self.text.get(..self.at).is_some_and(|before| before.ends_with('\n'));
        if !line_is_read {
            self.at += self.rest().find('\n').map_or(self.rest().len(), |end| end + 1);
        }
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn error(&self, at: usize, len: usize, message: impl Into<String>) -> DotenvError {
        DotenvError { at: at.min(self.text.len()), len, message: message.into(), missing_variable: false }
    }

    fn skip_blanks(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start_matches(is_blank).len();
    }

    /// Moves to the next statement, past white space and comments; false at the end.
    fn next_statement(&mut self) -> bool {
        loop {
            let rest = self.rest();
            let trimmed = rest.trim_start();
            self.at += rest.len() - trimmed.len();
            if !trimmed.starts_with('#') {
                return !trimmed.is_empty();
            }
            self.at += trimmed.find('\n').unwrap_or(trimmed.len());
        }
    }

    fn statement(&mut self) -> Result<(), DotenvError> {
        if let Some(after) = self.rest().strip_prefix("export")
            && after.starts_with(char::is_whitespace)
        {
            self.at += "export".len();
            self.skip_blanks();
        }
        let start = self.at;
        let (key, has_value) = self.key()?;
        if key.contains(' ') {
            return Err(self.error(start, key.len(), format!("key `{key}` contains a space")));
        }
        if !has_value {
            if let Some(value) = (self.lookup)(key) {
                self.values.insert(key.to_owned(), value);
            }
            return Ok(());
        }
        let value = self.value()?;
        self.values.insert(key.to_owned(), value);
        Ok(())
    }

    /// The key, and whether `=` or `:` follows it.
    fn key(&mut self) -> Result<(&'a str, bool), DotenvError> {
        let rest = self.rest();
        for (index, c) in rest.char_indices() {
            match c {
                '=' | ':' | '\n' => {
                    self.at += index + 1;
                    self.skip_blanks();
                    return Ok((rest.get(..index).unwrap_or_default().trim_end(), c != '\n'));
                }
                '_' | '.' | '-' | '[' | ']' => {}
                c if is_blank(c) || c.is_alphanumeric() => {}
                c => {
                    let message = format!("unexpected `{c}` in a variable name");
                    return Err(DotenvError { at: self.at + index, len: c.len_utf8(), message, missing_variable: false });
                }
            }
        }
        self.at = self.text.len();
        Ok((rest.trim_end(), false))
    }

    fn value(&mut self) -> Result<String, DotenvError> {
        let rest = self.rest();
        match rest.chars().next() {
            Some(quote @ ('"' | '\'')) => self.quoted(quote),
            _ => {
                let start = self.at;
                let line = rest.split('\n').next().unwrap_or_default();
                self.at += (line.len() + 1).min(rest.len());
                let value = line.split(" #").next().unwrap_or_default().trim_end();
                self.expand(value, start, value.len())
            }
        }
    }

    fn quoted(&mut self, quote: char) -> Result<String, DotenvError> {
        let start = self.at;
        let rest = self.rest();
        let mut value = String::new();
        let mut escaped = false;
        for (index, c) in rest.char_indices().skip(1) {
            if c == quote && !escaped {
                self.at += index + 1;
                return match quote {
                    '"' => self.expand(&unescape(&value), start, index + 1),
                    _ => Ok(value),
                };
            }
            if c == '\\' && !escaped {
                escaped = true;
                continue;
            }
            if escaped && c != quote {
                value.push('\\');
            }
            escaped = false;
            value.push(c);
        }
        let line = rest.split('\n').next().unwrap_or_default();
        // What was meant to stand inside the quotes cannot be told from what was not.
        self.at = self.text.len();
        Err(self.error(start, line.len(), "this quoted value has no end"))
    }

    fn expand(&self, value: &str, at: usize, len: usize) -> Result<String, DotenvError> {
        let lookup = |name: &str| (self.lookup)(name).or_else(|| self.values.get(name).cloned());
        template::substitute(value, &mut Variables::new(&lookup)).map_err(|error| DotenvError {
            at,
            len,
            missing_variable: matches!(error, TemplateError::Required { .. }),
            message: error.to_string(),
        })
    }
}

/// Resolves the escapes of a double-quoted value; `\$` becomes `$$`, which interpolation gives back as `$`.
fn unescape(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    let mut rest = value;
    while let Some(at) = rest.find('\\') {
        out.push_str(rest.get(..at).unwrap_or_default());
        let after = rest.get(at + 1..).unwrap_or_default();
        let (text, used) = escape(after);
        out.push_str(&text);
        rest = after.get(used..).unwrap_or_default();
    }
    out.push_str(rest);
    out
}

/// The meaning of the text after a backslash, and how much of it was used.
fn escape(after: &str) -> (String, usize) {
    let simple = |c: char| (c.to_string(), 1);
    match after.chars().next() {
        Some('a') => simple('\u{7}'),
        Some('b') => simple('\u{8}'),
        Some('f') => simple('\u{c}'),
        Some('n') => simple('\n'),
        Some('r') => simple('\r'),
        Some('t') => simple('\t'),
        Some('v') => simple('\u{b}'),
        Some('"') => simple('"'),
        Some('\\') => simple('\\'),
        Some('$') => ("$$".to_owned(), 1),
        Some('0') => {
            let digits: String = after.chars().skip(1).take(3).take_while(char::is_ascii_digit).collect();
            let code = (digits.len() == 3).then(|| u32::from_str_radix(&digits, 8).ok()).flatten().filter(|code| *code < 256);
            let text = code.and_then(char::from_u32).map_or_else(|| format!("\\{digits}"), String::from);
            (text, digits.len() + 1)
        }
        _ => ("\\".to_owned(), 0),
    }
}

#[cfg(test)]
mod tests {
    use super::{parse, parse_lines};

    fn read(text: &str) -> String {
        let lookup = |name: &str| (name == "HOME").then(|| "/root".to_owned());
        match parse(text, &lookup) {
            Ok(values) => values.iter().map(|(key, value)| format!("{key}={value:?}")).collect::<Vec<_>>().join(" "),
            Err(error) => format!("{}: {}", error.at, error.message),
        }
    }

    #[test]
    fn every_form_of_a_value_is_read() {
        for (text, expected) in [
            ("A=1\nB = two words # note\n", r#"A="1" B="two words""#),
            ("# c\n\nexport A=x\nB: y\n", r#"A="x" B="y""#),
            ("A='raw $HOME \\n'\n", r#"A="raw $HOME \\n""#),
            ("A=\"$HOME\\n\\$X\"\n", r#"A="/root\n$X""#),
            ("A=\"one\ntwo\"\nB=3", r#"A="one\ntwo" B="3""#),
            ("A=1\nB=${A}2${NONE:-x}\n", r#"A="1" B="12x""#),
            ("A=a#b\nB=a #b\n", r#"A="a#b" B="a""#),
            ("HOME\nNONE\n", r#"HOME="/root""#),
            ("A=\nB=\"\"\n", r#"A="" B="""#),
            ("A=\"it\\\"s\"\nB='it\\'s'\n", r#"A="it\"s" B="it's""#),
            ("\u{feff}A=1\r\nB=2\r\n", r#"A="1" B="2""#),
            ("A=\"\\0101\"", r#"A="A""#),
        ] {
            assert_eq!(read(text), expected, "{text:?}");
        }
    }

    #[test]
    fn broken_lines_are_named_with_their_place() {
        assert_eq!(read("A=1\nB!=2\n"), "5: unexpected `!` in a variable name");
        assert_eq!(read("A=\"x\n"), "2: this quoted value has no end");
        assert_eq!(read("A B=1\n"), "0: key `A B` contains a space");
        assert_eq!(read("A=${X\n"), "2: `${X` is not a variable");
        assert_eq!(read("A=${X:?no}\n"), "2: variable `X` is required: no");
    }

    #[test]
    fn every_broken_line_is_named_and_the_others_are_read() {
        let text = "!A=1\nB=2\nC D\nE=${1}\nF=6\nG=\"a\nb ${}\" x\nH=8\nI='\nJ=9\n";
        let mut values = indexmap::IndexMap::new();
        let errors: Vec<usize> = parse_lines(text, &|_| None, &mut values).iter().map(|error| error.at).collect();
        assert_eq!(errors, [0, 9, 15, 26, 44]);
        assert_eq!(values.keys().map(String::as_str).collect::<Vec<_>>(), ["B", "F", "H"]);
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text in "\\PC{0,60}") {
            let _ = parse(&text, &|_| None);
            let _ = parse_lines(&text, &|_| None, &mut indexmap::IndexMap::new());
        }
    }
}
