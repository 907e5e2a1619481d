//! `chora plan`, `chora deploy` and `chora up`.

use chora_core::model::deployment::{OutcomeKind, Traffic};
use chora_core::plan::{Change, Plan, StepPhase};
use chora_ops::Failure;
use chora_ops::deploy::{DeployOutcome, DeployRequest, deploy};
use chora_ops::project::DEVELOPMENT;
use clap::Args;

use super::EnvironmentArgs;
use super::door::{Door, next};
use super::output::Answer;
use super::style::{BAD, BOLD, DIM, GOOD, PLAIN, WARN, count, paint, took};
use super::table::{Cell, Table};

/// What to make anew.
#[derive(Debug, Args)]
struct MakeArgs {
    /// Name the release [default: `git describe`]
    #[arg(long, value_name = "VERSION")]
    version: Option<String>,
    /// Pull images that the engine has already
    #[arg(long)]
    pull: bool,
    /// Build images whose inputs did not change
    #[arg(long)]
    build: bool,
    /// Replace containers that did not change
    #[arg(long)]
    recreate: bool,
}

/// Show what `deploy` would do, and touch nothing
#[derive(Debug, Args)]
pub(crate) struct PlanArgs {
    #[command(flatten)]
    environment: EnvironmentArgs,
    #[command(flatten)]
    make: MakeArgs,
}

/// Deploy the project: build or pull, start, check, switch, record
///
/// Changed services start as candidates and must pass their health gate before the release is recorded; otherwise the release that was
/// live serves on. Services that did not change are not touched. Exit codes: 0 deployed, 10 refused and the old release kept serving,
/// 11 the old release was restored, 12 it could not be.
#[derive(Debug, Args)]
pub(crate) struct DeployArgs {
    #[command(flatten)]
    environment: EnvironmentArgs,
    #[command(flatten)]
    make: MakeArgs,
    /// Show the plan and touch nothing
    #[arg(short = 'n', long)]
    dry_run: bool,
    /// Stay until the release is not watched any more (`watch` in chora.yaml); exit code 11 when it was switched back
    #[arg(long, conflicts_with = "dry_run")]
    wait_watch: bool,
}

impl DeployArgs {
    pub(crate) const fn is_dry_run(&self) -> bool {
        self.dry_run
    }
}

/// Bring the project up for development
///
/// The same as `deploy --env development`: ports are published directly and services are replaced in place.
#[derive(Debug, Args)]
pub(crate) struct UpArgs {
    /// Work on this environment [default: development]
    #[arg(short, long = "env", value_name = "NAME")]
    environment: Option<String>,
    #[command(flatten)]
    make: MakeArgs,
    /// Show the plan and touch nothing
    #[arg(short = 'n', long)]
    dry_run: bool,
}

pub(crate) async fn plan(args: PlanArgs, door: &Door) -> Result<Answer, Failure> {
    carry_out(request(args.environment.environment, args.make, true), door).await
}

pub(crate) async fn run(args: DeployArgs, door: &Door) -> Result<Answer, Failure> {
    let request = request(args.environment.environment, args.make, args.dry_run);
    carry_out(DeployRequest { wait_watch: args.wait_watch, ..request }, door).await
}

pub(crate) async fn up(args: UpArgs, door: &Door) -> Result<Answer, Failure> {
    let environment = args.environment.unwrap_or_else(|| DEVELOPMENT.to_owned());
    carry_out(request(Some(environment), args.make, args.dry_run), door).await
}

fn request(environment: Option<String>, make: MakeArgs, dry_run: bool) -> DeployRequest {
    let MakeArgs { version, pull, build, recreate } = make;
    DeployRequest { environment, version, dry_run, pull, build, recreate, wait_watch: false }
}

async fn carry_out(request: DeployRequest, door: &Door) -> Result<Answer, Failure> {
    let outcome = {
        let cx = door.context(request.environment.as_deref())?;
        Box::pin(deploy(&cx, &request)).await?
    };
    let text = render(&outcome);
    Ok(Answer::new(&outcome, text)?.warnings(&outcome.warnings))
}

/// The text of a deployment, a rollback or a plan.
pub(crate) fn render(outcome: &DeployOutcome) -> String {
    match outcome.outcome {
        None => dry_run(outcome),
        Some(OutcomeKind::Unchanged) => {
            let head = format!(
                "{} {} is live in {} and nothing has to change",
                paint(GOOD, "✓"),
                paint(BOLD, &outcome.version),
                outcome.environment
            );
            format!("{head} {}\n{}", paint(DIM, format!("({})", took(outcome.took_ms))), closing(outcome))
        }
        Some(_) => done(outcome),
    }
}

