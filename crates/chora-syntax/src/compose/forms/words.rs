//! Command lines taken apart as the reference does: quotes, backslashes; `;`, `|`, `&`, `<` and `>` end the command.

/// The words of a command line.
pub(crate) fn split(line: &str) -> Result<Vec<String>, String> {
    let mut reader = Reader::default();
    for c in line.chars() {
        match reader.take(c) {
            Step::On => {}
            Step::End => break,
            Step::Broken => return Err(broken(line)),
        }
    }
    if reader.has_word {
        reader.words.push(std::mem::take(&mut reader.word));
    }
    if reader.escaped || reader.single || reader.double || reader.back || reader.dollar {
        return Err(broken(line));
    }
    Ok(reader.words)
}

fn broken(line: &str) -> String {
    format!("the quotes, parentheses or backslashes of `{line}` do not match; write the command as a list")
}

enum Step {
    On,
    End,
    Broken,
}

#[derive(Default)]
#[expect(clippy::struct_excessive_bools, reason = "each quote opens and closes on its own")]
struct Reader {
    words: Vec<String>,
    word: String,
    has_word: bool,
    escaped: bool,
    single: bool,
    double: bool,
    back: bool,
    dollar: bool,
}

impl Reader {
    fn take(&mut self, c: char) -> Step {
        if self.escaped {
            self.escaped = false;
            return self.push(c);
        }
        match c {
            '\\' if self.single => self.word.push(c),
            '\\' => self.escaped = true,
            ' ' | '\t' | '\r' | '\n' if self.single || self.double || self.back || self.dollar => self.word.push(c),
            ' ' | '\t' | '\r' | '\n' => {
                if self.has_word {
                    self.words.push(std::mem::take(&mut self.word));
                    self.has_word = false;
                }
            }
            _ => return self.take_visible(c),
        }
        Step::On
    }

    fn take_visible(&mut self, c: char) -> Step {
        match c {
            '`' if !self.single && !self.double && !self.dollar => self.back = !self.back,
            ')' if !self.single && !self.double && !self.back => self.dollar = !self.dollar,
            '(' if !self.single && !self.double && !self.back => {
                if self.dollar || !self.word.ends_with('$') {
                    return Step::Broken;
                }
                self.dollar = true;
                self.word.push('(');
                return Step::On;
            }
            '"' if !self.single && !self.dollar => {
                self.has_word |= self.double;
                self.double = !self.double;
                return Step::On;
            }
            '\'' if !self.double && !self.dollar => {
                self.has_word |= self.single;
                self.single = !self.single;
                return Step::On;
            }
            ';' | '&' | '|' | '<' | '>' if !(self.single || self.double || self.back || self.dollar) => {
                if c == '>' && self.word.starts_with(|first: char| first.is_ascii_digit()) {
                    self.has_word = false;
                }
                return Step::End;
            }
            _ => {}
        }
        self.push(c)
    }

    fn push(&mut self, c: char) -> Step {
        self.word.push(c);
        self.has_word = true;
        Step::On
    }
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn lines_split_into_words() {
        for (line, words) in [
            ("", vec![]),
            ("a b", vec!["a", "b"]),
            (r#"a "b c" 'd "e"' f\ g"#, vec!["a", "b c", "d \"e\"", "f g"]),
            ("a '' b", vec!["a", "", "b"]),
            ("a && b", vec!["a"]),
            ("sh -c 'a; b'", vec!["sh", "-c", "a; b"]),
            ("a $(b c) d", vec!["a", "$(b c)", "d"]),
            ("run 2> log", vec!["run"]),
        ] {
            assert_eq!(split(line).unwrap(), words, "{line}");
        }
        for bad in ["a 'b", "a \"b", "a \\", "a (b)", "`a"] {
            assert!(split(bad).is_err(), "{bad}");
        }
    }
}
