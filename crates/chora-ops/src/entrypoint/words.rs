//! Splits a command into words as a shell does, without the shell: quotes and backslashes, nothing else.

/// Why a command cannot be split.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WordsError {
    /// A quote is not closed, or a backslash ends the text.
    #[error("a quote is not closed")]
    Unfinished,
    /// There is nothing in it.
    #[error("it is empty")]
    Empty,
    /// It is meant for a shell.
    #[error("`{symbol}` needs a shell; write `sh -c '…'`, or give the option once per command")]
    Shell {
        /// What only a shell understands.
        symbol: char,
    },
}

/// Splits a command; what only a shell would understand is refused, not passed on as text.
///
/// # Errors
/// See [`WordsError`].
pub fn split_words(command: &str) -> Result<Vec<String>, WordsError> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut rest = command.chars();
    while let Some(c) = rest.next() {
        match c {
            c if c.is_ascii_whitespace() => words.extend(word.take()),
            '\'' => take_single(&mut rest, word.get_or_insert_default())?,
            '"' => take_double(&mut rest, word.get_or_insert_default())?,
            '\\' => word.get_or_insert_default().push(rest.next().ok_or(WordsError::Unfinished)?),
            '|' | '&' | ';' | '<' | '>' | '(' | ')' | '$' | '`' => return Err(WordsError::Shell { symbol: c }),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    if words.is_empty() { Err(WordsError::Empty) } else { Ok(words) }
}

fn take_single(rest: &mut std::str::Chars<'_>, word: &mut String) -> Result<(), WordsError> {
    loop {
        match rest.next().ok_or(WordsError::Unfinished)? {
            '\'' => return Ok(()),
            c => word.push(c),
        }
    }
}

/// In double quotes a backslash counts before `"`, `\`, `$`, backtick and the end of a line (POSIX shell, 2.2.3).
fn take_double(rest: &mut std::str::Chars<'_>, word: &mut String) -> Result<(), WordsError> {
    loop {
        match rest.next().ok_or(WordsError::Unfinished)? {
            '"' => return Ok(()),
            '\\' => match rest.next().ok_or(WordsError::Unfinished)? {
                '\n' => {}
                c @ ('"' | '\\' | '$' | '`') => word.push(c),
                c => word.extend(['\\', c]),
            },
            c @ ('$' | '`') => return Err(WordsError::Shell { symbol: c }),
            c => word.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{WordsError, split_words};

    #[test]
    fn words_are_split_as_a_shell_splits_them() {
        let cases: [(&str, &[&str]); 8] = [
            ("alembic upgrade head", &["alembic", "upgrade", "head"]),
            ("  a\t b\n", &["a", "b"]),
            ("sh -c 'a && b | c > $D'", &["sh", "-c", "a && b | c > $D"]),
            (r#"say "two words" it\'s"#, &["say", "two words", "it's"]),
            (r#"a '' """#, &["a", "", ""]),
            (r#"pre'mid'"end""#, &["premidend"]),
            (r#""a\"b\\c\d\$e""#, &[r#"a"b\c\d$e"#]),
            ("ä=ö # no comment", &["ä=ö", "#", "no", "comment"]),
        ];
        for (command, words) in cases {
            assert_eq!(split_words(command).unwrap(), words, "{command}");
        }
    }

    #[test]
    fn what_needs_a_shell_is_refused() {
        for (command, symbol) in
            [("a && b", '&'), ("a | b", '|'), ("a; b", ';'), ("a > b", '>'), ("a $B", '$'), ("a \"$B\"", '$'), ("`a`", '`')]
        {
            assert_eq!(split_words(command), Err(WordsError::Shell { symbol }), "{command}");
        }
        for command in ["a 'b", "a \"b", "a\\", "\"\\"] {
            assert_eq!(split_words(command), Err(WordsError::Unfinished), "{command}");
        }
        assert_eq!(split_words("  "), Err(WordsError::Empty));
    }
}
