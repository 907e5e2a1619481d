//! One action against the engine. Every action may be repeated: a resumed deployment does what a killed one had begun.

use std::time::Duration;

use chora_core::compose::{Mount, MountKind, Service};
use chora_core::model::container::{ContainerSpec, FileContent};
use chora_core::model::deployment::CanaryResult;
use chora_core::model::release::Release;
use chora_core::model::secret::Secret;
use chora_core::plan::gateway::{Route, is_direct};
use chora_core::plan::{Action, FileRef, Instance, labels};
use chora_core::ports::{BlobError, EngineError, SecretError, StoreError};

use crate::context::Context;
use crate::gateway::{Drained, GatewayError, Gateways, Held, VerifyError};
use crate::rollout::bridged::{complete, put_under};
use crate::rollout::gate::Refusal;
use crate::rollout::materialise;

/// How long requests that waited go on waiting for a container that does not accept connections yet.
const READY: Duration = Duration::from_secs(10);
/// How long a creation that somebody else asked for is waited for.
const CREATION: Duration = Duration::from_secs(20);
/// The pause between two looks at it.
const LOOK: Duration = Duration::from_millis(20);

/// Why a step failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum StepError {
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Blob(#[from] BlobError),
    #[error(transparent)]
    Secret(#[from] SecretError),
    #[error(transparent)]
    Gateway(GatewayError),
    #[error("{0}")]
    Gate(Refusal),
    #[error("`{service}` was to run to completion and ended with exit code {code}")]
    OneShot { service: String, code: i64, log: Vec<String> },
    #[error("`{source_key}` changed while the deployment ran")]
    FileChanged { source_key: String },
    /// A canary that did worse than the release before.
    #[error("{0}")]
    Worse(Box<CanaryResult>),
    /// By whoever asked for the deployment; with what a gate was still waiting for.
    #[error("interrupted{}", .0.as_ref().map_or_else(String::new, |last| format!(" while {last}")))]
    Interrupted(Option<Box<Refusal>>),
}

impl StepError {
    /// The world is bad, not the release.
    pub(crate) const fn is_bad_world(&self) -> bool {
        match self {
            Self::Engine(error) => error.is_bad_world(),
            Self::Store(_) | Self::Blob(_) | Self::Gateway(_) | Self::Interrupted(_) => true,
            Self::Secret(_) | Self::Gate(_) | Self::Worse(_) | Self::OneShot { .. } | Self::FileChanged { .. } => false,
        }
    }

    /// The last log lines of the container that failed.
    pub(crate) fn log(&self) -> Vec<String> {
        match self {
            Self::Gate(refusal) => refusal.log.clone(),
            Self::Interrupted(Some(last)) => last.log.clone(),
            Self::OneShot { log, .. } => log.clone(),
            _ => Vec::new(),
        }
    }
}

/// What came of an action beside its having been done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Evidence {
    #[default]
    Nothing,
    /// Requests and sessions that the releases before still have.
    Routed(u64),
    Held(Held),
    Drained(Drained),
}

impl std::fmt::Display for Evidence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Nothing | Self::Routed(0) => Ok(()),
            Self::Routed(left) => write!(f, "{left} requests and sessions end where they are"),
            Self::Held(Held { held, refused, longest_wait_ms }) => {
                write!(f, "{held} requests waited, at most {longest_wait_ms} ms")?;
                if *refused > 0 { write!(f, "; {refused} were refused") } else { Ok(()) }
            }
            Self::Drained(Drained { cut: 0, cut_sessions: 0, .. }) => write!(f, "everything has ended"),
            Self::Drained(Drained { cut, cut_sessions, .. }) => write!(f, "{cut} requests and {cut_sessions} sessions were cut"),
        }
    }
}

impl From<GatewayError> for StepError {
    fn from(error: GatewayError) -> Self {
        match error {
            GatewayError::Engine(error) => Self::Engine(error),
            error => Self::Gateway(error),
        }
    }
}

impl From<VerifyError> for StepError {
    fn from(error: VerifyError) -> Self {
        match error {
            VerifyError::Engine(error) => Self::Engine(error),
            VerifyError::Gateway(error) => error.into(),
            VerifyError::Refused(refusal) if refusal.interrupted => Self::Interrupted(Some(refusal)),
            VerifyError::Refused(refusal) => Self::Gate(*refusal),
        }
    }
}

