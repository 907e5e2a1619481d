//! Steps in words.

use std::fmt;

use super::step::{Action, Change, Rollout};

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CreateNetwork { spec } => write!(f, "create network {}", spec.name),
            Self::RemoveNetwork { name } => write!(f, "remove network {name}"),
            Self::CreateVolume { spec } => write!(f, "create volume {}", spec.name),
            Self::CreateContainer { instance } => write!(f, "create {}", instance.name),
            Self::RemoveContainer { container } => write!(f, "remove {container}"),
            Self::StartContainer { container, .. } => write!(f, "start {container}"),
            Self::StopContainer { container, .. } => write!(f, "stop {container}"),
            Self::RenameContainer { from, to } => write!(f, "rename {from} to {to}"),
            Self::Connect { container, attachment } => write!(f, "connect {container} to {}", attachment.network),
            Self::Disconnect { container, network } => write!(f, "disconnect {container} from {network}"),
            Self::RunToCompletion { container, .. } => write!(f, "run {container} to completion"),
            Self::Gate { targets } => {
                let names: Vec<&str> = targets.iter().map(|target| target.container.as_str()).collect();
                write!(f, "gate {}", names.join(", "))
            }
            Self::Route { routes, .. } => {
                let mut services: Vec<&str> = routes.iter().map(|route| route.service.as_str()).collect();
                services.dedup();
                write!(f, "route {}", services.join(", "))
            }
            Self::Hold { service, .. } => write!(f, "hold requests to {service}"),
            Self::ReleaseHold { service, .. } => write!(f, "let requests to {service} through"),
            Self::Drain { service, .. } => write!(f, "drain {service}"),
            Self::Watch { routes, seconds, .. } => {
                let mut services: Vec<&str> = routes.iter().map(|route| route.service.as_str()).collect();
                services.dedup();
                write!(f, "watch {} for {seconds} s", services.join(", "))
            }
            Self::Verify { targets, .. } => {
                let mut services: Vec<&str> = targets.iter().map(|target| target.service.as_str()).collect();
                services.dedup();
                write!(f, "verify {} through the gateway", services.join(", "))
            }
            Self::Rehearse { targets, .. } => {
                let mut services: Vec<&str> = targets.iter().map(|target| target.service.as_str()).collect();
                services.dedup();
                write!(f, "rehearse {} through the gateway", services.join(", "))
            }
            Self::Canary { trials, .. } => {
                let words: Vec<String> = trials.iter().map(|trial| format!("{} with {}", trial.service, trial.rules)).collect();
                write!(f, "canary of {}", words.join(", "))
            }
            Self::EndCanary { backends, .. } => write!(f, "end the canary of {}", backends.join(", ")),
            Self::Record { release } => write!(f, "record release {release} as live"),
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Create => "create",
            Self::Keep => "keep",
            Self::Replace => "replace",
            Self::Remove => "remove",
            Self::Run => "run",
        })
    }
}

impl fmt::Display for Rollout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::StartFirst => "start-first",
            Self::StopFirst => "stop-first",
        })
    }
}
