//! The five levels' questions.

use std::time::Duration;

use chora_core::inspection::without_secrets;
use chora_core::model::container::{Container, ContainerState, EngineHealth, ExecSpec};
use chora_core::model::digest::Digest;
use chora_core::model::health::{FunctionCheck, McpProbe, McpTransport, Probe, ProbeAnswer, ProbeVerdict};

use super::{Expectation, Finding, Standing};
use crate::context::Context;

/// Restarts by the engine that say nothing yet.
const RESTARTS_FORGIVEN: u32 = 2;
/// What is wrong with a job that is asked as a server.
const NOBODY_WAITS: &str = "; a server keeps running, and nothing waits for it as a job: let a service depend on it with \
                            `condition: service_completed_successfully`, or give it a profile";
/// The largest config or secret that is compared, in bytes.
const LARGEST_FILE: usize = 4 << 20;

/// Level 1: is it running, and healthy where it has a HEALTHCHECK? The check's own test is run at once: the engine's
/// verdict would only come after its interval.
pub(super) async fn container(cx: &Context, container: &Container, expectation: &Expectation, limit: Duration) -> Finding {
    let asked = "engine state";
    let restarts = container.restarts;
    match container.state {
        ContainerState::Running if too_many(restarts, expectation) => {
            return Finding::fail(Standing::Never, asked, format!("running after {restarts} restarts"));
        }
        ContainerState::Running => {}
        ContainerState::Restarting => {
            let standing = if too_many(restarts, expectation) { Standing::Never } else { Standing::NotYet };
            return Finding::fail(standing, asked, format!("{}, {restarts} restarts", ended(container)));
        }
        ContainerState::Created => return Finding::fail(Standing::NotYet, asked, created(container)),
        ContainerState::Exited | ContainerState::Dead | ContainerState::Removing | ContainerState::Paused => {
            let advice = if came_to_its_end(container, expectation) { NOBODY_WAITS } else { "" };
            return Finding::fail(Standing::Never, asked, format!("{}{advice}", ended(container)));
        }
    }
    if let Some(finding) = too_young(cx, container, expectation.health.stable_for, asked) {
        return finding;
    }
    let Some(command) = healthcheck(&container.healthcheck) else {
        return Finding::pass(asked, format!("running, {restarts} restarts"));
    };
    let asked = format!("HEALTHCHECK {}", without_secrets(&command.join(" ")));
    let limit = expectation.service.healthcheck.as_ref().and_then(|check| check.timeout).map_or(limit, |own| own.0.min(limit));
    match exec(cx, container, command, limit).await {
        Ok((0, _)) => Finding::pass(asked, format!("exit code 0, {}", verdict_of_engine(container))).proving(),
        Ok((code, output)) => {
            Finding::fail(Standing::NotYet, asked, format!("exit code {code}: {}, {}", first_line(&output), verdict_of_engine(container)))
        }
        Err(reason) => Finding::fail(Standing::NotYet, asked, reason),
    }
}

/// A program that did its work and is not to be started again: a job.
fn came_to_its_end(container: &Container, expectation: &Expectation) -> bool {
    let restarts = expectation.service.restart.as_deref().is_some_and(|policy| policy != "no");
    container.state == ContainerState::Exited && container.exit_code == Some(0) && !restarts
}

/// Whether it was restarted too often to be asked again.
fn too_many(restarts: u64, expectation: &Expectation) -> bool {
    restarts > u64::from(expectation.health.restarts_allowed.max(RESTARTS_FORGIVEN))
}

/// Fails while it has not been running for as long as asked.
fn too_young(cx: &Context, container: &Container, wanted: Option<Duration>, asked: &str) -> Option<Finding> {
    let wanted = wanted?;
    let since = container.started_at?;
    // A start that is yet to come was told by another clock, or by this one before it was set back: it says nothing.
    let up: Duration = cx.clock.now().duration_since(since).try_into().ok()?;
    (up < wanted).then(|| Finding::fail(Standing::NotYet, asked, format!("up {} s of the {} s asked for", up.as_secs(), wanted.as_secs())))
}

fn created(container: &Container) -> String {
    if container.error.is_empty() { "not started".to_owned() } else { container.error.clone() }
}

