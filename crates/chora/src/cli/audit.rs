//! `chora audit`.

mod markdown;

use chora_core::audit::{Area, Counts, FeatureState, JudgedFeature};
use chora_ops::Failure;
use chora_ops::audit::{AuditOutcome, AuditRequest, audit};
use clap::Args;

use super::door::Door;
use super::output::Answer;
use super::style::{BAD, BOLD, DIM, GOOD, PLAIN, WARN, count, paint};
use super::table::{Cell, Table};

/// Say what is adopted of the best practices, and plan the rest
///
/// Judges Dockerfiles, Compose files in every environment, chora.yaml, and what lies around them: each feature as adopted, partly
/// or missing, with file and line, and a percentage by weight. Nothing is run and nothing is changed; projects that never saw
/// `chora init` are judged the same way.
#[derive(Debug, Args)]
pub(crate) struct AuditArgs {
    /// Print all of it, and the plan to 100 %, as Markdown
    #[arg(long)]
    markdown: bool,
    /// Exit with 1 when less than this is adopted
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(0..=100))]
    fail_under: Option<u8>,
}

pub(crate) fn run(args: &AuditArgs, door: &Door) -> Result<Answer, Failure> {
    let outcome = audit(&door.settings(), &AuditRequest { fail_under: args.fail_under })?;
    let text = if args.markdown { markdown::page(&outcome) } else { told(&outcome, door.output.verbosity > 0, args.fail_under) };
    let exit = u8::from(!outcome.ok);
    Ok(Answer::new(&outcome, text)?.exit(exit))
}

fn told(outcome: &AuditOutcome, is_verbose: bool, fail_under: Option<u8>) -> String {
    let mut text = format!("{}\n", paint(BOLD, summary(outcome)));
    if let Some(least) = fail_under.filter(|_| !outcome.ok) {
        text.push_str(&format!("{} {least} % is asked for\n", paint(BAD, "too little:")));
    }
    for area in [Area::Image, Area::Stack, Area::Project] {
        let is_told = |feature: &&JudgedFeature| feature.area == area && (is_verbose || is_open(feature));
        let heading = area.as_str().to_uppercase();
        let mut table = Table::new(&[heading.as_str(), "", "WEIGHT", "EVIDENCE"]);
        let mut is_empty = true;
        for feature in outcome.features.iter().filter(is_told) {
            is_empty = false;
            table.row(vec![
                state(feature.state),
                Cell::from(feature.title.as_str()),
                Cell::new(feature.weight.to_string()),
                Cell::new(evidence(feature)),
            ]);
        }
        if !is_empty {
            text.push_str(&format!("\n{}", table.render()));
        }
    }
    text.push_str(&plan(outcome));
    let untold = [("unknown:", outcome.counts.unknown, ", until what cannot be read is mended"), ("adopted:", outcome.counts.adopted, "")];
    for (name, number, more) in untold.into_iter().filter(|(_, number, _)| *number > 0 && !is_verbose) {
        text.push_str(&format!("{} {}{more}; chora audit -v lists them\n", paint(DIM, name), count(number, "feature")));
    }
    format!("{text}{} {}\n", paint(DIM, "next:"), outcome.next)
}

const fn is_open(feature: &JudgedFeature) -> bool {
    matches!(feature.state, FeatureState::Partly | FeatureState::Missing)
}

/// The percentage, and what it is made of.
pub(crate) fn summary(outcome: &AuditOutcome) -> String {
    format!("{} % adopted: {}", outcome.percent, counts(&outcome.counts))
}

fn counts(counts: &Counts) -> String {
    let applicable = counts.adopted + counts.partly + counts.missing + counts.unknown;
    let mut text = format!("{} of {}", counts.adopted, count(applicable, "feature"));
    for (number, word) in [(counts.partly, "partly"), (counts.missing, "missing"), (counts.unknown, "unknown")] {
        if number > 0 {
            text.push_str(&format!(", {number} {word}"));
        }
    }
    text
}

fn state(state: FeatureState) -> Cell {
    let style = match state {
        FeatureState::Adopted => GOOD,
        FeatureState::Partly => WARN,
        FeatureState::Missing => BAD,
        FeatureState::Unknown | FeatureState::NotApplicable => PLAIN,
    };
    Cell::styled(style, state.as_str())
}

/// The first piece of evidence, and how many more there are.
pub(crate) fn evidence(feature: &JudgedFeature) -> String {
    let Some(first) = feature.evidence.first() else { return String::new() };
    let place = first.place();
    let more = feature.evidence.len() - 1;
    let mut text = if place.is_empty() { first.note.clone() } else { format!("{place}  {}", first.note) };
    if more > 0 {
        text.push_str(&format!(", and {more} more"));
    }
    text
}

fn plan(outcome: &AuditOutcome) -> String {
    if outcome.plan.phases.is_empty() {
        return String::new();
    }
    let mut table = Table::new(&["PHASE", "", "TASKS", "TIME", "AFTERWARDS"]);
    for phase in &outcome.plan.phases {
        let cells = [
            phase.number.to_string(),
            phase.title.clone(),
            phase.tasks.len().to_string(),
            minutes(phase.minutes),
            format!("{} %", phase.percent),
        ];
        table.row(cells.into_iter().map(Cell::new).collect());
    }
    format!("\n{}", table.render())
}

/// Minutes as people say them.
pub(crate) fn minutes(minutes: u16) -> String {
    match (minutes / 60, minutes % 60) {
        (0, minutes) => format!("{minutes} min"),
        (hours, 0) => format!("{hours} h"),
        (hours, minutes) => format!("{hours} h {minutes} min"),
    }
}
