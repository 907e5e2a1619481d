//! Releases under watch: what the gateway is told to ask, and what it tells.

use std::time::Duration;

use chora_core::model::environment::WatchRules;
use chora_core::model::health::{McpProbe, Probe};
use chora_core::model::ids::DeploymentId;
use chora_core::plan::VerifyTarget;
use chora_core::plan::gateway::Route;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::verify::questions;
use crate::health::ServiceExpectations;
use crate::probe::{ProbeRequest, Question};

/// How long one question may take.
const QUESTION: Duration = Duration::from_secs(4);

/// What a gateway tells of a watch.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
pub(crate) struct Watched {
    /// The deployment.
    pub(crate) name: String,
    until_ms: i64,
    end: Option<End>,
}

#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
struct End {
    state: String,
    at_ms: i64,
    why: String,
}

/// How it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum WatchState {
    /// Until then.
    Watching(Timestamp),
    /// Nothing failed for good.
    Passed,
    /// The release before serves again.
    SwitchedBack { at: Timestamp, why: String },
}

impl Watched {
    pub(crate) fn state(&self) -> WatchState {
        match &self.end {
            None => WatchState::Watching(timestamp(self.until_ms)),
            Some(End { state, at_ms, why }) if state == "switched_back" => {
                WatchState::SwitchedBack { at: timestamp(*at_ms), why: why.clone() }
            }
            Some(_) => WatchState::Passed,
        }
    }
}

fn timestamp(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(ms).unwrap_or_default()
}

/// What is watched, and for how long.
pub(crate) struct Watch<'a> {
    pub(crate) deployment: &'a DeploymentId,
    pub(crate) until: Timestamp,
    pub(crate) drain: Duration,
    pub(crate) rules: WatchRules,
    pub(crate) routes: &'a [Route],
    pub(crate) back: &'a [Route],
}

/// The document of `POST /v1/watch` (docs/guide/gateway.md). The release before is asked the same, but for its contract: the new
/// release may have another one.
pub(crate) fn watch_document(watch: &Watch<'_>, expectations: &ServiceExpectations) -> Value {
    let back: Map<String, Value> =
        watch.back.iter().map(|route| (route.backend(), json!({ "name": route.release, "addresses": route.addresses }))).collect();
    json!({
        "name": watch.deployment,
        "until_ms": watch.until.as_millisecond(),
        "drain_ms": super::millis(watch.drain),
        "back": back,
        "questions": asked(watch.routes, expectations, true),
        "back_questions": asked(watch.back, expectations, false),
        "every_ms": watch.rules.every_ms,
        "failures": watch.rules.failures,
        "errors": watch.rules.errors,
    })
}

/// What levels 2 and 5 ask each container, without the call that may cost or change something.
fn asked(routes: &[Route], expectations: &ServiceExpectations, contracts: bool) -> Vec<ProbeRequest> {
    let mut requests = Vec::new();
    for route in routes {
        for (host, port) in route.addresses.iter().filter_map(|address| address.rsplit_once(':')) {
            let Ok(port) = port.parse() else { continue };
            let target = VerifyTarget { service: route.service.clone(), target: port, port };
            for (_, probe) in questions(&expectations.of(&route.service), &target) {
                let probe = match probe {
                    Probe::Mcp(mcp) => {
                        let contract = mcp.contract.clone().filter(|_| contracts);
                        Probe::Mcp(McpProbe { call: None, contract, ..mcp })
                    }
                    probe => probe,
                };
                requests
                    .push(ProbeRequest { question: Question::Named { host: host.to_owned(), probe: Box::new(probe) }, limit: QUESTION });
            }
        }
    }
    requests
}
