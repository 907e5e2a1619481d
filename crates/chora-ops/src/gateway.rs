//! The door to a gateway: its control API, over a way that stays open for further calls.

mod canary;
mod certificates;
mod channel;
mod document;
mod files;
mod rehearse;
mod verify;
mod watched;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use chora_core::plan::gateway::Route;
use chora_core::ports::{Engine, EngineError};
use serde_json::{Value, json};
use tokio::sync::Mutex;

use crate::conversation::ConversationError;

pub(crate) use canary::{Side, Sides};
use channel::{Call, Channel};
pub(crate) use rehearse::rehearse;
use rehearse::{Candidate, REHEARSAL, Rehearsed};
pub(crate) use verify::{VerifyError, verify};
pub(crate) use watched::{Watch, WatchState, Watched, watch_document};

/// How long a call may take beside what it waits for.
const CALL: Duration = Duration::from_secs(20);

/// Why a gateway did not do what it was told.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum GatewayError {
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error("the gateway {container} cannot be told: {reason}")]
    Silent { container: String, reason: String },
    #[error("the gateway {container} refused: {reason}")]
    Refused { container: String, status: u16, reason: String },
}

impl GatewayError {
    /// Whether the gateway does not have what was spoken of.
    fn is_unknown(&self) -> bool {
        matches!(self, Self::Refused { status: 404 | 409, .. })
    }
}

/// Gateways by container, each with the way to it. Clones share them.
#[derive(Clone)]
pub struct Gateways {
    engine: Arc<dyn Engine>,
    open: Arc<Mutex<HashMap<String, Slot>>>,
}

/// The way to a gateway, once one is open.
type Slot = Arc<Mutex<Option<Channel>>>;

/// What became of requests that had to wait.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(default)]
pub(crate) struct Held {
    pub(crate) held: u64,
    pub(crate) refused: u64,
    pub(crate) longest_wait_ms: u64,
}

/// What became of what a release was at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Drained {
    /// Everything has ended.
    pub(crate) done: bool,
    pub(crate) cut: u64,
    pub(crate) cut_sessions: u64,
}

impl Gateways {
    /// Gateways in containers of this engine.
    #[must_use]
    pub fn new(engine: Arc<dyn Engine>) -> Self {
        Self { engine, open: Arc::default() }
    }

    /// Begins to speak with a gateway that will be told something soon: where a program is started for it, that takes longer than a call.
    pub(crate) fn prepare(&self, gateway: &str) {
        let (own, gateway) = (self.clone(), gateway.to_owned());
        tokio::spawn(async move {
            if let Err(error) = own.call(&gateway, ("GET", "/v1/state"), None, Duration::ZERO).await {
                tracing::debug!(%error, "the gateway cannot be spoken with yet");
            }
        });
    }

    /// Puts the routes in place of those that it has; gives how many requests and sessions the releases before still have.
    pub(crate) async fn route(&self, gateway: &str, routes: &[Route], drain: Duration) -> Result<u64, GatewayError> {
        let path = format!("/v1/table?drain_ms={}", drain.as_millis());
        let table = self.with_certificates(gateway, routes, document::table(routes)).await?;
        let answer = self.call(gateway, ("PUT", &path), Some(table), Duration::ZERO).await?;
        let switched = list(&answer, "switched").iter();
        Ok(switched.map(|one| number(one, "in_flight") + number(one, "sessions")).sum())
    }

    /// Lets new requests wait.
    pub(crate) async fn hold(&self, gateway: &str, backends: &[String], limit: Duration) -> Result<(), GatewayError> {
        let body = json!({ "services": backends, "limit_ms": millis(limit) });
        self.call(gateway, ("POST", "/v1/hold"), Some(body), Duration::ZERO).await.map(drop)
    }

    /// Lets them through; let through already is fine.
    pub(crate) async fn release_hold(&self, gateway: &str, backends: &[String], ready: Duration) -> Result<Held, GatewayError> {
        let body = json!({ "services": backends, "ready_ms": millis(ready) });
        match self.call(gateway, ("POST", "/v1/release-hold"), Some(body), ready).await {
            Ok(answer) => Ok(serde_json::from_value(answer).unwrap_or_default()),
            Err(error) if error.is_unknown() => Ok(Held::default()),
            Err(error) => Err(error),
        }
    }

    /// Waits until the releases that get nothing new have ended what they were at.
    pub(crate) async fn drain(&self, gateway: &str, backends: &[String], limit: Duration) -> Result<Drained, GatewayError> {
        let mut all = Drained { done: true, ..Drained::default() };
        for backend in backends {
            let path = format!("/v1/drain/{backend}?wait_ms={}", millis(limit));
            let answer = match self.call(gateway, ("GET", &path), None, limit).await {
                // A gateway that was started anew has nothing to drain.
                Err(error) if error.is_unknown() => continue,
                answer => answer?,
            };
            all.done &= answer.get("done").and_then(Value::as_bool).unwrap_or(false);
            if let Some(end) = list(&answer, "releases").last().and_then(|release| release.get("end")) {
                all.cut += number(end, "cut_in_flight");
                all.cut_sessions += number(end, "cut_sessions");
            }
        }
        Ok(all)
    }

