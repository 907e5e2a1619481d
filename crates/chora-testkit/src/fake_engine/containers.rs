//! Containers of the fake engine.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use chora_core::compose::MountKind;
use chora_core::model::container::{
    Container, ContainerFilter, ContainerSpec, ContainerState, ContainerSummary, EngineHealth, ExecOutcome, ExecSpec, LogChunk, LogStream,
    PublishedPort,
};
use chora_core::model::ids::ContainerId;
use chora_core::model::secret::Secret;
use chora_core::ports::engine::EngineError;
use futures_core::stream::BoxStream;

use super::images;
use super::state::{Behaviour, FakeContainer, FakeState};

fn missing(container: &str) -> EngineError {
    EngineError::NotFound { what: format!("container `{container}`") }
}

pub(super) fn create(state: &mut FakeState, spec: &ContainerSpec) -> Result<ContainerId, EngineError> {
    if state.containers.contains_key(&spec.name) {
        return Err(EngineError::Conflict { reason: format!("the name {} is in use", spec.name) });
    }
    if images::find(state, spec.image.as_str()).is_none() {
        return Err(EngineError::NotFound { what: format!("image `{}`", spec.image) });
    }
    if let Some(lost) = spec.attachments.iter().find(|place| !state.networks.contains_key(&place.network)) {
        return Err(EngineError::NotFound { what: format!("network `{}`", lost.network) });
    }
    let volume = spec
        .mounts
        .iter()
        .filter(|mount| mount.kind == MountKind::Volume)
        .filter_map(|mount| mount.source.as_ref())
        .find(|name| !state.volumes.contains_key(*name));
    if let Some(lost) = volume {
        return Err(EngineError::NotFound { what: format!("volume `{lost}`") });
    }
    state.next += 1;
    let id = format!("{:064x}", state.next);
    let networks: BTreeMap<_, _> = spec.attachments.iter().map(|place| (place.network.clone(), place.clone())).collect();
    let home = spec.attachments.first().map(|place| place.network.clone());
    let container = FakeContainer {
        spec: spec.clone(),
        id: id.clone(),
        state: ContainerState::Created,
        exit_code: None,
        networks,
        home,
        stops: 0,
        looks: 0,
    };
    state.containers.insert(spec.name.clone(), container);
    state.created.push(spec.clone());
    Ok(ContainerId::new(id))
}

fn ports(container: &FakeContainer) -> Vec<String> {
    container.spec.service.ports.iter().filter_map(|port| port.published.clone()).collect()
}

pub(super) fn start(state: &mut FakeState, name: &str) -> Result<(), EngineError> {
    let container = state.container(name).ok_or_else(|| missing(name))?.clone();
    if container.state == ContainerState::Running {
        return Ok(());
    }
    let wanted = ports(&container);
    let holder = state.containers.values().find(|other| {
        other.id != container.id && other.state == ContainerState::Running && ports(other).iter().any(|port| wanted.contains(port))
    });
    if let Some(port) = wanted.iter().find(|port| state.taken_ports.contains(*port)) {
        return Err(EngineError::PortTaken { reason: format!("{port} by another process") });
    }
    if let Some(holder) = holder {
        return Err(EngineError::PortTaken { reason: format!("{wanted:?} by {}", holder.spec.name) });
    }
    if let Some(lost) = container.networks.keys().find(|network| !state.networks.contains_key(*network)) {
        return Err(EngineError::NotFound { what: format!("network `{lost}`") });
    }
    let behaviour = state.behaviour(&container);
    if let Some(lost) = container.home.as_ref().filter(|home| !state.networks.contains_key(*home)) {
        return Err(EngineError::NotFound { what: format!("network `{lost}` of its creation") });
    }
    let Some(container) = state.container_mut(name) else { return Err(missing(name)) };
    match behaviour {
        Behaviour::Exits(code) => {
            container.state = ContainerState::Exited;
            container.exit_code = Some(code);
        }
        Behaviour::Healthy | Behaviour::Unhealthy | Behaviour::EndsSoon(_) | Behaviour::Restarts(_) => {
            container.state = ContainerState::Running;
            container.looks = 0;
        }
    }
    Ok(())
}

pub(super) fn stop(state: &mut FakeState, name: &str) -> Result<(), EngineError> {
    let container = state.container_mut(name).ok_or_else(|| missing(name))?;
    container.stops += 1;
    if container.state == ContainerState::Running {
        container.state = ContainerState::Exited;
        container.exit_code = Some(143);
    }
    Ok(())
}

pub(super) fn rename(state: &mut FakeState, from: &str, to: &str) -> Result<(), EngineError> {
    if state.containers.contains_key(to) {
        return Err(EngineError::Conflict { reason: format!("the name {to} is in use") });
    }
    let mut container = state.containers.remove(from).ok_or_else(|| missing(from))?;
    container.spec.name = to.to_owned();
    state.containers.insert(to.to_owned(), container);
    Ok(())
}

