//! Tools of a project's own files: which patterns there are, write one, bring it up to date, audit it.

use chora_core::audit::{FeatureState, JudgedFeature};
use chora_ops::audit::{AuditOutcome, AuditRequest, audit};
use chora_ops::init::{Answers, FileChange, FileLine, InitOutcome, InitRequest, init};
use chora_ops::patterns::{PatternsOutcome, PatternsRequest, patterns};
use chora_ops::upgrade::{UpgradeAction, UpgradeOutcome, UpgradeRequest, upgrade};
use chora_ops::{Context, Failure, FailureKind, Settings};
use futures_util::future::BoxFuture;

use super::operation::{Effect, Operation, Shown, Words};
use crate::cli::audit::summary;
use crate::cli::upgrade::words;

pub(super) fn operations() -> Vec<Operation> {
    vec![patterns_tool().of_files(), init_tool().of_files(), upgrade_tool().of_files(), audit_tool().of_files()]
}

fn patterns_tool() -> Operation {
    let words = Words {
        name: "patterns",
        title: "List patterns",
        description: "Lists the patterns of Docker files that `init` can write; with `pattern`, the questions that it asks, their defaults, and its files.",
    };
    Operation::new(
        words,
        Effect::Reads,
        |cx, request: &PatternsRequest| Box::pin(std::future::ready(patterns(&cx.settings, request))),
        patterns_words,
    )
}

fn init_tool() -> Operation {
    let words = Words {
        name: "init",
        title: "Write a pattern",
        description: "Writes Dockerfile, Compose files for every environment, chora.yaml and guides into a project that has none, all or nothing. What is not \
in `answers` is found out or has a default. Files that differ are left alone unless `replace`, which asks first.",
    };
    let shown = Shown { tell: init_words, view: Written::of };
    Operation::short(words, Effect::Replaces, |cx, request: &InitRequest| apart(cx, request, init), shown)
        .asking(|request: &InitRequest| request.from.is_none() && (request.dry_run || !request.replace), would_write)
}

fn upgrade_tool() -> Operation {
    let words = Words {
        name: "upgrade",
        title: "Upgrade a pattern",
        description: "Brings the files that `init` wrote to the present pattern, or to other `answers`, by a three-way merge that keeps every edit. Conflicts are \
marked in the files: resolve them, then call with `action: continue`, or `abort`. Asks first; `dry_run` tells what it would do.",
    };
    let shown = Shown { tell: upgrade_words, view: Merged::of };
    Operation::short(words, Effect::Replaces, |cx, request: &UpgradeRequest| apart(cx, request, upgrade), shown)
        .asking(|request: &UpgradeRequest| request.from.is_none() && request.action == UpgradeAction::DryRun, would_merge)
}

/// Git and hooks take their time: others are answered meanwhile.
fn apart<'a, Q, A>(cx: &Context, request: &Q, work: fn(&Settings, &Q) -> Result<A, Failure>) -> BoxFuture<'a, Result<A, Failure>>
where
    Q: Clone + Send + 'static,
    A: Send + 'static,
{
    let (settings, request) = (cx.settings.clone(), request.clone());
    let done = tokio::task::spawn_blocking(move || work(&settings, &request));
    Box::pin(async {
        done.await.unwrap_or_else(|error| match error.try_into_panic() {
            Ok(panic) => Err(Failure::of_panic(panic.as_ref())),
            Err(error) => Err(Failure::new(FailureKind::Unavailable, error.to_string())),
        })
    })
}

fn audit_tool() -> Operation {
    let words = Words {
        name: "audit",
        title: "Audit a project",
        description: "Judges the Docker files of every environment by best practices: a percentage, what is not adopted, with file and line, and tasks in \
order. `ok: false` below `fail_under`.",
    };
    let shown = Shown { tell: audit_words, view: AuditAnswer::of };
    Operation::short(words, Effect::Reads, |cx, request: &AuditRequest| Box::pin(std::future::ready(audit(&cx.settings, request))), shown)
}

/// What `init` wrote, in short.
#[derive(serde::Serialize, schemars::JsonSchema)]
struct Written {
    pattern: String,
    version: u32,
    answers: Answers,
    /// Answers that nobody gave.
    assumed: Vec<String>,
    /// What a killed command had begun; each file with what became of it; hooks that did not run.
    files: Vec<String>,
    dry_run: bool,
    next: String,
}

impl Written {
    fn of(outcome: InitOutcome) -> Self {
        let InitOutcome { pattern, version, answers, assumed, skipped_hooks, settled, warnings, files, dry_run, next, .. } = outcome;
        let line = |file: &FileLine| format!("{} {}", word(file.change), file.path);
        let skipped = skipped_hooks.iter().map(|hook| format!("not run: {hook}"));
        let files = settled.into_iter().chain(files.iter().map(line)).chain(skipped).chain(warnings).collect();
        Self { pattern, version, answers, assumed, files, dry_run, next }
    }
}

