//! The instructions of a stage that say something about the image, each with its line.

use parse_dockerfile::{Command, Flag, Instruction as Parsed, Source};

/// An instruction and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instruction {
    /// Its line, counted from one.
    pub line: usize,
    /// What it says.
    pub kind: InstructionKind,
}

/// What an instruction says. Those that are of no use to anybody here are left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InstructionKind {
    /// `RUN`.
    Run {
        /// The shell line, here-documents included, or the words with spaces between them.
        command: String,
        /// The values of `--mount`, as written.
        mounts: Vec<String>,
    },
    /// `COPY` or `ADD`.
    Copy {
        /// Sources as written; a here-document is none.
        sources: Vec<String>,
        /// The stage or image that they come from.
        from: Option<String>,
    },
    /// `USER`, as written.
    User(String),
    /// `ENV`: names and values.
    Env(Vec<(String, String)>),
    /// `ARG`: names, and defaults where there are any.
    Arg(Vec<(String, Option<String>)>),
    /// `LABEL`: names and values.
    Label(Vec<(String, String)>),
    /// `CMD`.
    Cmd(Start),
    /// `ENTRYPOINT`.
    Entrypoint(Start),
    /// `HEALTHCHECK`; what it asks stands in [`super::Stage::healthcheck`].
    Healthcheck,
}

/// What a container starts with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Start {
    /// A list of words, or one shell line.
    pub words: Vec<String>,
    /// Whether a shell stands between the engine and the program.
    pub is_shell: bool,
}

/// What a parsed instruction says about the image.
pub(super) fn kind(parsed: &Parsed<'_>) -> Option<InstructionKind> {
    Some(match parsed {
        Parsed::Run(run) => {
            let mut command = start(&run.arguments).words.join(" ");
            for document in &run.here_docs {
                command.push('\n');
                command.push_str(&document.value);
            }
            InstructionKind::Run { command, mounts: values(&run.options, "mount") }
        }
        Parsed::Copy(copy) => copied(&copy.options, &copy.src),
        Parsed::Add(add) => copied(&add.options, &add.src),
        Parsed::User(user) => InstructionKind::User(user.arguments.value.trim().to_owned()),
        Parsed::Env(env) => InstructionKind::Env(pairs(&env.arguments.value)),
        Parsed::Label(label) => InstructionKind::Label(pairs(&label.arguments.value)),
        Parsed::Arg(arg) => InstructionKind::Arg(arguments(&arg.arguments.value)),
        Parsed::Cmd(cmd) => InstructionKind::Cmd(start(&cmd.arguments)),
        Parsed::Entrypoint(entrypoint) => InstructionKind::Entrypoint(start(&entrypoint.arguments)),
        Parsed::Healthcheck(_) => InstructionKind::Healthcheck,
        _ => return None,
    })
}

/// Where the keyword of an instruction of a stage stands.
pub(super) const fn offset(parsed: &Parsed<'_>) -> usize {
    match parsed {
        Parsed::Run(run) => run.run.span.start,
        Parsed::Copy(copy) => copy.copy.span.start,
        Parsed::Add(add) => add.add.span.start,
        Parsed::User(user) => user.user.span.start,
        Parsed::Env(env) => env.env.span.start,
        Parsed::Label(label) => label.label.span.start,
        Parsed::Arg(arg) => arg.arg.span.start,
        Parsed::Cmd(cmd) => cmd.cmd.span.start,
        Parsed::Entrypoint(entrypoint) => entrypoint.entrypoint.span.start,
        Parsed::Healthcheck(check) => check.healthcheck.span.start,
        Parsed::From(from) => from.from.span.start,
        _ => 0,
    }
}

fn values(flags: &[Flag<'_>], name: &str) -> Vec<String> {
    let named = flags.iter().filter(|flag| flag.name.value == name);
    named.filter_map(|flag| flag.value.as_ref()).map(|value| value.value.to_string()).collect()
}

fn copied(flags: &[Flag<'_>], sources: &[Source<'_>]) -> InstructionKind {
    let path = |source: &Source<'_>| if let Source::Path(path) = source { Some(path.value.to_string()) } else { None };
    InstructionKind::Copy { sources: sources.iter().filter_map(path).collect(), from: values(flags, "from").pop() }
}

fn start(command: &Command<'_>) -> Start {
    match command {
        Command::Exec(words) => Start { words: words.value.iter().map(|word| word.value.to_string()).collect(), is_shell: false },
        Command::Shell(line) => Start { words: vec![line.value.to_owned()], is_shell: true },
        _ => Start { words: Vec::new(), is_shell: true },
    }
}

/// `A=b C="d e"`, or the old form `A b c`.
fn pairs(text: &str) -> Vec<(String, String)> {
    let words = words(text);
    if words.first().is_some_and(|first| !first.contains('=')) {
        let (name, value) = text.trim().split_once(char::is_whitespace).unwrap_or((text.trim(), ""));
        return vec![(name.to_owned(), value.trim().to_owned())];
    }
    words
        .iter()
        .map(|word| word.split_once('=').unwrap_or((word.as_str(), "")))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

fn arguments(text: &str) -> Vec<(String, Option<String>)> {
    let split = |word: &String| match word.split_once('=') {
        Some((name, default)) => (name.to_owned(), Some(default.to_owned())),
        None => (word.clone(), None),
    };
    words(text).iter().map(split).collect()
}

/// Words as a shell divides them: quotes hold together, a backslash takes the next character as it is.
fn words(text: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match (quote, character) {
            (Some(open), _) if character == open => quote = None,
            (None, '"' | '\'') => {
                quote = Some(character);
                word.get_or_insert_default();
            }
            (None | Some('"'), '\\') => word.get_or_insert_default().extend(characters.next()),
            (None, _) if character.is_whitespace() => words.extend(word.take()),
            _ => word.get_or_insert_default().push(character),
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
    use super::{arguments, pairs};

    #[test]
    fn names_and_values_are_read_as_the_builder_reads_them() {
        let cases: [(&str, &[(&str, &str)]); 7] = [
            ("A=b", &[("A", "b")]),
            ("A=b C=\"d e\" F='g\\h'", &[("A", "b"), ("C", "d e"), ("F", "g\\h")]),
            ("A=b\\ c", &[("A", "b c")]),
            ("A b c", &[("A", "b c")]),
            ("A", &[("A", "")]),
            ("A=\"x\\\"y\" B=", &[("A", "x\"y"), ("B", "")]),
            ("\"a b\"=c", &[("a b", "c")]),
        ];
        for (text, expected) in cases {
            let found = pairs(text);
            let found: Vec<(&str, &str)> = found.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            assert_eq!(found, expected, "{text}");
        }
        assert_eq!(arguments("A B=c"), [("A".to_owned(), None), ("B".to_owned(), Some("c".to_owned()))]);
    }
}