fn done(outcome: &DeployOutcome) -> String {
    let before = outcome.previous_version.as_ref().map_or_else(String::new, |before| format!(", before it {before}"));
    let mut text = format!("{} {} is live in {}{before}\n", paint(GOOD, "✓"), paint(BOLD, &outcome.version), outcome.environment);
    let passed = outcome.checks.iter().filter(|check| check.verdict == chora_core::model::health::Verdict::Pass).count();
    text.push_str(&format!("  {} passed, took {}\n", count(passed, "check"), took(outcome.took_ms)));
    for gap in &outcome.gaps {
        text.push_str(&format!("  {} did not serve for {}\n", gap.service, took(gap.milliseconds)));
    }
    text.extend(in_words(&outcome.traffic).iter().map(|line| format!("  {line}\n")));
    text.push_str(&closing(outcome));
    text
}

/// What became of requests, where there is something to say.
pub(crate) fn in_words(traffic: &Traffic) -> Vec<String> {
    let mut lines = Vec::new();
    for held in traffic.held.iter().filter(|held| held.requests > 0) {
        let refused = if held.refused > 0 { format!(", {} in vain", held.refused) } else { String::new() };
        let waited = count(usize::try_from(held.requests).unwrap_or(usize::MAX), "request");
        lines.push(format!("{waited} to {} waited, at most {}{refused}", held.service, took(held.longest_wait_ms)));
    }
    lines.extend(traffic.canaries.iter().map(ToString::to_string));
    if traffic.cut + traffic.cut_sessions > 0 {
        lines.push(format!("{} requests and {} sessions of the release before were cut", traffic.cut, traffic.cut_sessions));
    }
    lines
}

fn closing(outcome: &DeployOutcome) -> String {
    format!("{} {}\n", paint(DIM, "next:"), next(&outcome.next, outcome.environment.as_str()))
}

fn dry_run(outcome: &DeployOutcome) -> String {
    let live = outcome.previous_version.as_deref().unwrap_or("nothing");
    let mut text = format!("Plan for {}: {}, live now: {live}\n", paint(BOLD, &outcome.environment), paint(BOLD, &outcome.version));
    if !outcome.first.is_empty() {
        let lines: String = outcome.first.iter().map(|line| format!("  {}\n", paint(WARN, line))).collect();
        text.push_str(&format!("\nBefore that:\n{lines}"));
    }
    if !outcome.images.is_empty() {
        text.push_str(&format!("\nImages first:\n{}", outcome.images.iter().map(|image| format!("  {image}\n")).collect::<String>()));
    }
    if !outcome.plan.services.is_empty() {
        text.push_str(&format!("\n{}", services(&outcome.plan)));
    }
    if !outcome.plan.steps.is_empty() {
        text.push_str(&format!("\n{}", steps(&outcome.plan)));
    } else if outcome.images.is_empty() {
        text.push_str("\nNothing has to change.\n");
    } else {
        text.push_str("\nThe steps are planned when these images are there.\n");
    }
    text.push_str(&format!("\nNothing was touched.\n{}", closing(outcome)));
    text
}

fn services(plan: &Plan) -> String {
    let mut table = Table::new(&["SERVICE", "CHANGE", "ROLLOUT", "WHY"]);
    for service in &plan.services {
        let style = match service.change {
            Change::Keep => DIM,
            Change::Create | Change::Run => GOOD,
            Change::Replace => WARN,
            Change::Remove => BAD,
        };
        let rollout = service.rollout.map(|rollout| rollout.to_string()).unwrap_or_default();
        let why = service.why.clone();
        table.row(vec![service.service.clone().into(), Cell::styled(style, service.change.to_string()), rollout.into(), why.into()]);
    }
    table.render()
}

fn steps(plan: &Plan) -> String {
    let mut table = Table::new(&["STEP", "PHASE", "WHAT", "WHY"]);
    for (index, step) in plan.steps.iter().enumerate() {
        let style = if step.phase == StepPhase::Switch { WARN } else { PLAIN };
        let number = format!("{:>4}", index + 1);
        table.row(vec![
            number.into(),
            Cell::styled(style, phase(step.phase)),
            step.action.to_string().into(),
            Cell::styled(DIM, step.why.clone()),
        ]);
    }
    table.render()
}

const fn phase(phase: StepPhase) -> &'static str {
    match phase {
        StepPhase::Prepare => "prepare",
        StepPhase::Start => "start",
        StepPhase::Gate => "gate",
        StepPhase::Switch => "switch",
        StepPhase::Record => "record",
        StepPhase::Retire => "retire",
        StepPhase::Prune => "prune",
    }
}