fn ended(container: &Container) -> String {
    let state = serde_json::to_string(&container.state).unwrap_or_default();
    let code = container.exit_code.map_or_else(String::new, |code| format!(" with exit code {code}"));
    let memory = if container.oom_killed { ", killed for memory" } else { "" };
    let error = if container.error.is_empty() { String::new() } else { format!(": {}", container.error) };
    format!("{}{code}{memory}{error}", state.trim_matches('"'))
}

/// The argument vector of a health check's test; `None` where there is none.
fn healthcheck(test: &[String]) -> Option<Vec<String>> {
    match test.split_first() {
        Some((kind, rest)) if kind == "CMD" && !rest.is_empty() => Some(rest.to_vec()),
        Some((kind, rest)) if kind == "CMD-SHELL" => Some(vec!["/bin/sh".to_owned(), "-c".to_owned(), rest.join(" ")]),
        _ => None,
    }
}

fn verdict_of_engine(container: &Container) -> &'static str {
    match container.health {
        EngineHealth::None => "engine has no verdict",
        EngineHealth::Starting => "engine says starting",
        EngineHealth::Healthy => "engine says healthy",
        EngineHealth::Unhealthy => "engine says unhealthy",
    }
}

async fn exec(cx: &Context, container: &Container, command: Vec<String>, limit: Duration) -> Result<(i64, String), String> {
    let spec = ExecSpec { command, ..ExecSpec::default() };
    let outcome = cx.engine.exec(container.id.as_str(), &spec, limit).await.map_err(|error| error.to_string())?;
    Ok((outcome.exit_code, outcome.output))
}

fn first_line(text: &str) -> String {
    let line = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("no output");
    line.chars().take(200).collect()
}

/// Level 2: does it accept traffic?
pub(super) async fn endpoint(cx: &Context, container: &Container, expectation: &Expectation, limit: Duration) -> Finding {
    let probe = expectation.health.endpoint.clone().or_else(|| default_port(container, expectation).map(|port| Probe::Tcp { port }));
    match probe {
        Some(probe) => from_answer(cx.prober.probe(container, &probe, limit).await),
        None => Finding::skip("no port published or exposed"),
    }
}