pub(super) fn remove(state: &mut FakeState, name: &str) {
    let found = state.container(name).map(|container| container.spec.name.clone());
    if let Some(name) = found {
        state.containers.remove(&name);
    }
}

pub(super) fn inspect(state: &mut FakeState, name: &str) -> Option<Container> {
    let behaviour = state.behaviour(state.container(name)?);
    let container = state.container_mut(name)?;
    container.looks += 1;
    if let (Behaviour::EndsSoon(code), ContainerState::Running, 3..) = (behaviour, container.state, container.looks) {
        container.state = ContainerState::Exited;
        container.exit_code = Some(code);
    }
    let restarts = if let Behaviour::Restarts(times) = behaviour { u64::from(times.min(container.looks)) } else { 0 };
    let running = container.state == ContainerState::Running;
    let test = if behaviour == Behaviour::Unhealthy { vec!["CMD".to_owned(), "false".to_owned()] } else { Vec::new() };
    Some(Container {
        id: ContainerId::new(&container.id),
        name: container.spec.name.clone(),
        image: container.spec.image.clone(),
        labels: container.spec.labels.clone(),
        state: container.state,
        exit_code: container.exit_code,
        oom_killed: false,
        restarts,
        health: EngineHealth::None,
        healthcheck: test,
        created_at: None,
        started_at: None,
        finished_at: None,
        pid: i64::from(running),
        addresses: container.networks.keys().map(|network| (network.clone(), IpAddr::V4(Ipv4Addr::LOCALHOST))).collect(),
        published: published(container),
        exposed: Vec::new(),
        error: String::new(),
        command: Vec::new(),
        environment: Secret::new(Vec::new()),
    })
}

fn published(container: &FakeContainer) -> Vec<PublishedPort> {
    if container.state != ContainerState::Running {
        return Vec::new();
    }
    let ports = container.spec.service.ports.iter().filter_map(|port| {
        let host_port = port.published.as_deref()?.parse().ok()?;
        Some(PublishedPort { target: format!("{}/tcp", port.target), host_ip: "0.0.0.0".into(), host_port })
    });
    ports.collect()
}

pub(super) fn list(state: &FakeState, filter: &ContainerFilter) -> Vec<ContainerSummary> {
    let wanted = state.containers.values().filter(|container| {
        let labels = filter.labels.iter().all(|(key, value)| container.spec.labels.get(key) == Some(value));
        labels && (filter.all || container.state == ContainerState::Running)
    });
    let summary = |container: &FakeContainer| ContainerSummary {
        id: ContainerId::new(&container.id),
        name: container.spec.name.clone(),
        image: container.spec.image.clone(),
        labels: container.spec.labels.clone(),
        state: container.state,
        status: container
            .exit_code
            .filter(|_| container.state == ContainerState::Exited)
            .map_or_else(|| "Up".to_owned(), |code| format!("Exited ({code}) now")),
        published: published(container),
        networks: container.networks.keys().cloned().collect(),
        created_at: None,
    };
    wanted.map(summary).collect()
}

pub(super) fn logs(state: &FakeState, name: &str) -> Result<BoxStream<'static, Result<LogChunk, EngineError>>, EngineError> {
    let container = state.container(name).ok_or_else(|| missing(name))?;
    // A careless program prints the secrets it was given.
    let secrets: Vec<_> = container.spec.files.iter().map(|file| String::from_utf8_lossy(file.content.expose()).into_owned()).collect();
    let chunk = LogChunk { stream: LogStream::Stdout, bytes: format!("log of {} {}\n", container.spec.name, secrets.join(" ")).into() };
    Ok(Box::pin(futures_util::stream::iter([Ok(chunk)])))
}

pub(super) fn exec(state: &FakeState, name: &str, exec: &ExecSpec) -> Result<ExecOutcome, EngineError> {
    let container = state.container(name).ok_or_else(|| missing(name))?;
    if container.state != ContainerState::Running {
        return Err(EngineError::Conflict { reason: format!("container {name} is not running") });
    }
    let fails = exec.command.first().is_some_and(|program| program == "false");
    Ok(ExecOutcome { exit_code: i64::from(fails), output: String::new() })
}

/// Stricter than the real engine: waiting for a container that would never end is an error.
pub(super) fn wait(state: &FakeState, name: &str) -> Result<i64, EngineError> {
    let container = state.container(name).ok_or_else(|| missing(name))?;
    container.exit_code.ok_or_else(|| EngineError::Failed { reason: format!("{name} would never end") })
}

pub(super) fn processes(state: &FakeState, name: &str) -> Result<Vec<String>, EngineError> {
    let container = state.container(name).ok_or_else(|| missing(name))?;
    Ok(vec![container.spec.service.command.clone().unwrap_or_default().join(" ")])
}

pub(super) fn read_file(state: &FakeState, name: &str, path: &str, limit: usize) -> Result<Option<Vec<u8>>, EngineError> {
    let container = state.container(name).ok_or_else(|| missing(name))?;
    let file = container.spec.files.iter().find(|file| file.path == path);
    Ok(file.map(|file| file.content.expose().iter().take(limit).copied().collect()))
}
