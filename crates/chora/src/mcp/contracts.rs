//! Tools of what a deployed MCP server promised: record it, compare with it.

use chora_core::model::contract::ContractChange;
use chora_ops::contract::{DiffOutcome, RecordOutcome, ServerRequest, diff, record};

use super::operation::{Effect, Operation, Shown, Words};

pub(super) fn operations() -> Vec<Operation> {
    vec![record_tool(), diff_tool()]
}

fn record_tool() -> Operation {
    let words = Words {
        name: "contract_record",
        title: "Record an MCP server's contract",
        description: "Writes down the tools, resources and prompts that a running MCP server offers, in .chora/contracts. Health checks and gates compare with it \
from then on.",
    };
    let shown = Shown { tell: record_words, view: RecordAnswer::of };
    Operation::short(words, Effect::Adds, |cx, request: &ServerRequest| Box::pin(record(cx, request)), shown).idempotent()
}

/// A recording in short: names; the file has the schemas.
#[derive(serde::Serialize, schemars::JsonSchema)]
struct RecordAnswer {
    /// The recording, relative to the project.
    path: String,
    /// The file changed.
    written: bool,
    /// Server name as it states it.
    server: String,
    /// Server version as it states it.
    server_version: String,
    /// Names of its tools.
    tools: Vec<String>,
    /// URIs of its resources.
    resources: Vec<String>,
    /// Names of its prompts.
    prompts: Vec<String>,
    /// Changes since the last recording, breaking ones first.
    changes: Vec<ContractChange>,
}

impl RecordAnswer {
    fn of(outcome: RecordOutcome) -> Self {
        let contract = outcome.contract;
        Self {
            path: outcome.path,
            written: outcome.written,
            server: contract.server,
            server_version: contract.server_version,
            tools: contract.tools.into_iter().map(|tool| tool.name).collect(),
            resources: contract.resources,
            prompts: contract.prompts,
            changes: outcome.changes,
        }
    }
}

fn diff_tool() -> Operation {
    let words = Words {
        name: "contract_diff",
        title: "Compare an MCP server with its contract",
        description: "Compares what a running MCP server offers with its recorded contract. `ok: false` when something breaks: a tool or parameter is gone, \
or a parameter became required or narrower.",
    };
    Operation::new(words, Effect::Reads, |cx, request: &ServerRequest| Box::pin(diff(cx, request)), diff_words)
}

fn record_words(outcome: &RecordOutcome) -> String {
    let how = if outcome.written { "written" } else { "unchanged" };
    let mut lines = vec![format!(
        "{} is {how}: {} {}, {} tools",
        outcome.path,
        outcome.contract.server,
        outcome.contract.server_version,
        outcome.contract.tools.len()
    )];
    lines.extend(listed(&outcome.changes));
    lines.push("next: commit the file".to_owned());
    lines.join("\n")
}

fn diff_words(outcome: &DiffOutcome) -> String {
    let verdict = match (outcome.changes.is_empty(), outcome.ok) {
        (true, _) => "the server offers what",
        (false, true) => "nothing breaks, and the server differs from",
        (false, false) => "the server breaks",
    };
    let mut lines = vec![format!("{verdict} {}", outcome.path)];
    lines.extend(listed(&outcome.changes));
    if !outcome.changes.is_empty() {
        lines.push("next: contract_record when the change is meant".to_owned());
    }
    lines.join("\n")
}

fn listed(changes: &[ContractChange]) -> impl Iterator<Item = String> {
    changes.iter().map(|change| format!("{}{}: {}", if change.breaking { "breaking: " } else { "" }, change.name, change.detail))
}
