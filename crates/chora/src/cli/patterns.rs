//! `chora patterns`.

use chora_ops::Failure;
use chora_ops::patterns::{PatternsOutcome, PatternsRequest, patterns};
use clap::{Args, Subcommand};

use super::door::Door;
use super::output::Answer;
use super::source;
use super::style::{BOLD, DIM, paint};
use super::table::{Cell, Table};

/// List the patterns that `init` can write
#[derive(Debug, Args)]
pub(crate) struct PatternsArgs {
    /// Look into this directory or repository instead of the built-in catalogue
    #[arg(long, value_name = "SOURCE[@TAG]", global = true)]
    from: Option<String>,
    #[command(subcommand)]
    command: Option<PatternsCommand>,
}

#[derive(Debug, Subcommand)]
enum PatternsCommand {
    Show(ShowArgs),
}

/// Tell what a pattern asks and writes
#[derive(Debug, Args)]
struct ShowArgs {
    /// The pattern
    name: String,
}

pub(crate) fn run(args: PatternsArgs, door: &Door) -> Result<Answer, Failure> {
    let pattern = args.command.map(|PatternsCommand::Show(show)| show.name);
    let from = args.from.map(|from| source::as_named(&door.settings(), from));
    let outcome = patterns(&door.settings(), &PatternsRequest { from, pattern: pattern.clone() })?;
    let text = if pattern.is_some() { shown(&outcome) } else { listed(&outcome) };
    Answer::new(&outcome, text)
}

fn listed(outcome: &PatternsOutcome) -> String {
    let mut table = Table::new(&["PATTERN", "TITLE", "SUMMARY"]);
    for pattern in &outcome.patterns {
        table.row(vec![Cell::from(pattern.name.as_str()), Cell::from(pattern.title.as_str()), Cell::from(pattern.summary.as_str())]);
    }
    format!("{}{} {}\n", table.render(), paint(DIM, "next:"), outcome.next)
}

fn shown(outcome: &PatternsOutcome) -> String {
    let mut text = String::new();
    for pattern in &outcome.patterns {
        text.push_str(&format!("{} version {}: {}\n\n", paint(BOLD, &pattern.name), pattern.version, pattern.summary));
    }
    let mut asked = Table::new(&["QUESTION", "DEFAULT", "WHAT IT ASKS"]);
    for (name, question) in &outcome.questions {
        let default = match &question.default {
            Some(serde_json::Value::String(line)) if line.contains('{') => "by other answers".to_owned(),
            Some(serde_json::Value::String(text)) => text.clone(),
            Some(value) => value.to_string(),
            None => String::new(),
        };
        let choices = if question.choices.is_empty() { String::new() } else { format!(" ({})", question.choices.join(", ")) };
        asked.row(vec![Cell::from(name.as_str()), Cell::new(default), Cell::new(format!("{}{choices}", question.ask))]);
    }
    text.push_str(&asked.render());
    text.push('\n');
    let mut files = Table::new(&["FILE", "WRITTEN"]);
    for file in &outcome.files {
        let when = file.when.as_ref().map_or_else(|| "always".to_owned(), |when| format!("when {when}"));
        files.row(vec![Cell::from(file.path.as_str()), Cell::new(when)]);
    }
    format!("{text}{}{} {}\n", files.render(), paint(DIM, "next:"), outcome.next)
}
