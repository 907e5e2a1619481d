//! Which service of the project an image is for: what it is given when it is started, how it is asked, and what it needs.

use std::path::Path;

use chora_core::compose::{Mount, MountKind, Service, Stack};
use chora_core::model::bridge::Bridge;
use chora_core::model::container::FileContent;
use chora_core::model::digest::Digest;
use chora_core::model::health::ServiceHealth;
use chora_core::model::ids::ImageId;
use chora_core::plan::gateway::is_gateway;
use chora_core::plan::{FileRef, file_targets, is_one_shot};
use indexmap::{IndexMap, IndexSet};

use crate::context::Context;
use crate::failure::{Failure, FailureKind};
use crate::health::{Expectation, under_bridge};
use crate::images::{Eagerness, obtain, survey};
use crate::project::Project;
use crate::redactor::is_public;
use crate::verify::VerifyRequest;

/// Where engines listen unless they are told otherwise.
const USUAL_SOCKET: &str = "/var/run/docker.sock";

/// A service that an image is started as.
pub(super) struct Role {
    pub(super) name: String,
    pub(super) service: Service,
    pub(super) bridge: Option<Bridge>,
    health: ServiceHealth,
    files: Vec<FileRef>,
    pub(super) contents: Vec<FileContent>,
    /// It has to end, and end well.
    pub(super) is_job: bool,
    /// What others find it by, its own name first.
    pub(super) aliases: Vec<String>,
}

/// A service that another one depends on.
pub(super) struct Need {
    pub(super) role: Role,
    pub(super) image: ImageId,
}

/// Finds the service: the one that is named, else the one whose image has this reference.
///
/// # Errors
/// Not found when the project has no such service; those of its configs and secrets.
pub(super) async fn role(cx: &Context, project: Option<&Project>, request: &VerifyRequest) -> Result<Option<Role>, Failure> {
    let (named, image) = (request.service.as_deref(), request.image.as_str());
    let Some(project) = project else {
        return match named {
            None => Ok(None),
            Some(name) => {
                let failure = Failure::new(FailureKind::NotFound, format!("there is no project here, and so no service `{name}`"));
                Err(failure.hint("go to the project's directory, or name it with --project"))
            }
        };
    };
    let is_it = |name: &str, service: &Service| {
        let built = service.build.is_some().then(|| crate::images::reference(&project.environment.project, name, service));
        service.image.as_deref() == Some(image) || built.as_deref() == Some(image)
    };
    let found = match named {
        Some(name) => Some(project.stack.services.get_key_value(name).ok_or_else(|| unknown(project, name))?),
        None => project.stack.services.iter().find(|(name, service)| is_it(name, service)),
    };
    match found {
        Some((name, service)) => made(cx, project, (name, service), !request.no_start).await.map(Some),
        None => Ok(None),
    }
}

fn unknown(project: &Project, name: &str) -> Failure {
    let known: Vec<&str> = project.stack.services.keys().map(String::as_str).collect();
    Failure::new(FailureKind::NotFound, format!("no service `{name}`")).hint(format!("the services are {}", known.join(", ")))
}

/// Reads what the service is given, where it is to be started.
async fn made(cx: &Context, project: &Project, (name, service): (&str, &Service), starts: bool) -> Result<Role, Failure> {
    let (mut digests, mut values) = (IndexMap::new(), IndexMap::new());
    let sorted = [("config", &service.configs, &project.stack.configs), ("secret", &service.secrets, &project.stack.secrets)];
    for (kind, references, objects) in sorted {
        for reference in references.iter().filter(|_| starts) {
            let object = objects.get(&reference.source).cloned().unwrap_or_default();
            let value = cx.secrets.value(&reference.source, &object).await.map_err(|error| {
                let failure = Failure::from(error);
                let hint = format!("{}, or look into the image without starting it", failure.hint);
                failure.hint(hint)
            })?;
            if kind == "secret" && !is_public(&reference.source, &value) {
                cx.redactor.learn(&value);
            }
            digests.insert(format!("{kind}:{}", reference.source), Digest::of(value.expose()));
            values.insert(format!("{kind}:{}", reference.source), value);
        }
    }
    let files = file_targets(service, &digests);
    let content = |file: &FileRef| {
        let content = values.get(&file.source)?.clone();
        Some(FileContent { path: file.path.clone(), content, uid: file.uid, gid: file.gid, mode: file.mode })
    };
    let bridge = project.bridges.get(name).cloned();
    let health = project.health.get(name).cloned().unwrap_or_default();
    Ok(Role {
        name: name.to_owned(),
        service: service.clone(),
        health: bridge.as_ref().map_or_else(|| health.clone(), |bridge| under_bridge(health.clone(), bridge)),
        contents: files.iter().filter_map(content).collect(),
        is_job: is_one_shot(&project.stack, name),
        aliases: aliases(&project.stack, name, service),
        bridge,
        files,
    })
}

/// The names of a service in its networks, in links to it, and of its container: all of them in the one network that there is.
fn aliases(stack: &Stack, name: &str, service: &Service) -> Vec<String> {
    let own = service.networks.values().flatten().flat_map(|network| &network.aliases);
    let links = stack.services.values().flat_map(|other| &other.links).filter_map(|link| link.split_once(':'));
    let linked = links.filter(|(target, _)| *target == name).map(|(_, alias)| alias);
    let others = own.chain(&service.container_name).map(String::as_str).chain(linked);
    let all: IndexSet<&str> = std::iter::once(name).chain(others).collect();
    all.into_iter().map(str::to_owned).collect()
}

