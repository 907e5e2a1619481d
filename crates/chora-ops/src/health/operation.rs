//! The `health` operation: what runs in an environment, asked on five levels.

use chora_core::model::container::ContainerFilter;
use chora_core::model::health::{Check, Level, Verdict};
use chora_core::model::ids::EnvironmentName;
use chora_core::plan::{GateTarget, ObservedContainer, labels};
use indexmap::IndexMap;

use super::examine;
use crate::context::Context;
use crate::failure::{Failure, FailureKind};
use crate::project::{Project, Selection, load};
use crate::release;

/// Time that one container's examination may take; half of it is for a server that has to be started to be asked.
const BUDGET: std::time::Duration = std::time::Duration::from_secs(60);

/// What to check.
#[derive(Debug, Clone, Default, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct HealthRequest {
    /// Environment; `production` unless named.
    pub environment: Option<String>,
    /// Services; all unless named.
    pub services: Vec<String>,
    /// Only this level, 1–5.
    pub level: Option<u8>,
}

/// What was found.
#[derive(Debug, Clone, serde::Serialize, schemars::JsonSchema)]
pub struct HealthOutcome {
    /// No check failed.
    pub ok: bool,
    /// Environment.
    pub environment: EnvironmentName,
    /// Version that is live.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The lowest level that failed, the exit code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_failing_level: Option<u8>,
    /// Checks by service and level.
    pub checks: Vec<Check>,
    /// The next command.
    pub next: String,
}

/// Checks what runs in an environment.
///
/// # Errors
/// Not found when nothing is deployed there, or a service is not known; unavailable when the engine does not answer.
pub async fn health(cx: &Context, request: &HealthRequest) -> Result<HealthOutcome, Failure> {
    let selection = Selection { environment: request.environment.clone() };
    let project = load(cx, &selection)?;
    let levels = levels(request.level)?;
    let environment = project.environment.name.clone();
    let Some(live) = release::live(cx, &environment).await? else {
        let failure = Failure::new(FailureKind::NotFound, format!("nothing is deployed in {environment}"));
        return Err(failure.hint(format!("`chora deploy --env {environment}`")));
    };
    if let Some(unknown) = request.services.iter().find(|name| !live.stack.services.contains_key(*name)) {
        let known: Vec<&str> = live.stack.services.keys().map(String::as_str).collect();
        let failure = Failure::new(FailureKind::NotFound, format!("no service `{unknown}` in release {}", live.version));
        return Err(failure.hint(format!("its services are {}", known.join(", "))));
    }
    crate::redactor::learn(cx, &project.stack).await;
    let expectations = project.expectations(&live);
    let targets = targets(cx, &project, &live, &request.services).await?;
    let examinations = targets.iter().map(|target| examine(cx, target, &expectations, &levels, BUDGET));
    let mut checks: Vec<Check> =
        futures_util::future::join_all(examinations).await.into_iter().flat_map(|examination| examination.checks).collect();
    checks.extend(absent(&targets, &live, &request.services));
    checks.iter_mut().filter(|check| expectations.of(&check.service).health.dispensable).for_each(forgive);
    Ok(outcome(environment, live.version, checks))
}

/// The others can do without the service.
fn forgive(check: &mut Check) {
    if check.verdict == Verdict::Fail {
        check.verdict = Verdict::Warning;
        check.answered += "; the others can do without it";
    }
}

fn outcome(environment: EnvironmentName, version: String, checks: Vec<Check>) -> HealthOutcome {
    let failing = checks.iter().filter(|check| check.verdict == Verdict::Fail).map(|check| check.level.number()).min();
    let next = failing.map_or("chora status", |_| "chora logs").to_owned();
    HealthOutcome { ok: failing.is_none(), environment, version: Some(version), first_failing_level: failing, checks, next }
}

fn levels(only: Option<u8>) -> Result<Vec<Level>, Failure> {
    let Some(number) = only else { return Ok(Level::ALL.to_vec()) };
    let level = Level::ALL.into_iter().find(|level| level.number() == number);
    level
        .map(|level| vec![level])
        .ok_or_else(|| Failure::new(FailureKind::Invalid, format!("there is no level {number}")).hint("levels are 1 to 5"))
}

/// The containers that make up the live release, one-shot services left out.
async fn targets(
    cx: &Context,
    project: &Project,
    live: &chora_core::model::release::Release,
    services: &[String],
) -> Result<Vec<GateTarget>, Failure> {
    let filter = ContainerFilter { labels: IndexMap::from([(labels::PROJECT.to_owned(), project.environment.project.clone())]), all: true };
    let containers = cx.engine.containers(&filter).await?;
    let mut targets = Vec::new();
    for container in containers.iter().filter_map(ObservedContainer::from_summary) {
        let wanted = services.is_empty() || services.contains(&container.service);
        let current = live.fingerprints.get(&container.service) == container.fingerprint.as_ref();
        let one_shot = chora_core::plan::is_one_shot(&live.stack, &container.service);
        if wanted && current && !one_shot && (container.is_up() || newest_of(&containers, &container)) {
            targets.push(GateTarget { service: container.service, container: container.name });
        }
    }
    targets.sort_by(|a, b| (&a.service, &a.container).cmp(&(&b.service, &b.container)));
    Ok(targets)
}

/// A stopped container counts when no running one stands for its service and number: then it is the one that failed.
fn newest_of(all: &[chora_core::model::container::ContainerSummary], stopped: &ObservedContainer) -> bool {
    let same = all
        .iter()
        .filter_map(ObservedContainer::from_summary)
        .filter(|other| other.service == stopped.service && other.number == stopped.number && other.fingerprint == stopped.fingerprint);
    let mut newest = true;
    for other in same {
        newest &= !other.is_up() && other.deployment <= stopped.deployment;
    }
    newest
}

/// Services of the live release without any container.
fn absent(targets: &[GateTarget], live: &chora_core::model::release::Release, services: &[String]) -> Vec<Check> {
    let missing = live.stack.services.keys().filter(|name| {
        let wanted = services.is_empty() || services.contains(name);
        wanted && !chora_core::plan::is_one_shot(&live.stack, name) && targets.iter().all(|target| &target.service != *name)
    });
    let check = |name: &String| Check {
        level: Level::Container,
        service: name.clone(),
        container: String::new(),
        verdict: Verdict::Fail,
        asked: "engine state".to_owned(),
        answered: "it has no container".to_owned(),
        duration_ms: 0,
    };
    missing.map(check).collect()
}