    /// Asks candidates through the gateway; for each candidate what came of its questions.
    async fn rehearse(&self, gateway: &str, candidates: &[Candidate]) -> Result<Vec<Vec<Rehearsed>>, GatewayError> {
        let answer = self.call(gateway, ("POST", "/v1/rehearse"), Some(json!({ "candidates": candidates })), REHEARSAL).await?;
        let answers = answer.get("answers").cloned().unwrap_or_default();
        serde_json::from_value(answers).map_err(|error| GatewayError::Silent { container: gateway.to_owned(), reason: error.to_string() })
    }

    /// Watches what the document says (`POST /v1/watch`) from now on.
    pub(crate) async fn watch(&self, gateway: &str, document: Value) -> Result<(), GatewayError> {
        self.call(gateway, ("POST", "/v1/watch"), Some(document), Duration::ZERO).await.map(drop)
    }

    /// What is or was watched last.
    pub(crate) async fn watched(&self, gateway: &str) -> Result<Option<Watched>, GatewayError> {
        match self.call(gateway, ("GET", "/v1/watch"), None, Duration::ZERO).await {
            Ok(answer) => Ok(answer.get("watch").cloned().and_then(|watch| serde_json::from_value(watch).ok())),
            // A gateway of an earlier version watches nothing.
            Err(error) if error.is_unknown() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Watches nothing any more.
    pub(crate) async fn end_watch(&self, gateway: &str) -> Result<(), GatewayError> {
        match self.call(gateway, ("DELETE", "/v1/watch"), None, Duration::ZERO).await {
            Err(error) if error.is_unknown() => Ok(()),
            done => done.map(drop),
        }
    }

    /// Begins or ends maintenance.
    pub(crate) async fn maintenance(&self, gateway: &str, on: bool, message: &str, allow: &[String]) -> Result<(), GatewayError> {
        let body = json!({ "on": on, "message": message, "allow": allow });
        self.call(gateway, ("POST", "/v1/maintenance"), Some(body), Duration::ZERO).await.map(drop)
    }

    /// Whether it answers in place of the services.
    pub(crate) async fn in_maintenance(&self, gateway: &str) -> Result<bool, GatewayError> {
        let state = self.call(gateway, ("GET", "/v1/state"), None, Duration::ZERO).await?;
        Ok(state.pointer("/table/maintenance").is_some_and(|maintenance| !maintenance.is_null()))
    }

    /// A call that waits for nothing.
    async fn tell(&self, gateway: &str, call: (&str, &str), body: Option<Value>) -> Result<Value, GatewayError> {
        self.call(gateway, call, body, Duration::ZERO).await
    }

    /// Every call may be repeated, so one that met a way that had ended is made once more.
    async fn call(&self, gateway: &str, call: (&str, &str), body: Option<Value>, wait: Duration) -> Result<Value, GatewayError> {
        let slot = Arc::clone(self.open.lock().await.entry(gateway.to_owned()).or_default());
        let mut slot = slot.lock().await;
        let (method, path) = call;
        let question = Call { method, path, body: body.as_ref() };
        let silent = |error: &ConversationError| GatewayError::Silent { container: gateway.to_owned(), reason: error.to_string() };
        let said = match slot.as_mut() {
            Some(channel) => Some(channel.ask(&question, wait + CALL).await),
            None => None,
        };
        let answer = match said {
            Some(Ok(answer)) => answer,
            Some(Err(late @ ConversationError::Late { .. })) => {
                *slot = None;
                return Err(silent(&late));
            }
            // Not opened yet, or ended since.
            Some(Err(_)) | None => {
                *slot = None;
                let mut channel = Channel::open(&*self.engine, gateway).await?;
                let answer = channel.ask(&question, wait + CALL).await.map_err(|error| match error {
                    ConversationError::Engine(error) => error.into(),
                    error => silent(&error),
                })?;
                *slot = Some(channel);
                answer
            }
        };
        if answer.status == 200 {
            return Ok(answer.body);
        }
        let reason = answer.body.get("error").and_then(Value::as_str).map_or_else(|| answer.body.to_string(), str::to_owned);
        // 503 is the program's word for a gateway that does not answer it.
        Err(match answer.status {
            503 => GatewayError::Silent { container: gateway.to_owned(), reason },
            status => GatewayError::Refused { container: gateway.to_owned(), status, reason },
        })
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn number(value: &Value, key: &str) -> u64 {
    value.get(key).and_then(Value::as_u64).unwrap_or(0)
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}