/// Does one action; gates, what is asked through the gateway, its watch, and the record are the caller's.
pub(crate) async fn perform(cx: &Context, action: &Action, release: &Release) -> Result<Evidence, StepError> {
    if let Action::Route { gateway, routes, .. } = action {
        Box::pin(Gateways::send_files(cx, gateway, routes, release)).await?;
    }
    if let Some(done) = Box::pin(tell_gateway(cx, action)).await {
        return done;
    }
    let engine = &cx.engine;
    match action {
        Action::CreateNetwork { spec } => engine.create_network(spec).await?,
        Action::RemoveNetwork { name } => engine.remove_network(name).await?,
        Action::CreateVolume { spec } => engine.create_volume(spec).await?,
        Action::CreateContainer { instance } => Box::pin(create(cx, instance, release)).await?,
        Action::RemoveContainer { container } => engine.remove_container(container, true).await?,
        Action::StartContainer { container, .. } => engine.start_container(container).await?,
        Action::StopContainer { container, grace_seconds, .. } => {
            let grace = grace_seconds.map(Duration::from_secs);
            unless_gone(engine.stop_container(container, grace).await)?;
        }
        Action::RenameContainer { from, to } => rename(cx, from, to).await?,
        Action::Connect { container, attachment } => engine.connect(container, attachment).await?,
        Action::Disconnect { container, network } => engine.disconnect(container, network).await?,
        Action::RunToCompletion { service, container } => run_to_completion(cx, service, container).await?,
        Action::Route { .. }
        | Action::Hold { .. }
        | Action::ReleaseHold { .. }
        | Action::Drain { .. }
        | Action::Gate { .. }
        | Action::Verify { .. }
        | Action::Watch { .. }
        | Action::Rehearse { .. }
        | Action::Canary { .. }
        | Action::EndCanary { .. }
        | Action::Record { .. } => {}
    }
    Ok(Evidence::Nothing)
}

/// Does an action that the gateway does; `None` for all others.
async fn tell_gateway(cx: &Context, action: &Action) -> Option<Result<Evidence, StepError>> {
    let told = match action {
        Action::Route { gateway, routes, drain_seconds, waits } => {
            let drain = Duration::from_secs(*drain_seconds);
            route(cx, gateway, routes, (drain, *waits)).await
        }
        Action::Hold { gateway, backends, limit_seconds, .. } => {
            let held = cx.gateways.hold(gateway, backends, Duration::from_secs(*limit_seconds)).await;
            held.map(|()| Evidence::Nothing)
        }
        Action::ReleaseHold { gateway, backends, .. } => cx.gateways.release_hold(gateway, backends, READY).await.map(Evidence::Held),
        Action::Drain { gateway, backends, limit_seconds, .. } => {
            cx.gateways.drain(gateway, backends, Duration::from_secs(*limit_seconds)).await.map(Evidence::Drained)
        }
        Action::EndCanary { gateway, backends, limit_seconds } => end_canary(cx, gateway, backends, *limit_seconds).await,
        _ => return None,
    };
    Some(told.map_err(StepError::from))
}

async fn route(cx: &Context, gateway: &str, routes: &[Route], (drain, waits): (Duration, bool)) -> Result<Evidence, GatewayError> {
    let left = cx.gateways.route(gateway, routes, drain).await?;
    if waits && left > 0 {
        let backends: Vec<String> = routes.iter().map(Route::backend).collect();
        let longest = routes.iter().filter_map(|route| route.drain_seconds).map(Duration::from_secs).max();
        cx.gateways.drain(gateway, &backends, longest.map_or(drain, |longest| longest.max(drain))).await?;
    }
    Ok(Evidence::Routed(left))
}

/// What candidates are at ends before they are stopped.
async fn end_canary(cx: &Context, gateway: &str, backends: &[String], limit_seconds: u64) -> Result<Evidence, GatewayError> {
    let limit = Duration::from_secs(limit_seconds);
    cx.gateways.end_canary(gateway, limit).await?;
    cx.gateways.drain(gateway, backends, limit).await.map(Evidence::Drained)
}

fn unless_gone(result: Result<(), EngineError>) -> Result<(), EngineError> {
    match result {
        Err(EngineError::NotFound { .. }) => Ok(()),
        other => other,
    }
}

/// Renames a container; renamed already is fine.
async fn rename(cx: &Context, from: &str, to: &str) -> Result<(), EngineError> {
    match cx.engine.rename_container(from, to).await {
        Err(EngineError::NotFound { .. }) if cx.engine.container(to).await?.is_some() => Ok(()),
        other => other,
    }
}

/// Creates a container. What a killed process has created without being able to say so is made anew: whether its files and
/// networks were complete is not known.
async fn create(cx: &Context, instance: &Instance, release: &Release) -> Result<(), StepError> {
    let spec = spec(cx, instance, release).await?;
    let began = cx.clock.elapsed();
    loop {
        let reason = match cx.engine.create_container(&spec).await {
            Err(EngineError::Conflict { reason }) if cx.clock.elapsed().saturating_sub(began) < CREATION => reason,
            done => {
                done?;
                break;
            }
        };
        match cx.engine.container(&instance.name).await? {
            Some(found) if found.labels.get(labels::DEPLOYMENT) == instance.labels.get(labels::DEPLOYMENT) => {
                cx.engine.remove_container(&instance.name, true).await?;
            }
            Some(_) => return Err(EngineError::Conflict { reason }.into()),
            // The engine gives a name away some time before the container is there to be seen.
            None => cx.clock.sleep(LOOK).await,
        }
    }
    if release.bridges.contains_key(&instance.service) { Box::pin(complete(cx, &instance.name)).await } else { Ok(()) }
}

