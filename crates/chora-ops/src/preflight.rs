//! Everything that can be found out before anything changes.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};

use chora_core::compose::{MountKind, Port, Stack};
use chora_core::model::container::{ContainerFilter, ContainerSummary};
use chora_core::model::ids::ImageId;
use chora_core::model::image::Image;
use chora_core::model::release::Release;
use chora_core::plan::gateway::{GATEWAY, LONGEST_LABEL, unresolvable};
use chora_core::plan::labels;
use chora_core::ports::engine::EngineFacts;
use futures_util::future::{join, try_join_all};
use jiff::{SignedDuration, Timestamp};

use crate::context::Context;
use crate::exposure;
use crate::failure::{Failure, FailureKind};
use crate::project::Project;

/// Checks the project against the engine; gives warnings.
pub(crate) async fn preflight(cx: &Context, project: &Project) -> Result<Vec<String>, Failure> {
    if !project.unsupported.is_empty() {
        let count = project.unsupported.len();
        let failure = Failure::new(FailureKind::Invalid, format!("{count} keys of the Compose files cannot be honoured"));
        return Err(failure
            .hint("remove them, or see docs/reference/compose-keys.md for what stands for them")
            .details(project.unsupported.clone()));
    }
    fixed_names(&project.stack)?;
    let (facts, running) = join(cx.engine.facts(), async {
        if wanted_ports(project).next().is_some() { cx.engine.containers(&ContainerFilter::default()).await } else { Ok(Vec::new()) }
    })
    .await;
    let (facts, running) = (facts?, running?);
    if project.stack.services.is_empty() {
        return Err(
            Failure::new(FailureKind::Invalid, "the project has no services").hint("add one to the Compose file, or enable a profile")
        );
    }
    known_to_the_engine(&project.stack, &facts)?;
    if !project.bridges.is_empty() {
        // Only a program for the engine's platform runs in its containers.
        cx.own_image.reference().await?;
    }
    outside_objects(cx, &project.stack).await?;
    bind_sources(&project.stack, &facts)?;
    ports(project, &facts, &running)?;
    Ok(exposure::warnings(cx, &project.stack).await)
}

/// The gateway finds containers by name: one that cannot be resolved would be answered with 502 for ever.
fn fixed_names(stack: &Stack) -> Result<(), Failure> {
    let told = |(service, name): (&str, &str)| format!("`services.{service}.container_name` is `{name}`, {} characters", name.len());
    let details: Vec<String> = unresolvable(stack).into_iter().map(told).collect();
    if details.is_empty() {
        return Ok(());
    }
    let message = format!("the gateway cannot find a container by a name of more than {LONGEST_LABEL} characters");
    Err(Failure::new(FailureKind::Invalid, message)
        .state("nothing was changed")
        .hint("shorten `container_name`, or leave it out: Chora gives names that fit")
        .details(details))
}

