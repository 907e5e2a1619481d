//! Health on five levels (SPEC §6): level by level, the first failing one ends the examination of a container.

mod bridged;
mod checks;
mod operation;

use std::time::Duration;

use chora_core::compose::Service;
use chora_core::model::container::{Container, ContainerState};
use chora_core::model::health::{Check, FunctionCheck, Level, McpTransport, Probe, ServiceHealth, Verdict};
use chora_core::model::release::Release;
use chora_core::plan::{FileRef, GateTarget, file_targets};
use chora_core::ports::EngineError;
use futures_util::future::join_all;
use indexmap::IndexMap;
use jiff::Timestamp;

use crate::context::Context;

pub(crate) use bridged::{mcp_under_bridge, under_bridge, with_token};
pub use operation::{HealthOutcome, HealthRequest, health};

/// The shortest time a single question may be given.
const SHORTEST_QUESTION: Duration = Duration::from_millis(250);
/// A question that was given less and not answered says little.
const ENOUGH: Duration = Duration::from_secs(1);
/// The longest time a single question may take, so that a hanging server is asked again.
const LONGEST_QUESTION: Duration = Duration::from_secs(5);
/// The same where a server has to be started to be asked.
const LONGEST_START: Duration = Duration::from_secs(30);

/// What services are expected to be, to hold and to answer.
#[derive(Debug, Clone, Default)]
pub struct ServiceExpectations {
    services: IndexMap<String, Expectation>,
}

/// What one service is expected to be.
#[derive(Debug, Clone, Default)]
pub(crate) struct Expectation {
    pub(crate) service: Service,
    pub(crate) files: Vec<FileRef>,
    pub(crate) health: ServiceHealth,
    /// The file in its containers with the token that their bridge asks for.
    pub(crate) token_file: Option<String>,
}

impl Expectation {
    /// Whether level 5 starts a server of its own.
    fn starts_a_server(&self) -> bool {
        let Some(FunctionCheck::Probe(probe)) = &self.health.function else { return false };
        matches!(probe.as_ref(), Probe::Mcp(mcp) if mcp.transport == McpTransport::Stdio)
    }
}

impl ServiceExpectations {
    /// Derives expectations from a release and the checks asked for in `chora.yaml`.
    #[must_use]
    pub fn new(release: &Release, asked: &IndexMap<String, ServiceHealth>) -> Self {
        let services = release.stack.services.iter().map(|(name, service)| {
            let files = file_targets(service, &release.files);
            let mut health = asked.get(name).cloned().unwrap_or_default();
            let bridge = release.bridges.get(name);
            if let Some(bridge) = bridge {
                health = under_bridge(health, bridge);
            }
            let token_file = bridge.and_then(|bridge| bridge.token_file.clone());
            (name.clone(), Expectation { service: service.clone(), files, health, token_file })
        });
        Self { services: services.collect() }
    }

    /// What one service alone is expected to be.
    pub(crate) fn of_one(name: &str, expectation: Expectation) -> Self {
        Self { services: IndexMap::from([(name.to_owned(), expectation)]) }
    }

    pub(crate) fn of(&self, service: &str) -> Expectation {
        self.services.get(service).cloned().unwrap_or_default()
    }

    /// The `start_period` of a service's health check.
    pub(crate) fn start_period(&self, service: &str) -> Option<Duration> {
        self.services.get(service)?.service.healthcheck.as_ref()?.start_period.map(|period| period.0)
    }
}

/// Whether a failed examination may turn out better when repeated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It may still come up.
    NotYet,
    /// It answers, and wrongly.
    Wrong,
    /// It can never pass as it is.
    Never,
    /// The engine does not answer.
    Unknown(EngineError),
}

/// One container's checks.
#[derive(Debug, Clone)]
pub(crate) struct Examination {
    pub(crate) checks: Vec<Check>,
    pub(crate) standing: Standing,
    /// The container's present run; absent where there is none.
    pub(crate) seen: Option<Seen>,
    /// What failed was not asked for as long as it may take: the budget ran out meanwhile.
    pub(crate) cut_short: bool,
}

/// What an examination saw beside its checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) started_at: Option<Timestamp>,
    pub(crate) restarts: u64,
    /// The service itself has answered: its HEALTHCHECK, an endpoint, or the check of its function.
    pub(crate) proven: bool,
}

impl Examination {
    /// What is known already, nothing asked.
    pub(crate) fn of(checks: impl IntoIterator<Item = Check>) -> Self {
        Self { checks: checks.into_iter().collect(), standing: Standing::NotYet, seen: None, cut_short: false }
    }

    pub(crate) fn failure(&self) -> Option<&Check> {
        crate::rollout::gate::failed(&self.checks)
    }
}

/// One level's verdict before it becomes a check.
#[derive(Debug)]
pub(crate) struct Finding {
    verdict: Verdict,
    asked: String,
    answered: String,
    standing: Standing,
    proves: bool,
}

impl Finding {
    fn pass(asked: impl Into<String>, answered: impl Into<String>) -> Self {
        Self { verdict: Verdict::Pass, asked: asked.into(), answered: answered.into(), standing: Standing::NotYet, proves: false }
    }