/// The first TCP port that the file publishes or exposes, else the image.
fn default_port(container: &Container, expectation: &Expectation) -> Option<u16> {
    let published = expectation
        .service
        .ports
        .iter()
        .filter(|port| port.protocol.as_deref().is_none_or(|protocol| protocol == "tcp"))
        .map(|port| port.target);
    let tcp = |text: &String| {
        let (port, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
        if protocol == "tcp" { port.parse().ok() } else { None }
    };
    // What the image says is no promise of a service that is asked over its standard streams.
    let exposed = container.exposed.iter().filter(|_| !expectation.starts_a_server());
    published.chain(expectation.service.expose.iter().filter_map(tcp)).chain(exposed.filter_map(tcp)).next()
}

fn from_answer(answer: ProbeAnswer) -> Finding {
    let ProbeAnswer { verdict, asked, answered, .. } = answer;
    match verdict {
        ProbeVerdict::Pass => Finding::pass(asked, answered).proving(),
        ProbeVerdict::Degraded => Finding::warn(asked, answered).proving(),
        ProbeVerdict::NoAnswer => Finding::fail(Standing::NotYet, asked, answered),
        ProbeVerdict::WrongAnswer => Finding::fail(Standing::Wrong, asked, answered),
        ProbeVerdict::Refused => Finding::fail(Standing::Never, asked, answered),
    }
}

/// Level 3: is what it was given what it should have?
pub(super) async fn configuration(cx: &Context, container: &Container, expectation: &Expectation, limit: Duration) -> Finding {
    let health = &expectation.health;
    let mut done = Vec::new();
    for file in &expectation.files {
        let asked = format!("{} has the released content", file.path);
        match cx.engine.read_file(container.id.as_str(), &file.path, LARGEST_FILE).await {
            Ok(Some(bytes)) if Digest::of(&bytes) == file.digest => {}
            Ok(Some(_)) => return Finding::fail(Standing::Never, asked, "its content differs"),
            Ok(None) => return Finding::fail(Standing::Never, asked, "it is not there"),
            Err(error) => return Finding::fail(Standing::NotYet, asked, error.to_string()),
        }
    }
    if !expectation.files.is_empty() {
        let count = expectation.files.len();
        done.push(if count == 1 {
            "1 file with the released content".to_owned()
        } else {
            format!("{count} files with the released content")
        });
    }
    for name in &health.required_variables {
        let set = container
            .environment
            .expose()
            .iter()
            .any(|entry| entry.split_once('=').is_some_and(|(key, value)| key == name && !value.is_empty()));
        if !set {
            return Finding::fail(Standing::Never, format!("variable {name} is set"), "it is not set, or empty");
        }
    }
    if !health.required_variables.is_empty() {
        done.push(format!("{} variables set", health.required_variables.len()));
    }
    if !health.configuration_command.is_empty() {
        let asked = health.configuration_command.join(" ");
        match exec(cx, container, health.configuration_command.clone(), limit).await {
            Ok((0, _)) => done.push(format!("{asked}: exit code 0")),
            Ok((code, output)) => return Finding::fail(Standing::Wrong, asked, format!("exit code {code}: {}", first_line(&output))),
            Err(reason) => return Finding::fail(Standing::NotYet, asked, reason),
        }
    }
    if done.is_empty() {
        Finding::skip("no configs, secrets or required variables")
    } else {
        Finding::pass("configuration as released", done.join(", "))
    }
}

/// Level 4: is the right process alive and stable? Absent is a warning unless asked otherwise.
pub(super) async fn process(cx: &Context, container: &Container, expectation: &Expectation) -> Finding {
    let uptime = container.started_at.map_or_else(String::new, |since| {
        let seconds = cx.clock.now().duration_since(since).as_secs().max(0);
        format!(", up {seconds} s")
    });
    if let Some(finding) = too_young(cx, container, expectation.health.process_uptime, "main process") {
        return finding;
    }
    let Some(name) = &expectation.health.process else {
        let asked = "main process";
        return if container.pid > 0 {
            Finding::pass(asked, format!("alive{uptime}"))
        } else {
            Finding::warn(asked, "the engine names no process")
        };
    };
    let asked = format!("process `{name}`");
    let absent = |answered: String| {
        if expectation.health.process_is_fatal {
            Finding::fail(Standing::NotYet, asked.clone(), answered)
        } else {
            Finding::warn(asked.clone(), answered)
        }
    };
    match cx.engine.processes(container.id.as_str()).await {
        Ok(processes) => match processes.iter().find(|line| line.contains(name.as_str())) {
            Some(_) => Finding::pass(asked, format!("alive{uptime}")),
            None => absent(format!("not among {} processes", processes.len())),
        },
        Err(error) => absent(error.to_string()),
    }
}

/// A question without a port goes to the first one.
fn with_port(probe: &Probe, container: &Container, expectation: &Expectation) -> Option<Probe> {
    match probe {
        Probe::Mcp(mcp) if mcp.port == 0 && mcp.transport != McpTransport::Stdio => {
            let port = default_port(container, expectation)?;
            Some(Probe::Mcp(McpProbe { port, ..mcp.clone() }))
        }
        probe => Some(probe.clone()),
    }
}

/// Level 5: does it do its work?
pub(super) async fn function(cx: &Context, container: &Container, expectation: &Expectation, limit: Duration) -> Finding {
    match &expectation.health.function {
        None => Finding::skip("no function check in chora.yaml, no contract"),
        Some(FunctionCheck::Probe(probe)) => match with_port(probe, container, expectation) {
            Some(Probe::Mcp(mcp)) if expectation.token_file.is_some() => {
                let file = expectation.token_file.as_deref().unwrap_or_default();
                let mcp = Box::pin(super::with_token(cx, container, file, mcp)).await;
                from_answer(cx.prober.probe(container, &Probe::Mcp(mcp), limit).await)
            }
            Some(probe) => from_answer(cx.prober.probe(container, &probe, limit).await),
            None => Finding::fail(Standing::Never, "mcp", "the service has no port to ask on, published or exposed"),
        },
        Some(FunctionCheck::Command(command)) => {
            let asked = command.join(" ");
            match exec(cx, container, command.clone(), limit).await {
                Ok((0, output)) => Finding::pass(asked, format!("exit code 0: {}", first_line(&output))).proving(),
                Ok((code, output)) => Finding::fail(Standing::Wrong, asked, format!("exit code {code}: {}", first_line(&output))),
                Err(reason) => Finding::fail(Standing::NotYet, asked, reason),
            }
        }
    }
}