/// Looks up what the plan only refers to: the service's definition, volume names, contents of configs and secrets.
async fn spec(cx: &Context, instance: &Instance, release: &Release) -> Result<ContainerSpec, StepError> {
    let defined = release.stack.services.get(&instance.service).cloned().unwrap_or_default();
    let mut service = defined.clone();
    service.ports.retain(|port| is_direct(&release.stack, &defined, port));
    let peer = |mode: &Option<String>| {
        mode.as_ref().map(|mode| match mode.strip_prefix("service:") {
            Some(other) => format!("container:{}", instance.peers.get(other).map_or(other, String::as_str)),
            None => mode.clone(),
        })
    };
    let network_mode = peer(&service.network_mode);
    service.ipc = peer(&service.ipc);
    service.pid = peer(&service.pid);
    substitute_peers(&mut service, instance);
    let mut mounts = service.volumes.clone();
    for mount in mounts.iter_mut().filter(|mount| mount.kind == MountKind::Volume) {
        if let Some(volume) = mount.source.as_ref().and_then(|key| release.stack.volumes.get(key)) {
            mount.source = Some(volume.name.clone());
        }
    }
    let mut files = Vec::with_capacity(instance.files.len());
    for file in &instance.files {
        files.push((file, content(cx, file, release).await?));
    }
    let files = place(cx, &service, files, &mut mounts).await?;
    if let Some(bridge) = release.bridges.get(&instance.service) {
        Box::pin(put_under(cx, bridge, &instance.image, &mut service, &mut mounts)).await?;
    }
    stays_stopped(&mut service);
    Ok(ContainerSpec {
        name: instance.name.clone(),
        image: instance.image.clone(),
        service,
        labels: instance.labels.clone(),
        attachments: instance.attachments.clone(),
        network_mode,
        mounts,
        files,
        publish: true,
    })
}

/// Splits files into those written into the container and those mounted, because its root is read-only.
pub(crate) async fn place(
    cx: &Context,
    service: &Service,
    files: Vec<(&FileRef, FileContent)>,
    mounts: &mut Vec<Mount>,
) -> Result<Vec<FileContent>, StepError> {
    let mut written = Vec::with_capacity(files.len());
    for (reference, file) in files {
        let mountable = service.read_only && reference.source.starts_with("config:") && materialise::needs_mount(&file);
        if mountable && cx.engine.facts().await?.same_files {
            mounts.push(materialise::mount(cx, &file).map_err(|error| BlobError::Failed(error.to_string()))?);
        } else {
            written.push(file);
        }
    }
    Ok(written)
}

/// `volumes_from` and `links` name services; the engine wants containers.
fn substitute_peers(service: &mut Service, instance: &Instance) {
    let named = |text: &str| {
        let (name, rest) = text.split_once(':').map_or((text, None), |(name, rest)| (name, Some(rest)));
        let container = instance.peers.get(name).map_or(name, String::as_str);
        rest.map_or_else(|| container.to_owned(), |rest| format!("{container}:{rest}"))
    };
    service.volumes_from =
        service.volumes_from.iter().map(|from| from.strip_prefix("container:").map_or_else(|| named(from), str::to_owned)).collect();
    service.links =
        service.links.iter().map(|link| if link.contains(':') { named(link) } else { format!("{}:{link}", named(link)) }).collect();
}

/// With `always` an engine that starts would start retired containers too, and let them fight for ports. What runs comes back
/// with either policy.
fn stays_stopped(service: &mut Service) {
    if service.restart.as_deref() == Some("always") {
        service.restart = Some("unless-stopped".to_owned());
    }
    if let Some(policy) = service.deploy.as_mut().and_then(|deploy| deploy.restart_policy.as_mut())
        && matches!(policy.condition.as_deref(), None | Some("any" | "always" | ""))
    {
        policy.condition = Some("unless-stopped".to_owned());
    }
}

/// Contents of configs are kept with the release; secrets are read where they live and must still be the released ones.
async fn content(cx: &Context, file: &FileRef, release: &Release) -> Result<FileContent, StepError> {
    let (kind, key) = file.source.split_once(':').unwrap_or(("config", &file.source));
    let content = if kind == "config" {
        Secret::new(cx.blobs.get(&file.digest).await?)
    } else {
        let object = release.stack.secrets.get(key).cloned().unwrap_or_default();
        let value = cx.secrets.value(key, &object).await?;
        if chora_core::model::digest::Digest::of(value.expose()) != file.digest {
            return Err(StepError::FileChanged { source_key: file.source.clone() });
        }
        value
    };
    Ok(FileContent { path: file.path.clone(), content, uid: file.uid, gid: file.gid, mode: file.mode })
}

async fn run_to_completion(cx: &Context, service: &str, container: &str) -> Result<(), StepError> {
    cx.engine.start_container(container).await?;
    let code = tokio::select! {
        code = cx.engine.wait_container(container) => code?,
        () = cx.cancel.cancelled() => return Err(StepError::Interrupted(None)),
    };
    if code == 0 {
        return Ok(());
    }
    let log = crate::logs::last_lines(cx, container).await;
    Err(StepError::OneShot { service: service.to_owned(), code, log })
}
