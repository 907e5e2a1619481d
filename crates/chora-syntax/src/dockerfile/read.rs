//! From text to what a build needs to know.

use parse_dockerfile::{Command, Flag, HealthcheckArguments, Instruction, Source};

use super::{Dockerfile, Feature, Healthcheck, Stage, instruction};
use crate::diagnostic::{DiagnosticKind, Diagnostics, Problem, locate_all};
use crate::span::{Sources, Span};

/// Flags of `COPY` and `ADD` that the classic builder knows.
const CLASSIC_COPY: [&str; 2] = ["from", "chown"];

/// Reads a Dockerfile; `file_name` is what messages call it.
///
/// # Errors
/// The first instruction that cannot be read, with its place.
pub fn parse(text: &str, file_name: &str) -> Result<Dockerfile, Diagnostics> {
    let parsed = parse_dockerfile::parse(text).map_err(|error| {
        let mut sources = Sources::default();
        let (source, _) = sources.add(file_name.to_owned(), text.to_owned());
        let start = offset(text, error.line(), error.column());
        let message = error.to_string();
        let message = message.split(" at line ").next().unwrap_or(&message);
        let span = Span { source, start, end: start.saturating_add(1) };
        locate_all(vec![Problem::new(DiagnosticKind::Syntax, span, format!("broken Dockerfile: {message}"))], &sources)
    })?;
    let mut dockerfile = Dockerfile {
        syntax: parsed.parser_directives.syntax.as_ref().map(|directive| directive.value.value.to_owned()),
        ..Dockerfile::default()
    };
    for arg in parsed.global_args() {
        for declared in arg.arguments.value.split_whitespace() {
            let (name, default) = declared.split_once('=').map_or((declared, None), |(name, value)| (name, Some(unquoted(value))));
            dockerfile.global_args.insert(name.to_owned(), default);
        }
    }
    for parsed in &parsed.instructions {
        read(parsed, text, &mut dockerfile);
        if let (Some(kind), Some(stage)) = (instruction::kind(parsed), dockerfile.stages.last_mut()) {
            stage.instructions.push(super::Instruction { line: line_of(text, instruction::offset(parsed)), kind });
        }
    }
    Ok(dockerfile)
}

/// The byte offset of a line and column, counted from one.
fn offset(text: &str, line: usize, column: usize) -> u32 {
    let start: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    u32::try_from((start + column.saturating_sub(1)).min(text.len())).unwrap_or(0)
}

fn unquoted(value: &str) -> String {
    let inner = ['"', '\''].iter().find_map(|quote| value.strip_prefix(*quote)?.strip_suffix(*quote));
    inner.unwrap_or(value).to_owned()
}

fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}

fn flag<'f>(flags: &'f [Flag<'_>], name: &str) -> Option<&'f str> {
    flags.iter().find(|flag| flag.name.value == name)?.value.as_ref().map(|value| value.value.as_ref())
}

fn read(parsed: &Instruction<'_>, text: &str, dockerfile: &mut Dockerfile) {
    let mut feature = |name: String, at: usize| dockerfile.buildkit_features.push(Feature { name, line: line_of(text, at) });
    match parsed {
        Instruction::From(from) => {
            dockerfile.stages.push(Stage {
                name: from.as_.as_ref().map(|(_, name)| name.value.to_string()),
                base: from.image.value.to_string(),
                platform: flag(&from.options, "platform").map(str::to_owned),
                line: line_of(text, instruction::offset(parsed)),
                ..Stage::default()
            });
        }
        Instruction::Run(run) => {
            for option in &run.options {
                feature(format!("RUN --{}", option.name.value), run.run.span.start);
            }
            if !run.here_docs.is_empty() {
                feature("a here-document".to_owned(), run.run.span.start);
            }
            if let Some(stage) = dockerfile.stages.last_mut() {
                let mounts = run.options.iter().filter(|option| option.name.value == "mount").filter_map(|option| option.value.as_ref());
                let sources = mounts.filter_map(|value| value.value.split(',').find_map(|part| part.strip_prefix("from=")));
                stage.copied_from.extend(sources.map(str::to_owned));
            }
        }
        Instruction::Copy(copy) => copied("COPY", &copy.options, &copy.src, line_of(text, copy.copy.span.start), dockerfile),
        Instruction::Add(add) => copied("ADD", &add.options, &add.src, line_of(text, add.add.span.start), dockerfile),
        Instruction::Healthcheck(check) => {
            let options =
                check.options.iter().filter_map(|flag| Some((flag.name.value.to_string(), flag.value.as_ref()?.value.to_string())));
            let options = options.collect();
            let healthcheck = match &check.arguments {
                HealthcheckArguments::Cmd { arguments, .. } => match arguments {
                    Command::Exec(words) => Healthcheck::Command {
                        words: words.value.iter().map(|word| word.value.to_string()).collect(),
                        is_shell: false,
                        options,
                    },
                    Command::Shell(line) => Healthcheck::Command { words: vec![line.value.to_owned()], is_shell: true, options },
                    _ => return,
                },
                _ => Healthcheck::Disabled,
            };
            if let Some(stage) = dockerfile.stages.last_mut() {
                stage.healthcheck = Some(healthcheck);
            }
        }
        Instruction::Expose(expose) => {
            if let Some(stage) = dockerfile.stages.last_mut() {
                stage.exposed.extend(expose.arguments.iter().map(|port| port.value.to_string()));
            }
        }
        _ => {}
    }
}

fn copied(name: &str, flags: &[Flag<'_>], sources: &[Source<'_>], line: usize, dockerfile: &mut Dockerfile) {
    for flag in flags.iter().filter(|flag| !CLASSIC_COPY.contains(&flag.name.value.as_ref())) {
        dockerfile.buildkit_features.push(Feature { name: format!("{name} --{}", flag.name.value), line });
    }
    if sources.iter().any(|source| matches!(source, Source::HereDoc(_))) {
        dockerfile.buildkit_features.push(Feature { name: "a here-document".to_owned(), line });
    }
    if let (Some(from), Some(stage)) = (flag(flags, "from"), dockerfile.stages.last_mut()) {
        stage.copied_from.push(from.to_owned());
    }
}
