//! Tools of a project's own files: which patterns there are, write one, bring it up to date, audit it.

use chora_core::audit::{FeatureState, JudgedFeature};
use chora_ops::audit::{AuditOutcome, AuditRequest, audit};
use chora_ops::init::{FileChange, InitOutcome, InitRequest, init};
use chora_ops::patterns::{PatternsOutcome, PatternsRequest, patterns};
use chora_ops::upgrade::{UpgradeAction, UpgradeOutcome, UpgradeRequest, upgrade};
use chora_ops::{Context, Failure};
use futures_util::future::BoxFuture;

use super::operation::{Effect, Operation, Shown, Words};
use crate::cli::audit::summary;
use crate::cli::upgrade::words;

pub(super) fn operations() -> Vec<Operation> {
    vec![patterns_tool(), init_tool(), upgrade_tool(), audit_tool()]
}

fn patterns_tool() -> Operation {
    let words = Words {
        name: "patterns",
        title: "List patterns",
        description: "Lists the patterns of Docker files that `init` can write; with `pattern`, the questions that it asks, their defaults, and its files.",
    };
    Operation::new(words, Effect::Reads, |_, request: &PatternsRequest| Box::pin(std::future::ready(patterns(request))), patterns_words)
}

fn init_tool() -> Operation {
    let words = Words {
        name: "init",
        title: "Write a pattern",
        description: "Writes Dockerfile, Compose files for every environment, chora.yaml and guides into a project that has none, all or nothing. What is not \
in `answers` is found out or has a default. Files that differ are left alone unless `replace`, which asks first.",
    };
    Operation::new(words, Effect::Replaces, |cx, request| Box::pin(std::future::ready(init(&cx.settings, request))), init_words)
        .asking(|request: &InitRequest| request.dry_run || !request.replace, would_write)
}

fn upgrade_tool() -> Operation {
    let words = Words {
        name: "upgrade",
        title: "Upgrade a pattern",
        description: "Brings the files that `init` wrote to the present pattern, or to other `answers`, by a three-way merge that keeps every edit. Conflicts are \
marked in the files: resolve them, then call with `action: continue`, or `abort`. Asks first; `dry_run` tells what it would do.",
    };
    Operation::new(words, Effect::Replaces, |cx, request| Box::pin(std::future::ready(upgrade(&cx.settings, request))), upgrade_words)
        .asking(|request: &UpgradeRequest| request.action == UpgradeAction::DryRun, would_merge)
}

fn audit_tool() -> Operation {
    let words = Words {
        name: "audit",
        title: "Audit a project",
        description: "Judges Dockerfiles, Compose files of every environment and what lies around them by best practices: a percentage, what is not adopted with \
file and line, and tasks in order, each with what to write. `ok: false` below `fail_under`.",
    };
    let shown = Shown { tell: audit_words, view: AuditAnswer::of };
    Operation::short(words, Effect::Reads, |cx, request: &AuditRequest| Box::pin(std::future::ready(audit(&cx.settings, request))), shown)
}

/// An audit in short: what is left to do.
#[derive(serde::Serialize, schemars::JsonSchema)]
struct AuditAnswer {
    ok: bool,
    percent: u8,
    /// What is not adopted: state, feature, evidence.
    lacking: Vec<String>,
    tasks: Vec<AuditTask>,
    /// Commands that check all of it.
    check: Vec<String>,
}

#[derive(serde::Serialize, schemars::JsonSchema)]
struct AuditTask {
    feature: String,
    /// What it adds, in percent.
    gain: f64,
    change: String,
    /// Where `write` goes; absent for commands.
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    write: String,
}

impl AuditAnswer {
    fn of(outcome: AuditOutcome) -> Self {
        let is_open = |state| !matches!(state, FeatureState::Adopted | FeatureState::NotApplicable);
        let open = outcome.features.iter().filter(|feature| is_open(feature.state));
        let line = |feature: &JudgedFeature| {
            let evidence: Vec<String> =
                feature.evidence.iter().map(|one| format!("{} {}", one.place(), one.note).trim().to_owned()).collect();
            format!("{} {}: {}", feature.state.as_str(), feature.id, evidence.join("; "))
        };
        let tasks = outcome.plan.phases.iter().flat_map(|phase| &phase.tasks).filter_map(|task| {
            let (file, write) = task.snippet.clone().map_or((None, String::new()), |snippet| (snippet.file, snippet.text));
            Some(AuditTask { feature: task.feature.clone()?, gain: task.gain, change: task.change.clone(), file, write })
        });
        let check = outcome.plan.phases.last().map(|phase| phase.check.clone()).unwrap_or_default();
        Self { ok: outcome.ok, percent: outcome.percent, lacking: open.map(line).collect(), tasks: tasks.collect(), check }
    }
}

fn audit_words(outcome: &AuditOutcome) -> String {
    let first = outcome.plan.phases.iter().flat_map(|phase| &phase.tasks).next();
    let next = first.map_or_else(|| outcome.next.clone(), |task| format!("{}: {}", task.title, task.change));
    format!("{}\nnext: {next}", summary(outcome))
}

fn would_write<'a>(cx: &'a Context, request: &'a InitRequest) -> BoxFuture<'a, Result<Vec<String>, Failure>> {
    let told = init(&cx.settings, &InitRequest { dry_run: true, ..request.clone() }).map(|outcome| {
        let replaced = outcome.files.iter().filter(|file| file.change == FileChange::Replaced);
        replaced.map(|file| format!("write over {}", file.path)).collect()
    });
    Box::pin(std::future::ready(told))
}

fn would_merge<'a>(cx: &'a Context, request: &'a UpgradeRequest) -> BoxFuture<'a, Result<Vec<String>, Failure>> {
    let told = match request.action {
        UpgradeAction::Continue => Ok(vec!["end the upgrade, its conflicts are resolved".to_owned()]),
        UpgradeAction::Abort => Ok(vec!["put every file back as it was before the upgrade".to_owned()]),
        action @ (UpgradeAction::Merge | UpgradeAction::DryRun) => {
            upgrade(&cx.settings, &UpgradeRequest { action: UpgradeAction::DryRun, ..request.clone() })
                .map(|outcome| words(&outcome, action).lines().map(str::to_owned).collect())
        }
    };
    Box::pin(std::future::ready(told))
}

fn patterns_words(outcome: &PatternsOutcome) -> String {
    let lines = outcome.patterns.iter().map(|pattern| format!("{}: {}", pattern.name, pattern.summary));
    lines.chain([format!("next: {}", outcome.next)]).collect::<Vec<_>>().join("\n")
}

fn init_words(outcome: &InitOutcome) -> String {
    let paths: Vec<&str> = outcome.files.iter().filter(|file| file.change != FileChange::Same).map(|file| file.path.as_str()).collect();
    let done = if outcome.dry_run { "would write" } else { "wrote" };
    format!("{done} the pattern {}, version {}: {}\nnext: {}", outcome.pattern, outcome.version, paths.join(", "), outcome.next)
}

fn upgrade_words(outcome: &UpgradeOutcome) -> String {
    format!("{}next: {}", words(outcome, UpgradeAction::Merge), outcome.next)
}