/// What a service depends on, each after what it depends on itself, with its image: pulled or built where it is not there.
///
/// # Errors
/// Those of images, configs and secrets.
pub(super) async fn needs(cx: &Context, project: &Project, name: &str) -> Result<Vec<Need>, Failure> {
    let mut names = Vec::new();
    below(&project.stack, name, &mut names);
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let mut others = project.clone();
    others.stack.services.retain(|other, _| names.contains(other));
    let plan = survey(cx, &others, Eagerness::default(), None).await?;
    let pins = tokio::select! {
        pins = obtain(cx, &plan, &others.stack, "") => pins?,
        () = cx.cancel.cancelled() => return Err(super::interrupted()),
    };
    let mut needs = Vec::with_capacity(names.len());
    for name in &names {
        let (Some(service), Some(pin)) = (project.stack.services.get(name), pins.get(name)) else { continue };
        let role = made(cx, project, (name, service), true).await?;
        needs.push(Need { role, image: pin.id.clone() });
    }
    Ok(needs)
}

/// Adds what a service depends on, deepest first. A cycle was refused when the stack was read.
fn below(stack: &Stack, name: &str, found: &mut Vec<String>) {
    let Some(service) = stack.services.get(name) else { return };
    for on in service.depends_on.keys() {
        let is_one = stack.services.get(on).is_some_and(|other| !is_gateway(other));
        if is_one && on != name && !found.contains(on) {
            below(stack, on, found);
            if !found.contains(on) {
                found.push(on.clone());
            }
        }
    }
}

impl Role {
    /// What the service is expected to be.
    pub(super) fn expectation(&self) -> Expectation {
        let token_file = self.bridge.as_ref().and_then(|bridge| bridge.token_file.clone());
        Expectation { service: self.service.clone(), files: self.files.clone(), health: self.health.clone(), token_file }
    }

    /// How it is asked where its image has no HEALTHCHECK.
    pub(super) fn asked_otherwise(&self) -> Option<&'static str> {
        if self.is_job {
            Some("a job, which runs to its end")
        } else if self.service.healthcheck.as_ref().is_some_and(|check| !check.disable && !check.test.is_empty()) {
            Some("the stack has one")
        } else if self.bridge.is_some() {
            Some("it is asked through the bridge")
        } else if self.health.endpoint.is_some() || self.health.function.is_some() {
            Some("chora.yaml says how it is asked")
        } else if self.health.stable_for.is_some() {
            Some("chora.yaml says how long it has to stay up")
        } else {
            None
        }
    }

    /// The service as it is started apart from everything else: it shares nothing, nothing that it writes stays, and it reaches no
    /// socket or device of the host; `engine` is where the engine listens. Also gives the targets of what it does not get.
    pub(super) fn apart(&self, engine: &str) -> (Service, Vec<Mount>, Vec<String>) {
        let mut service = self.service.clone();
        service.restart = Some("no".to_owned());
        if let Some(deploy) = &mut service.deploy {
            deploy.restart_policy = None;
        }
        (service.container_name, service.mac_address, service.network_mode) = (None, None, None);
        (service.links, service.external_links, service.volumes_from) = (Vec::new(), Vec::new(), Vec::new());
        (service.pid, service.ipc, service.privileged) = (None, None, false);
        let (mut mounts, mut withheld) = (Vec::new(), Vec::new());
        for mount in &service.volumes {
            match alone(mount, engine) {
                Some(mount) => mounts.push(mount),
                None => withheld.push(mount.target.clone()),
            }
        }
        (service, mounts, withheld)
    }
}

/// What is mounted instead where nothing is shared; `None` for what leads out of the container.
fn alone(mount: &Mount, engine: &str) -> Option<Mount> {
    let empty = || Mount { kind: MountKind::Volume, target: mount.target.clone(), read_only: mount.read_only, ..Mount::default() };
    match mount.kind {
        MountKind::Volume => Some(Mount { source: None, volume: None, ..mount.clone() }),
        MountKind::Npipe => None,
        MountKind::Bind => {
            let source = Path::new(mount.source.as_deref().unwrap_or_default());
            match source.metadata().map(|facts| facts.file_type()) {
                Ok(kind) if kind.is_file() => Some(Mount { read_only: true, ..mount.clone() }),
                Ok(kind) if kind.is_dir() && mount.read_only => (!holds_engine(source, engine)).then(|| mount.clone()),
                Ok(kind) if !kind.is_dir() => None,
                // A path that is not there would be made.
                Ok(_) | Err(_) => Some(empty()),
            }
        }
        MountKind::Tmpfs | MountKind::Cluster | MountKind::Image => Some(mount.clone()),
    }
}

/// Whether the engine's socket is below a folder: who reaches that may do everything.
fn holds_engine(folder: &Path, engine: &str) -> bool {
    let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    let named = engine.strip_prefix("unix://").unwrap_or(USUAL_SOCKET);
    [named, USUAL_SOCKET].iter().any(|socket| Path::new(socket).canonicalize().is_ok_and(|socket| socket.starts_with(&folder)))
}