    fn skip(asked: impl Into<String>) -> Self {
        Self {
            verdict: Verdict::Skipped,
            asked: asked.into(),
            answered: "nothing to ask".into(),
            standing: Standing::NotYet,
            proves: false,
        }
    }

    fn warn(asked: impl Into<String>, answered: impl Into<String>) -> Self {
        Self { verdict: Verdict::Warning, asked: asked.into(), answered: answered.into(), standing: Standing::NotYet, proves: false }
    }

    fn fail(standing: Standing, asked: impl Into<String>, answered: impl Into<String>) -> Self {
        Self { verdict: Verdict::Fail, asked: asked.into(), answered: answered.into(), standing, proves: false }
    }

    /// The service itself has answered.
    fn proving(self) -> Self {
        Self { proves: true, ..self }
    }
}

/// Asks one container on the given levels; what comes after the first that fails is not told.
///
/// The first four levels only look and are asked at once. The last may let the service do something: it has to be healthy for
/// that.
pub(crate) async fn examine(
    cx: &Context,
    target: &GateTarget,
    expectations: &ServiceExpectations,
    levels: &[Level],
    budget: Duration,
) -> Examination {
    let began = cx.clock.elapsed();
    let container = match cx.engine.container(&target.container).await {
        Ok(Some(container)) => container,
        Ok(None) => return gone(target, "it is not there", Standing::Never),
        Err(error @ EngineError::Unreachable { .. }) => return gone(target, &error.to_string(), Standing::Unknown(error)),
        Err(error) => return gone(target, &error.to_string(), Standing::NotYet),
    };
    let subject = Subject { target, container: &container, expectation: &expectations.of(&target.service), began, budget };
    let (looks, works): (Vec<Level>, Vec<Level>) = levels.iter().partition(|level| **level < Level::Function);
    let answers = container.state == ContainerState::Running || !looks.contains(&Level::Container);
    let looks = if answers { looks } else { vec![Level::Container] };
    let mut seen = Seen { started_at: container.started_at, restarts: container.restarts, proven: false };
    let mut checks = Vec::new();
    for levels in [looks, works] {
        let mut answers = join_all(levels.into_iter().map(|level| subject.ask(cx, level))).await;
        subject.ask_again(cx, &mut answers).await;
        for answer in answers {
            seen.proven |= answer.proves;
            checks.push(answer.check);
            if checks.last().is_some_and(|check| check.verdict == Verdict::Fail) {
                return Examination { checks, standing: answer.standing, seen: Some(seen), cut_short: answer.cut_short };
            }
        }
    }
    Examination { checks, standing: Standing::NotYet, seen: Some(seen), cut_short: false }
}

/// A container under examination.
struct Subject<'a> {
    target: &'a GateTarget,
    container: &'a Container,
    expectation: &'a Expectation,
    began: Duration,
    budget: Duration,
}

/// What came of one level.
struct Answer {
    check: Check,
    standing: Standing,
    proves: bool,
    cut_short: bool,
}

impl Subject<'_> {
    /// What did not accept connections while slower questions were asked may do so by now: without this, all of them would be
    /// asked again for it.
    async fn ask_again(&self, cx: &Context, answers: &mut [Answer]) {
        let slowest = answers.iter().map(|answer| answer.check.duration_ms).max().unwrap_or_default();
        for answer in answers.iter_mut() {
            let Check { level, verdict, duration_ms, .. } = answer.check;
            let may_be_there = level == Level::Endpoint && verdict == Verdict::Fail && answer.standing == Standing::NotYet;
            if may_be_there && duration_ms < slowest {
                *answer = self.ask(cx, level).await;
            }
        }
    }

    async fn ask(&self, cx: &Context, level: Level) -> Answer {
        let (container, expectation) = (self.container, self.expectation);
        let start = cx.clock.elapsed();
        let left = self.budget.saturating_sub(start.saturating_sub(self.began));
        let longest = if level == Level::Function && expectation.starts_a_server() { LONGEST_START } else { LONGEST_QUESTION };
        let limit = (left / 2).clamp(SHORTEST_QUESTION, longest);
        let finding = match level {
            Level::Container => checks::container(cx, container, expectation, limit).await,
            Level::Endpoint => checks::endpoint(cx, container, expectation, limit).await,
            Level::Configuration => checks::configuration(cx, container, expectation, limit).await,
            Level::Process => checks::process(cx, container, expectation).await,
            Level::Function => checks::function(cx, container, expectation, limit).await,
        };
        let took = cx.clock.elapsed().saturating_sub(start);
        let check = Check {
            level,
            service: self.target.service.clone(),
            container: self.target.container.clone(),
            verdict: finding.verdict,
            asked: cx.redactor.clean(&finding.asked),
            answered: cx.redactor.clean(&finding.answered),
            duration_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        };
        Answer { check, standing: finding.standing, proves: finding.proves, cut_short: limit < ENOUGH && took >= limit }
    }
}

fn gone(target: &GateTarget, answered: &str, standing: Standing) -> Examination {
    let check = Check {
        level: Level::Container,
        service: target.service.clone(),
        container: target.container.clone(),
        verdict: Verdict::Fail,
        asked: "engine state".to_owned(),
        answered: answered.to_owned(),
        duration_ms: 0,
    };
    Examination { checks: vec![check], standing, seen: None, cut_short: false }
}
