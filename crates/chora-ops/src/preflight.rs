//! Everything that can be found out before anything changes.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};

use chora_core::compose::{MountKind, Port, Stack};
use chora_core::model::container::ContainerFilter;
use chora_core::model::release::Release;
use chora_core::plan::labels;
use chora_core::ports::engine::EngineFacts;

use crate::context::Context;
use crate::failure::{Failure, FailureKind};
use crate::project::Project;

/// Checks the project against the engine; gives warnings.
pub(crate) async fn preflight(cx: &Context, project: &Project, retained: &[Release]) -> Result<Vec<String>, Failure> {
    if !project.unsupported.is_empty() {
        let count = project.unsupported.len();
        let failure = Failure::new(FailureKind::Invalid, format!("{count} keys of the Compose files cannot be honoured"));
        return Err(failure
            .hint("remove them, or see docs/reference/compose-keys.md for what stands for them")
            .details(project.unsupported.clone()));
    }
    let facts = cx.engine.facts().await?;
    if project.stack.services.is_empty() {
        return Err(
            Failure::new(FailureKind::Invalid, "the project has no services").hint("add one to the Compose file, or enable a profile")
        );
    }
    outside_objects(cx, &project.stack).await?;
    bind_sources(&project.stack, &facts)?;
    ports(cx, project, &facts).await?;
    rollback_set(cx, retained).await
}

/// External networks and volumes must exist.
async fn outside_objects(cx: &Context, stack: &Stack) -> Result<(), Failure> {
    for network in stack.networks.values().filter(|network| network.external) {
        if cx.engine.network(&network.name).await?.is_none() {
            let failure = Failure::new(FailureKind::NotFound, format!("external network `{}` is not on the engine", network.name));
            return Err(failure.state("nothing was changed").hint(format!("`docker network create {}`", network.name)));
        }
    }
    for volume in stack.volumes.values().filter(|volume| volume.external) {
        if cx.engine.volume(&volume.name).await?.is_none() {
            let failure = Failure::new(FailureKind::NotFound, format!("external volume `{}` is not on the engine", volume.name));
            return Err(failure.state("nothing was changed").hint(format!("`docker volume create {}`", volume.name)));
        }
    }
    Ok(())
}

/// Bind sources that the engine may not create must exist, where they are paths of this machine.
fn bind_sources(stack: &Stack, facts: &EngineFacts) -> Result<(), Failure> {
    if !facts.same_files {
        return Ok(());
    }
    for (name, service) in &stack.services {
        for mount in service.volumes.iter().filter(|mount| mount.kind == MountKind::Bind) {
            // The short form may create it; the long form says so (Compose Specification).
            let may_create = mount.bind.as_ref().is_some_and(|bind| bind.create_host_path.unwrap_or(true));
            let Some(source) = mount.source.as_ref().filter(|source| !may_create && !std::path::Path::new(source).exists()) else {
                continue;
            };
            let failure = Failure::new(FailureKind::NotFound, format!("bind source {source} of `{name}` does not exist"));
            return Err(failure.state("nothing was changed").hint("create it, or set bind.create_host_path"));
        }
    }
    Ok(())
}

/// Published ports must be free, or held by the project itself.
async fn ports(cx: &Context, project: &Project, facts: &EngineFacts) -> Result<(), Failure> {
    let wanted: Vec<(&str, &Port, u16)> = project
        .stack
        .services
        .iter()
        .flat_map(|(name, service)| service.ports.iter().map(move |port| (name.as_str(), port)))
        .filter_map(|(name, port)| Some((name, port, port.published.as_deref()?.parse().ok()?)))
        .collect();
    if wanted.is_empty() {
        return Ok(());
    }
    let running = cx.engine.containers(&ContainerFilter::default()).await?;
    for (service, port, number) in wanted {
        let protocol = port.protocol.as_deref().unwrap_or("tcp");
        let holder = running.iter().find(|container| {
            container.published.iter().any(|published| {
                published.host_port == number
                    && published.target.ends_with(protocol)
                    && overlap(&published.host_ip, port.host_ip.as_deref())
            })
        });
        let own = |labels_of: &indexmap::IndexMap<String, String>| labels_of.get(labels::PROJECT) == Some(&project.environment.project);
        match holder {
            Some(container) if own(&container.labels) => {}
            Some(container) => return Err(taken(service, number, &format!("container `{}`", container.name))),
            None if facts.same_files && protocol == "tcp" && is_bound(port.host_ip.as_deref(), number) => {
                return Err(taken(service, number, "another process of this machine"));
            }
            None => {}
        }
    }
    Ok(())
}

fn overlap(one: &str, other: Option<&str>) -> bool {
    let any = |text: &str| text.is_empty() || text == "0.0.0.0" || text == "::";
    let other = other.unwrap_or_default();
    any(one) || any(other) || one == other
}

fn is_bound(host_ip: Option<&str>, port: u16) -> bool {
    let address: IpAddr = host_ip.and_then(|text| text.parse().ok()).unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    matches!(TcpListener::bind(SocketAddr::new(address, port)), Err(error) if error.kind() == std::io::ErrorKind::AddrInUse)
}

fn taken(service: &str, port: u16, holder: &str) -> Failure {
    let failure = Failure::new(FailureKind::Conflict, format!("port {port} of `{service}` is held by {holder}"));
    failure.state("nothing was changed").hint("stop what holds it, or publish another port")
}

/// Images of releases that can be rolled back to must still be there.
async fn rollback_set(cx: &Context, retained: &[Release]) -> Result<Vec<String>, Failure> {
    let mut warnings = Vec::new();
    let mut known = std::collections::BTreeMap::new();
    for release in retained {
        for (service, pin) in &release.images {
            let here = match known.get(&pin.id) {
                Some(here) => *here,
                None => cx.engine.image(pin.id.as_str()).await?.is_some(),
            };
            known.insert(pin.id.clone(), here);
            if !here {
                warnings.push(format!(
                    "release {} cannot be rolled back to: the image of `{service}` is gone from the engine",
                    release.version
                ));
            }
        }
    }
    Ok(warnings)
}
