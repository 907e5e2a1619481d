//! Health on five levels (SPEC §6): level by level, the first failing one ends the examination of a container.

mod checks;
mod operation;

use std::time::Duration;

use chora_core::compose::Service;
use chora_core::model::health::{Check, Level, ServiceHealth, Verdict};
use chora_core::model::release::Release;
use chora_core::plan::{FileRef, GateTarget, file_targets};
use indexmap::IndexMap;

use crate::context::Context;

pub use operation::{HealthOutcome, HealthRequest, health};

/// The shortest time a single question may be given.
const SHORTEST_QUESTION: Duration = Duration::from_millis(250);
/// The longest time a single question may take, so that a hanging server is asked again.
const LONGEST_QUESTION: Duration = Duration::from_secs(5);

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
}

impl ServiceExpectations {
    /// Derives expectations from a release and the checks asked for in `chora.yaml`.
    #[must_use]
    pub fn new(release: &Release, asked: &IndexMap<String, ServiceHealth>) -> Self {
        let services = release.stack.services.iter().map(|(name, service)| {
            let files = file_targets(service, &release.files);
            let health = asked.get(name).cloned().unwrap_or_default();
            (name.clone(), Expectation { service: service.clone(), files, health })
        });
        Self { services: services.collect() }
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It may still come up.
    NotYet,
    /// It answers, and wrongly.
    Wrong,
    /// It can never pass as it is.
    Never,
    /// The engine keeps restarting it.
    Restarting(u64),
}

/// One container's checks.
#[derive(Debug, Clone)]
pub(crate) struct Examination {
    pub(crate) checks: Vec<Check>,
    pub(crate) standing: Standing,
}

impl Examination {
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
}

impl Finding {
    fn pass(asked: impl Into<String>, answered: impl Into<String>) -> Self {
        Self { verdict: Verdict::Pass, asked: asked.into(), answered: answered.into(), standing: Standing::NotYet }
    }

    fn skip(asked: impl Into<String>) -> Self {
        Self { verdict: Verdict::Skipped, asked: asked.into(), answered: "nothing to ask".into(), standing: Standing::NotYet }
    }

    fn warn(asked: impl Into<String>, answered: impl Into<String>) -> Self {
        Self { verdict: Verdict::Warning, asked: asked.into(), answered: answered.into(), standing: Standing::NotYet }
    }

    fn fail(standing: Standing, asked: impl Into<String>, answered: impl Into<String>) -> Self {
        Self { verdict: Verdict::Fail, asked: asked.into(), answered: answered.into(), standing }
    }
}

/// Asks one container on the given levels, in order, until one fails.
pub(crate) async fn examine(
    cx: &Context,
    target: &GateTarget,
    expectations: &ServiceExpectations,
    levels: &[Level],
    budget: Duration,
) -> Examination {
    let expectation = expectations.of(&target.service);
    let mut checks = Vec::new();
    let began = cx.clock.elapsed();
    let container = match cx.engine.container(&target.container).await {
        Ok(Some(container)) => container,
        Ok(None) => return gone(target, "it is not there", Standing::Never),
        Err(error) => return gone(target, &error.to_string(), Standing::NotYet),
    };
    for level in levels {
        let start = cx.clock.elapsed();
        let left = budget.saturating_sub(start.saturating_sub(began));
        let limit = (left / 2).clamp(SHORTEST_QUESTION, LONGEST_QUESTION);
        let finding = match level {
            Level::Container => checks::container(cx, &container, &expectation, limit).await,
            Level::Endpoint => checks::endpoint(cx, &container, &expectation, limit).await,
            Level::Configuration => checks::configuration(cx, &container, &expectation, limit).await,
            Level::Process => checks::process(cx, &container, &expectation).await,
            Level::Function => checks::function(cx, &container, &expectation, limit).await,
        };
        let took = cx.clock.elapsed().saturating_sub(start);
        let (verdict, standing) = (finding.verdict, finding.standing);
        checks.push(Check {
            level: *level,
            service: target.service.clone(),
            container: target.container.clone(),
            verdict,
            asked: finding.asked,
            answered: finding.answered,
            duration_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        });
        if verdict == Verdict::Fail {
            return Examination { checks, standing };
        }
    }
    Examination { checks, standing: Standing::NotYet }
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
    Examination { checks: vec![check], standing }
}