/// Keys that only newer engines take; all at once.
fn known_to_the_engine(stack: &Stack, facts: &EngineFacts) -> Result<(), Failure> {
    let has = |major: u32, minor: u32| {
        let version = facts.api_version.split_once('.').and_then(|(major, minor)| Some((major.parse().ok()?, minor.parse().ok()?)));
        version.is_none_or(|version: (u32, u32)| version >= (major, minor))
    };
    let mut details = Vec::new();
    for (name, service) in &stack.services {
        if !service.annotations.is_empty() && !has(1, 43) {
            details.push(format!("`annotations` of `{name}` needs API 1.43"));
        }
        if service.volumes.iter().any(|mount| mount.kind == MountKind::Image) && !has(1, 48) {
            details.push(format!("a volume of `{name}` that is an image needs API 1.48"));
        }
        for (network, options) in &service.networks {
            let Some(options) = options else { continue };
            if options.interface_name.is_some() && !has(1, 49) {
                details.push(format!("`interface_name` of `{name}` on network `{network}` needs API 1.49"));
            }
            if options.gw_priority.is_some() && !has(1, 48) {
                details.push(format!("`gw_priority` of `{name}` on network `{network}` needs API 1.48"));
            }
        }
    }
    if details.is_empty() {
        return Ok(());
    }
    let message = format!("the engine speaks API {}, and the project needs more", facts.api_version);
    Err(Failure::new(FailureKind::Invalid, message)
        .state("nothing was changed")
        .hint("update the engine, or remove the keys")
        .details(details))
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

/// Services with the ports that they publish by number.
fn wanted_ports(project: &Project) -> impl Iterator<Item = (&str, &Port, u16)> {
    let services = project.stack.services.iter();
    services
        .flat_map(|(name, service)| service.ports.iter().map(move |port| (name.as_str(), port)))
        .filter_map(|(name, port)| Some((name, port, port.published.as_deref()?.parse().ok()?)))
}

/// Published ports must be free, or held by the project itself.
fn ports(project: &Project, facts: &EngineFacts, running: &[ContainerSummary]) -> Result<(), Failure> {
    for (service, port, number) in wanted_ports(project) {
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

/// How far the wall clock may lie behind the last release before that is told: machines agree to the second, not better.
const CLOCK_TOLERANCE: SignedDuration = SignedDuration::from_mins(1);

/// A warning where the wall clock lies behind the making of the live release; order, durations and leases do not go by it.
pub(crate) fn clock_behind(now: Timestamp, live: Option<&Release>) -> Option<String> {
    let live = live?;
    let behind = live.created_at.duration_since(now);
    (behind > CLOCK_TOLERANCE).then(|| {
        format!(
            "the clock of this machine is {:#} behind the last release ({}, made {:.0}): times in the history and the log go backwards, their order stays",
            SignedDuration::from_secs(behind.as_secs()),
            live.version,
            live.created_at,
        )
    })
}

/// Images of releases that can be rolled back to must still be there; those that are known to be are not asked for. Gives warnings.
pub(crate) async fn rollback_set(cx: &Context, retained: &[Release], known: BTreeSet<ImageId>) -> Result<Vec<String>, Failure> {
    let gone = gone_but(cx, retained, &known).await?;
    let mut warnings: Vec<String> = retained.iter().filter_map(|release| incomplete(release, &gone)).collect();
    if !retained.is_empty() && warnings.len() == retained.len() {
        // Nothing is refused for it: what is gone does not serve now either, and a deploy may be what brings it back.
        warnings.push("there is no way back from this deployment: no release before it is whole on the engine".to_owned());
    }
    Ok(warnings)
}

/// Images of releases that are not on the engine any more.
pub(crate) async fn gone<'a>(cx: &Context, releases: &'a [Release]) -> Result<BTreeSet<&'a ImageId>, Failure> {
    gone_but(cx, releases, &BTreeSet::new()).await
}

async fn gone_but<'a>(cx: &Context, releases: &'a [Release], known: &BTreeSet<ImageId>) -> Result<BTreeSet<&'a ImageId>, Failure> {
    let images = releases.iter().flat_map(|release| &release.images);
    // The gateway's can always be had again.
    let pinned: BTreeSet<&ImageId> = images.filter(|(service, _)| service.as_str() != GATEWAY).map(|(_, pin)| &pin.id).collect();
    let asked = pinned
        .into_iter()
        .filter(|id| !known.contains(*id))
        .map(|id| async move { cx.engine.image(id.as_str()).await.map(|image| (id, image)) });
    let found: Vec<(&ImageId, Option<Image>)> = try_join_all(asked).await?;
    Ok(found.into_iter().filter(|(_, image)| image.is_none()).map(|(id, _)| id).collect())
}

/// Why a release cannot be rolled back to.
fn incomplete(release: &Release, gone: &BTreeSet<&ImageId>) -> Option<String> {
    let services: Vec<String> =
        release.images.iter().filter(|(_, pin)| gone.contains(&pin.id)).map(|(service, _)| format!("`{service}`")).collect();
    let images = match services.as_slice() {
        [] => return None,
        [service] => format!("the image of {service} is"),
        services => format!("the images of {} are", services.join(", ")),
    };
    Some(format!("release {} cannot be rolled back to: {images} gone from the engine", release.version))
}
