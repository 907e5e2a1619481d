//! What a command answers, and how it leaves: one JSON document, or text; failures too.

use std::io::{self, Write};
use std::process::ExitCode;

use anstream::{AutoStream, ColorChoice};
use chora_ops::{Failure, FailureKind};
use serde_json::{Map, Value, json};

use super::style::{BAD, BOLD, DIM, WARN, paint};
use crate::config::ColorWhen;

/// How output looks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    pub(crate) json: bool,
    /// −1 for `-q`, then one for each `-v`.
    pub(crate) verbosity: i8,
    pub(crate) color: ColorWhen,
}

/// What a command answers.
#[derive(Debug)]
pub(crate) struct Answer {
    document: Value,
    text: String,
    warnings: Vec<String>,
    exit: u8,
    /// Everything was written already.
    written: bool,
}

impl Answer {
    /// An outcome with its text; the document says `ok` first.
    pub(crate) fn new(outcome: &impl serde::Serialize, text: String) -> Result<Self, Failure> {
        let document = document(outcome)?;
        let document = match document {
            Value::Object(fields) if !fields.contains_key("ok") => {
                let mut all = Map::from_iter([("ok".to_owned(), Value::Bool(true))]);
                all.extend(fields);
                Value::Object(all)
            }
            other => other,
        };
        Ok(Self { document, text, warnings: Vec::new(), exit: 0, written: false })
    }

    /// A document that is the answer as it stands.
    pub(crate) const fn verbatim(document: Value, text: String) -> Self {
        Self { document, text, warnings: Vec::new(), exit: 0, written: false }
    }

    /// An answer that was written while it came.
    pub(crate) const fn written(exit: u8) -> Self {
        Self { document: Value::Null, text: String::new(), warnings: Vec::new(), exit, written: true }
    }

    pub(crate) fn exit(self, exit: u8) -> Self {
        Self { exit, ..self }
    }

    /// Names the environment in the next command, where it has to be named.
    pub(crate) fn in_environment(mut self, environment: &str) -> Self {
        if let Some(Value::String(next)) = self.document.get_mut("next") {
            *next = chora_ops::project::in_environment(next, environment);
        }
        self
    }

    pub(crate) fn warnings(self, warnings: &[String]) -> Self {
        Self { warnings: warnings.to_vec(), ..self }
    }
}

/// Any value as JSON.
pub(crate) fn document(value: &impl serde::Serialize) -> Result<Value, Failure> {
    serde_json::to_value(value)
        .map_err(|error| Failure::new(FailureKind::Internal, format!("the outcome cannot be written as JSON: {error}")))
}

impl Output {
    pub(crate) const fn is_quiet(self) -> bool {
        self.verbosity < 0 || self.json
    }

    const fn choice(self) -> ColorChoice {
        match self.color {
            ColorWhen::Auto => ColorChoice::Auto,
            ColorWhen::Always => ColorChoice::AlwaysAnsi,
            ColorWhen::Never => ColorChoice::Never,
        }
    }

    pub(crate) fn stdout(self) -> AutoStream<io::Stdout> {
        AutoStream::new(io::stdout(), self.choice())
    }

    pub(crate) fn stderr(self) -> AutoStream<io::Stderr> {
        AutoStream::new(io::stderr(), self.choice())
    }

    /// Writes a piece of an answer that comes bit by bit; `false` when nobody reads any more.
    pub(crate) fn piece(self, text: &str) -> Result<bool, Failure> {
        let mut stdout = self.stdout();
        match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
            Err(error) => Err(Failure::new(FailureKind::Unavailable, format!("standard output cannot be written: {error}"))),
        }
    }

    /// Writes words for people; nobody there to read them is fine.
    pub(crate) fn say(self, text: &str) {
        let mut stderr = self.stderr();
        // There is no place left to say that standard error is gone.
        drop(stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush()));
    }

    /// Writes the answer or the failure, and gives the exit code.
    pub(crate) fn finish(self, result: Result<Answer, Failure>) -> ExitCode {
        let written = result.and_then(|answer| self.write(&answer));
        match written {
            Ok(exit) => ExitCode::from(exit),
            Err(failure) => {
                self.fail(&failure);
                ExitCode::from(failure.kind.exit_code())
            }
        }
    }

    fn write(self, answer: &Answer) -> Result<u8, Failure> {
        if answer.written {
            return Ok(answer.exit);
        }
        if self.json {
            self.piece(&pretty(&answer.document))?;
            return Ok(answer.exit);
        }
        if self.verbosity >= 0 {
            for warning in &answer.warnings {
                self.say(&format!("{} {warning}\n", paint(WARN, "warning:")));
            }
        }
        self.piece(&answer.text)?;
        Ok(answer.exit)
    }

    /// Writes a failure where it belongs.
    pub(crate) fn fail(self, failure: &Failure) {
        if self.json {
            let Failure { kind, message, state, hint, details } = failure;
            let document = json!({ "ok": false, "kind": kind, "message": message, "state": state, "hint": hint, "details": details });
            if self.piece(&pretty(&document)).is_ok() {
                return;
            }
        }
        self.say(&text_of(failure));
    }
}

fn text_of(failure: &Failure) -> String {
    let mut text = format!("{} {}\n", paint(BAD, "error:"), paint(BOLD, &failure.message));
    for line in failure.details.iter().flat_map(|detail| detail.lines()) {
        text.push_str(format!("  {line}").trim_end());
        text.push('\n');
    }
    for (name, words) in [("state:", &failure.state), ("next:", &failure.hint)] {
        if !words.is_empty() {
            text.push_str(&format!("{} {words}\n", paint(DIM, name)));
        }
    }
    text
}

pub(crate) fn pretty(document: &Value) -> String {
    format!("{document:#}\n")
}
