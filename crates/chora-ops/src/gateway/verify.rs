//! Services asked where users ask: at the gateway.

use std::time::Duration;

use chora_core::model::health::{Check, FunctionCheck, HttpProbe, Level, McpProbe, McpTransport, Probe, ProbeVerdict, Verdict};
use chora_core::plan::{GateTarget, VerifyTarget};
use chora_core::ports::EngineError;

use super::GatewayError;
use crate::context::Context;
use crate::health::{Expectation, ServiceExpectations};
use crate::rollout::gate::Refusal;

/// How long services that passed their gate may take to answer through the gateway.
pub(super) const BUDGET: Duration = Duration::from_secs(10);
/// The pause between two questions.
pub(super) const PAUSE: Duration = Duration::from_millis(50);
/// How long one question may take.
const QUESTION: Duration = Duration::from_secs(5);

/// Asks what levels 2 and 5 ask of each service that is known by one of these ports.
pub(crate) async fn verify(
    cx: &Context,
    gateway: &str,
    targets: &[VerifyTarget],
    expectations: &ServiceExpectations,
) -> Result<Vec<Check>, VerifyError> {
    let mut checks = Vec::new();
    // Then nobody gets anything but its page. What does not answer is told by the questions.
    if cx.gateways.in_maintenance(gateway).await.unwrap_or(false) {
        return Ok(checks);
    }
    for target in targets {
        for (level, probe) in questions(&expectations.of(&target.service), target) {
            checks.push(ask(cx, gateway, (target, level), &probe).await?);
        }
    }
    Ok(checks)
}

/// Why a service is not verified.
#[derive(Debug)]
pub(crate) enum VerifyError {
    Engine(EngineError),
    Gateway(GatewayError),
    Refused(Box<Refusal>),
}

async fn ask(cx: &Context, gateway: &str, about: (&VerifyTarget, Level), probe: &Probe) -> Result<Check, VerifyError> {
    let (target, level) = about;
    let began = cx.clock.elapsed();
    loop {
        let container = cx.engine.container(gateway).await.map_err(VerifyError::Engine)?;
        let container =
            container.ok_or_else(|| VerifyError::Engine(EngineError::NotFound { what: format!("the gateway's container `{gateway}`") }))?;
        let answer = cx.prober.probe(&container, probe, QUESTION).await;
        let verdict = match answer.verdict {
            ProbeVerdict::Pass => Verdict::Pass,
            ProbeVerdict::Degraded => Verdict::Warning,
            ProbeVerdict::NoAnswer | ProbeVerdict::WrongAnswer | ProbeVerdict::Refused => Verdict::Fail,
        };
        let spent = cx.clock.elapsed().saturating_sub(began);
        let check = Check {
            level,
            service: target.service.clone(),
            container: gateway.to_owned(),
            verdict,
            asked: cx.redactor.clean(&format!("{}, through the gateway", answer.asked)),
            answered: cx.redactor.clean(&answer.answered),
            duration_ms: u64::try_from(spent.as_millis()).unwrap_or(u64::MAX),
        };
        if verdict != Verdict::Fail {
            return Ok(check);
        }
        if spent >= BUDGET || cx.cancel.is_cancelled() {
            let log = crate::logs::last_lines(cx, gateway).await;
            let target = GateTarget { service: target.service.clone(), container: gateway.to_owned() };
            let interrupted = cx.cancel.is_cancelled();
            let refusal = Refusal { target, check, log, out_of_time: !interrupted, budget: BUDGET, interrupted, engine: None };
            return Err(VerifyError::Refused(Box::new(refusal)));
        }
        cx.clock.sleep(PAUSE).await;
    }
}

/// What is asked of a service through one of the gateway's ports.
pub(super) fn questions(expectation: &Expectation, target: &VerifyTarget) -> Vec<(Level, Probe)> {
    let first = expectation.service.ports.first().map(|port| port.target);
    let is_it = |port: u16| port == target.target || port == 0 && first == Some(target.target);
    let endpoint = match &expectation.health.endpoint {
        Some(Probe::Http(http)) if is_it(http.port) => Some(Probe::Http(HttpProbe { port: target.port, ..http.clone() })),
        _ => Some(Probe::Tcp { port: target.port }),
    };
    let function = match &expectation.health.function {
        Some(FunctionCheck::Probe(probe)) => match probe.as_ref() {
            // A token stays with the containers that it is for; their gate has asked with it.
            Probe::Mcp(_) if expectation.token_file.is_some() => None,
            Probe::Mcp(mcp) if mcp.transport != McpTransport::Stdio && is_it(mcp.port) => {
                Some(Probe::Mcp(McpProbe { port: target.port, ..mcp.clone() }))
            }
            Probe::Http(http) if is_it(http.port) => Some(Probe::Http(HttpProbe { port: target.port, ..http.clone() })),
            _ => None,
        },
        _ => None,
    };
    let endpoint = endpoint.into_iter().map(|probe| (Level::Endpoint, probe));
    endpoint.chain(function.map(|probe| (Level::Function, probe))).collect()
}