/// What `upgrade` made of the files, in short.
#[derive(serde::Serialize, schemars::JsonSchema)]
struct Merged {
    pattern: String,
    /// The version now.
    version: u32,
    is_behind: bool,
    /// What became of files, what was assumed, what is in the way.
    lines: Vec<String>,
    conflicts: usize,
    dry_run: bool,
    next: String,
}

impl Merged {
    fn of(outcome: UpgradeOutcome) -> Self {
        let skipped = outcome.skipped_hooks.iter().map(|hook| format!("not run: {hook}"));
        let told = words(&outcome, UpgradeAction::Merge);
        let lines = outcome.settled.iter().cloned().chain(told.lines().map(str::to_owned)).chain(skipped).collect();
        let UpgradeOutcome { pattern, to: version, is_behind, conflicts, dry_run, next, .. } = outcome;
        Self { pattern, version, is_behind, lines, conflicts, dry_run, next }
    }
}

/// A word of an enumeration.
fn word(value: impl serde::Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

/// An audit in short: what is left to do.
#[derive(serde::Serialize, schemars::JsonSchema)]
struct AuditAnswer {
    ok: bool,
    percent: u8,
    /// What is not adopted: state, feature, evidence.
    lacking: Vec<String>,
    /// Feature, what it adds, what to write or run.
    tasks: Vec<String>,
}

impl AuditAnswer {
    fn of(outcome: AuditOutcome) -> Self {
        let AuditOutcome { ok, percent, features, plan, .. } = outcome;
        let is_open = |state| !matches!(state, FeatureState::Adopted | FeatureState::NotApplicable);
        let open = features.iter().filter(|feature| is_open(feature.state));
        let line = |feature: &JudgedFeature| {
            let evidence: Vec<String> =
                feature.evidence.iter().map(|one| format!("{} {}", one.place(), one.note).trim().to_owned()).collect();
            format!("{} {}: {}", feature.state.as_str(), feature.id, evidence.join("; "))
        };
        let tasks = plan.phases.iter().flat_map(|phase| &phase.tasks).filter_map(|task| {
            let snippet = task.snippet.as_ref().map_or_else(String::new, |snippet| {
                format!("\n{}:\n{}", snippet.file.as_deref().unwrap_or("run"), snippet.text.trim_end())
            });
            Some(format!("{}, +{} %: {}{snippet}", task.feature.as_ref()?, task.gain, task.change))
        });
        Self { ok, percent, lacking: open.map(line).collect(), tasks: tasks.collect() }
    }
}

fn audit_words(outcome: &AuditOutcome) -> String {
    let first = outcome.plan.phases.iter().flat_map(|phase| &phase.tasks).next();
    let next = first.map_or_else(|| outcome.next.clone(), |task| format!("{}: {}", task.title, task.change));
    format!("{}\nnext: {next}", summary(outcome))
}

fn would_write<'a>(cx: &'a Context, request: &'a InitRequest) -> BoxFuture<'a, Result<Vec<String>, Failure>> {
    // What a model names is not fetched before a person has agreed.
    if let Some(from) = &request.from {
        return Box::pin(std::future::ready(Ok(vec![format!("take patterns from {from}, and write what they say")])));
    }
    let told = apart(cx, &InitRequest { dry_run: true, ..request.clone() }, init);
    Box::pin(async {
        let outcome = told.await?;
        let replaced = outcome.files.iter().filter(|file| file.change == FileChange::Replaced);
        Ok(replaced.map(|file| format!("write over {}", file.path)).collect())
    })
}

fn would_merge<'a>(cx: &'a Context, request: &'a UpgradeRequest) -> BoxFuture<'a, Result<Vec<String>, Failure>> {
    if let Some(from) = &request.from {
        return Box::pin(std::future::ready(Ok(vec![format!("take the pattern from {from} from now on, and merge what it says")])));
    }
    let plainly = |words: &str| -> BoxFuture<'a, _> { Box::pin(std::future::ready(Ok(vec![words.to_owned()]))) };
    match request.action {
        UpgradeAction::Continue => plainly("end the upgrade, its conflicts are resolved"),
        UpgradeAction::Abort => plainly("put every file back as it was before the upgrade"),
        action @ (UpgradeAction::Merge | UpgradeAction::DryRun) => {
            let told = apart(cx, &UpgradeRequest { action: UpgradeAction::DryRun, ..request.clone() }, upgrade);
            Box::pin(async move { Ok(words(&told.await?, action).lines().map(str::to_owned).collect()) })
        }
    }
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
