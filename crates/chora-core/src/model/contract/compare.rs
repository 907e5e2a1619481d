//! What changed between two recordings, and whether a client of the first would break on the second.

use std::collections::BTreeSet;

use serde_json::Value;

use super::schema::{Gap, GapKind, Use, gaps};
use super::{Contract, Tool};

/// What a change is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// A tool.
    Tool,
    /// A resource or resource template.
    Resource,
    /// A prompt.
    Prompt,
}

/// What kind of change it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    /// The whole thing is new.
    Added,
    /// The whole thing is gone.
    Removed,
    /// A tool takes one parameter more.
    ParameterAdded,
    /// A tool takes one parameter less.
    ParameterRemoved,
    /// A parameter must be given now.
    ParameterRequired,
    /// A parameter may be left out now.
    ParameterOptional,
    /// A parameter takes less than it did.
    ParameterNarrowed,
    /// A parameter takes more than it did.
    ParameterWidened,
    /// A result has one field more, or a schema for the first time.
    ResultAdded,
    /// A result has one field less, or no schema any more.
    ResultRemoved,
    /// A result may lack a field, or hold other values than it did.
    ResultLoosened,
    /// A result promises more than it did.
    ResultTightened,
    /// The words that models choose by.
    Description,
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
pub struct ContractChange {
    /// What it is about.
    pub subject: Subject,
    /// Name or URI.
    pub name: String,
    /// What kind.
    pub kind: ChangeKind,
    /// Whether calls that worked may fail now.
    pub breaking: bool,
    /// What exactly, such as ``parameter `limit` is required now``.
    pub detail: String,
}

impl std::fmt::Display for ContractChange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let subject = match self.subject {
            Subject::Tool => "tool",
            Subject::Resource => "resource",
            Subject::Prompt => "prompt",
        };
        match self.kind {
            ChangeKind::Added | ChangeKind::Removed => write!(f, "{subject} `{}` {}", self.name, self.detail),
            _ => write!(f, "{subject} `{}`: {}", self.name, self.detail),
        }
    }
}

/// Lists what changed: breaking changes first, then by subject and name. Versions are not compared.
#[must_use]
pub fn compare(recorded: &Contract, observed: &Contract) -> Vec<ContractChange> {
    let mut changes = Vec::new();
    for tool in &recorded.tools {
        match observed.tools.iter().find(|found| found.name == tool.name) {
            Some(found) => changes.extend(tool_changes(tool, found)),
            None => changes.push(whole(Subject::Tool, &tool.name, ChangeKind::Removed)),
        }
    }
    let added = observed.tools.iter().filter(|tool| !recorded.tools.iter().any(|known| known.name == tool.name));
    changes.extend(added.map(|tool| whole(Subject::Tool, &tool.name, ChangeKind::Added)));
    changes.extend(names(Subject::Resource, &recorded.resources, &observed.resources));
    changes.extend(names(Subject::Prompt, &recorded.prompts, &observed.prompts));
    changes.sort_by(|one, other| {
        (!one.breaking, one.subject, &one.name, &one.detail).cmp(&(!other.breaking, other.subject, &other.name, &other.detail))
    });
    changes
}

fn whole(subject: Subject, name: &str, kind: ChangeKind) -> ContractChange {
    let breaking = kind == ChangeKind::Removed;
    let detail = if breaking { "removed" } else { "added" };
    ContractChange { subject, name: name.to_owned(), kind, breaking, detail: detail.to_owned() }
}

fn names(subject: Subject, recorded: &[String], observed: &[String]) -> Vec<ContractChange> {
    let recorded: BTreeSet<_> = recorded.iter().collect();
    let observed: BTreeSet<_> = observed.iter().collect();
    let removed = recorded.difference(&observed).map(|name| whole(subject, name, ChangeKind::Removed));
    let added = observed.difference(&recorded).map(|name| whole(subject, name, ChangeKind::Added));
    removed.chain(added).collect()
}

fn tool_changes(recorded: &Tool, observed: &Tool) -> Vec<ContractChange> {
    let mut changes = Vec::new();
    let mut push = |kind, breaking, detail: String| {
        changes.push(ContractChange { subject: Subject::Tool, name: recorded.name.clone(), kind, breaking, detail });
    };
    let (now, before) = (&observed.input_schema, &recorded.input_schema);
    // What was accepted must still be accepted.
    for (gap, breaking) in both_ways(Use::Arguments, now, before) {
        let (kind, detail) = argument_words(&gap, breaking);
        push(kind, breaking, detail);
    }
    match (&recorded.output_schema, &observed.output_schema) {
        (Some(before), Some(now)) => {
            // What is answered now must be something that could be answered then.
            for (gap, breaking) in both_ways(Use::Results, before, now) {
                let (kind, detail) = result_words(&gap, breaking);
                push(kind, breaking, detail);
            }
        }
        (Some(_), None) => push(ChangeKind::ResultRemoved, true, "its result has no schema any more".to_owned()),
        (None, Some(_)) => push(ChangeKind::ResultAdded, false, "its result has a schema now".to_owned()),
        (None, None) => {}
    }
    if recorded.description != observed.description {
        push(ChangeKind::Description, false, "its description changed".to_owned());
    }
    changes
}

/// Gaps in the direction that breaks, then those of the other direction at places where nothing breaks.
fn both_ways(purpose: Use, target: &Value, source: &Value) -> Vec<(Gap, bool)> {
    let breaking = gaps(purpose, target, source);
    let harmless = gaps(purpose, source, target);
    let harmless: Vec<_> = harmless.into_iter().filter(|gap| !breaking.iter().any(|broken| broken.path == gap.path)).collect();
    let breaking = breaking.into_iter().map(|gap| (gap, true));
    breaking.chain(harmless.into_iter().map(|gap| (gap, false))).collect()
}

fn argument_words(gap: &Gap, breaking: bool) -> (ChangeKind, String) {
    let path = &gap.path;
    let place = if path.is_empty() { "its arguments".to_owned() } else { format!("parameter `{path}`") };
    match (gap.kind, breaking) {
        (GapKind::Absent, true) => (ChangeKind::ParameterRemoved, format!("{place} removed")),
        (GapKind::Absent, false) => (ChangeKind::ParameterAdded, format!("{place} added")),
        (GapKind::Required, true) => (ChangeKind::ParameterRequired, format!("{place} is required now")),
        (GapKind::Required, false) => (ChangeKind::ParameterOptional, format!("{place} is optional now")),
        (GapKind::Values, true) => (ChangeKind::ParameterNarrowed, format!("{place} narrowed: {}", gap.detail)),
        (GapKind::Values, false) => (ChangeKind::ParameterWidened, format!("{place} widened, before: {}", gap.detail)),
    }
}

fn result_words(gap: &Gap, breaking: bool) -> (ChangeKind, String) {
    let path = &gap.path;
    let place = if path.is_empty() { "its result".to_owned() } else { format!("result field `{path}`") };
    match (gap.kind, breaking) {
        (GapKind::Absent, true) => (ChangeKind::ResultRemoved, format!("{place} removed")),
        (GapKind::Absent, false) => (ChangeKind::ResultAdded, format!("{place} added")),
        (GapKind::Required, true) => (ChangeKind::ResultLoosened, format!("{place} may be missing now")),
        (GapKind::Required, false) => (ChangeKind::ResultTightened, format!("{place} is always there now")),
        (GapKind::Values, true) => (ChangeKind::ResultLoosened, format!("{place} may hold other values, before: {}", gap.detail)),
        (GapKind::Values, false) => (ChangeKind::ResultTightened, format!("{place} holds fewer values: {}", gap.detail)),
    }
}
