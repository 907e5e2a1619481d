//! Candidates asked through the gateway before anybody is sent to them.

use std::time::Duration;

use chora_core::model::health::{Check, Level, Verdict};
use chora_core::plan::gateway::Route;
use chora_core::plan::{GateTarget, VerifyTarget};
use serde_json::Value;

use super::GatewayError;
use super::verify::{BUDGET, PAUSE, VerifyError, questions};
use crate::context::Context;
use crate::health::ServiceExpectations;
use crate::probe::{ProbeRequest, Question};
use crate::rollout::gate::Refusal;

/// How long the answers of a rehearsal may take.
pub(super) const REHEARSAL: Duration = Duration::from_secs(30);
/// How long one question may take.
const QUESTION: Duration = Duration::from_secs(5);

/// A release of a service that nobody is sent to (`POST /v1/rehearse`, docs/guide/gateway.md).
#[derive(Debug, serde::Serialize)]
pub(super) struct Candidate {
    service: String,
    release: Value,
    questions: Vec<ProbeRequest>,
}

/// What came of a question.
#[derive(Debug, serde::Deserialize)]
pub(super) struct Rehearsed {
    ok: bool,
    words: String,
}

/// Asks what levels 2 and 5 ask of each service that is known by one of these ports, as its users will.
pub(crate) async fn rehearse(
    cx: &Context,
    gateway: &str,
    (routes, targets): (&[Route], &[VerifyTarget]),
    expectations: &ServiceExpectations,
) -> Result<Vec<Check>, VerifyError> {
    let mut levels: Vec<(&VerifyTarget, Vec<Level>)> = Vec::new();
    let mut candidates = Vec::new();
    for target in targets {
        let Some(route) = routes.iter().find(|route| route.port == target.port && route.service == target.service) else { continue };
        let asked = questions(&expectations.of(&target.service), target);
        levels.push((target, asked.iter().map(|(level, _)| *level).collect()));
        // Where they are asked is the gateway's to say.
        let request = |probe| ProbeRequest { question: Question::Named { host: String::new(), probe: Box::new(probe) }, limit: QUESTION };
        candidates.push(Candidate {
            service: route.backend(),
            release: serde_json::json!({ "name": route.release, "addresses": route.addresses }),
            questions: asked.into_iter().map(|(_, probe)| request(probe)).collect(),
        });
    }
    let began = cx.clock.elapsed();
    loop {
        let answers = match cx.gateways.rehearse(gateway, &candidates).await {
            Ok(answers) => answers,
            Err(GatewayError::Engine(error)) => return Err(VerifyError::Engine(error)),
            // A gateway of an earlier version knows no rehearsals; what it routes is asked right after the switch.
            Err(error) if error.is_unknown() => return Ok(Vec::new()),
            Err(error) => return Err(VerifyError::Gateway(error)),
        };
        let spent = cx.clock.elapsed().saturating_sub(began);
        let checks: Vec<Check> = levels
            .iter()
            .zip(answers)
            .flat_map(|((target, levels), answers)| {
                levels.iter().zip(answers).map(|(level, answer)| check(cx, (target, *level), &answer, spent))
            })
            .collect();
        let Some(failed) = checks.iter().find(|check| check.verdict == Verdict::Fail) else { return Ok(checks) };
        if spent >= BUDGET || cx.cancel.is_cancelled() {
            let log = crate::logs::last_lines(cx, gateway).await;
            let target = GateTarget { service: failed.service.clone(), container: gateway.to_owned() };
            let interrupted = cx.cancel.is_cancelled();
            let check = failed.clone();
            let refusal = Refusal { target, check, log, out_of_time: !interrupted, budget: BUDGET, interrupted, engine: None };
            return Err(VerifyError::Refused(Box::new(refusal)));
        }
        cx.clock.sleep(PAUSE).await;
    }
}

fn check(cx: &Context, (target, level): (&VerifyTarget, Level), answer: &Rehearsed, spent: Duration) -> Check {
    Check {
        level,
        service: target.service.clone(),
        container: target.service.clone(),
        verdict: if answer.ok { Verdict::Pass } else { Verdict::Fail },
        asked: "the candidate, through the gateway".to_owned(),
        answered: cx.redactor.clean(&answer.words),
        duration_ms: super::millis(spent),
    }
}
