//! Candidates asked through the gateway before anybody is sent to them: on a port of its own, that only the gateway itself reaches.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};

use futures_util::future::join_all;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::super::listener::Bound;
use super::super::plane::{ChangeError, Plane};
use super::super::routes::Routes;
use super::super::service::Service;
use super::super::table::{AutoEntry, Limits, ListenerEntry, ListenerLimits, ReleaseEntry, ServiceEntry};
use super::Refused;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RehearsalRequest {
    candidates: Vec<Candidate>,
}

/// A release that nobody is sent to.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Candidate {
    service: String,
    release: ReleaseEntry,
    questions: Vec<Value>,
}

/// Asks all candidates at once; for each what came of its questions.
pub(super) async fn rehearse(plane: &Plane, request: RehearsalRequest) -> Result<Value, Refused> {
    let answers = join_all(request.candidates.iter().map(|candidate| ask(plane, candidate))).await;
    Ok(json!({ "answers": answers.into_iter().collect::<Result<Vec<_>, _>>()? }))
}

async fn ask(plane: &Plane, candidate: &Candidate) -> Result<Vec<Value>, Refused> {
    let Candidate { service: name, release, questions } = candidate;
    release.check().map_err(ChangeError::BadRelease)?;
    // As users will have it: with the limits that the service has.
    let limits = plane.service(name).map_or_else(|_| Limits::default(), |live| live.limits());
    let service = Service::new(name, &ServiceEntry { active: release.clone(), canary: None, draining: Vec::new(), limits, drain_ms: None });
    let bind = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let auto = Some(AutoEntry { service: name.clone(), behind_proxy: false, h2c: false });
    let entry = ListenerEntry { bind, http: None, tcp: None, auto, tls: None, limits: ListenerLimits::default() };
    let bound = Bound::new(&entry).await.map_err(|source| ChangeError::Bind { bind, source })?;
    let services = BTreeMap::from([(name.clone(), service)]);
    let routes = Routes::new((&entry, None), &services, (None, plane.challenges())).ok_or_else(|| ChangeError::NoService(name.clone()))?;
    // Whoever waits for the end of connections does not wait for these.
    let (open, _nobody) = mpsc::channel(1);
    let stop = CancellationToken::new();
    let _stopped = stop.clone().drop_guard();
    let listener = bound.serve(routes, &plane.shards, stop, open);
    let mut answers = Vec::with_capacity(questions.len());
    for question in questions {
        let answer = (plane.ask)(question.clone(), Some(listener.local)).await;
        let (ok, words) = answer.map_or_else(|words| (false, words), |words| (true, words));
        answers.push(json!({ "ok": ok, "words": words }));
    }
    Ok(answers)
}
