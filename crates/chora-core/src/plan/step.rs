//! A plan's steps.

use indexmap::IndexMap;

use super::gateway::Route;
use crate::model::canary::CanaryRules;
use crate::model::digest::Digest;
use crate::model::environment::WatchRules;
use crate::model::ids::{DeploymentId, ImageId, ReleaseId};
use crate::model::network::{Attachment, NetworkSpec, VolumeSpec};

/// A container to be: names and references only, so that a plan can be stored; contents are looked up when it is created.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
pub struct Instance {
    /// Service.
    pub service: String,
    /// Number from 1 among the service's replicas.
    pub number: u32,
    /// Container name on the engine.
    pub name: String,
    /// Image to run.
    pub image: ImageId,
    /// What makes it interchangeable with another.
    pub fingerprint: Digest,
    /// Networks to join at creation.
    pub attachments: Vec<Attachment>,
    /// Containers that stand for the services named by `service:…` in `network_mode`, `ipc`, `pid`, `volumes_from` and `links`.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub peers: IndexMap<String, String>,
    /// Labels.
    pub labels: IndexMap<String, String>,
    /// Configs and secrets to write into it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<FileRef>,
}

/// A config or secret file of an instance, by content hash.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
pub struct FileRef {
    /// `config:<key>` or `secret:<key>`.
    pub source: String,
    /// Absolute path in the container.
    pub path: String,
    /// Content hash.
    pub digest: Digest,
    /// Owner.
    pub uid: u64,
    /// Group.
    pub gid: u64,
    /// Permission bits.
    pub mode: u32,
}

/// What a step does to the world.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum Action {
    /// Creates a network.
    CreateNetwork {
        /// Which.
        spec: NetworkSpec,
    },
    /// Removes a network that nothing uses any more.
    RemoveNetwork {
        /// Name on the engine.
        name: String,
    },
    /// Creates a named volume. It has no undo: data is never removed by a failure.
    CreateVolume {
        /// Which.
        spec: VolumeSpec,
    },
    /// Creates a container.
    CreateContainer {
        /// Which.
        instance: Box<Instance>,
    },
    /// Removes a container.
    RemoveContainer {
        /// Name on the engine.
        container: String,
    },
    /// Starts a container.
    StartContainer {
        /// Service.
        service: String,
        /// Name on the engine.
        container: String,
    },
    /// Stops a container and keeps it.
    StopContainer {
        /// Service.
        service: String,
        /// Name on the engine.
        container: String,
        /// Seconds before it is killed; the container's own when absent.
        grace_seconds: Option<u64>,
    },
    /// Renames a container.
    RenameContainer {
        /// Present name.
        from: String,
        /// New name.
        to: String,
    },
    /// Connects a container to a network.
    Connect {
        /// Name on the engine.
        container: String,
        /// How.
        attachment: Attachment,
    },
    /// Disconnects a container from a network.
    Disconnect {
        /// Name on the engine.
        container: String,
        /// Network name.
        network: String,
    },
    /// Starts a one-shot container and waits for its exit code 0.
    RunToCompletion {
        /// Service.
        service: String,
        /// Name on the engine.
        container: String,
    },
    /// Checks containers on all levels, all at once, until they pass or the budget is used up.
    Gate {
        /// What to check.
        targets: Vec<GateTarget>,
    },
    /// Tells the gateway where everything goes, as one change.
    Route {
        /// The gateway's container.
        gateway: String,
        /// Every port of it.
        routes: Vec<Route>,
        /// How long the releases that get nothing new have to end what they are at, in seconds.
        drain_seconds: u64,
        /// Whether that is waited for: on the way back, where they are stopped next.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        waits: bool,
    },
    /// Lets new requests to a service wait at the gateway.
    Hold {
        /// The gateway's container.
        gateway: String,
        /// Service.
        service: String,
        /// The gateway's names for it, one for each of its ports.
        backends: Vec<String>,
        /// The longest that a request waits, in seconds.
        limit_seconds: u64,
    },
    /// Lets those requests through.
    ReleaseHold {
        /// The gateway's container.
        gateway: String,
        /// Service.
        service: String,
        /// As in the hold.
        backends: Vec<String>,
    },
    /// Waits until the release of a service that gets nothing new has ended what it was at, or the time is over.
    Drain {
        /// The gateway's container.
        gateway: String,
        /// Service.
        service: String,
        /// The gateway's names for it.
        backends: Vec<String>,
        /// How long, in seconds.
        limit_seconds: u64,
    },
    /// Lets the gateway watch services, and send their requests back to the release before when they fail.
    Watch {
        /// The gateway's container.
        gateway: String,
        /// The deployment that is watched.
        deployment: DeploymentId,
        /// For how long, in seconds.
        seconds: u64,
        /// How long what is left is given to end what it is at, in seconds.
        drain_seconds: u64,
        /// When it has failed.
        #[serde(default, skip_serializing_if = "WatchRules::are_usual")]
        rules: WatchRules,
        /// What is watched.
        routes: Vec<Route>,
        /// Where the same ports led before.
        back: Vec<Route>,
    },
    /// Asks services through the gateway, until they answer there.
    Verify {
        /// The gateway's container.
        gateway: String,
        /// Which.
        targets: Vec<VerifyTarget>,
    },
    /// Asks candidates through the gateway, on routes that nobody else has.
    Rehearse {
        /// The gateway's container.
        gateway: String,
        /// Where requests will go.
        routes: Vec<Route>,
        /// Which services are asked.
        targets: Vec<VerifyTarget>,
    },
    /// Sends some requests to candidates, compares what comes of them, and refuses what is worse.
    Canary {
        /// The gateway's container.
        gateway: String,
        /// Which services, and how.
        trials: Vec<Trial>,
    },
    /// Sends everything to the release before again, and waits until candidates have ended what they are at.
    EndCanary {
        /// The gateway's container.
        gateway: String,
        /// The gateway's names for the services.
        backends: Vec<String>,
        /// How long they have, in seconds.
        limit_seconds: u64,
    },
    /// Records the release as live: the point of no return.
    Record {
        /// Which.
        release: ReleaseId,
    },
}

/// A container under a gate.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
pub struct GateTarget {
    /// Service.
    pub service: String,
    /// Name on the engine.
    pub container: String,
}

/// A service with a canary.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
pub struct Trial {
    /// Service.
    pub service: String,
    /// Which requests, for how long, and what is too bad.
    pub rules: CanaryRules,
    /// Its ports, with the candidates behind them.
    pub routes: Vec<Route>,
}

/// A service that is asked through the gateway.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
pub struct VerifyTarget {
    /// Service.
    pub service: String,
    /// The port that it is known by, in its own containers.
    pub target: u16,
    /// The gateway's port for it, inside the gateway's container.
    pub port: u16,
}

/// Where a step stands in the deployment (SPEC §5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StepPhase {
    /// Networks, volumes, containers that do not run yet.
    Prepare,
    /// Candidates start beside the old release.
    Start,
    /// Candidates are checked.
    Gate,
    /// Traffic moves: here a client can notice.
    Switch,
    /// The release becomes the live one.
    Record,
    /// The old release is stopped and kept.
    Retire,
    /// What is beyond retention goes.
    Prune,
}

/// One step with its undo.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
pub struct Step {
    /// Where it stands.
    pub phase: StepPhase,
    /// What it does.
    pub action: Action,
    /// What takes it back; absent when nothing needs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undo: Option<Action>,
    /// Why it is there, for people.
    pub why: String,
}

/// An ordered list of steps.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
pub struct Plan {
    /// Steps in order.
    pub steps: Vec<Step>,
    /// What each service's rollout is and why, in service order.
    pub services: Vec<ServicePlan>,
}

impl Plan {
    /// Tells whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// The index of the step that records the release; everything before it can be undone.
    #[must_use]
    pub fn point_of_no_return(&self) -> Option<usize> {
        self.steps.iter().position(|step| matches!(step.action, Action::Record { .. }))
    }
}

/// What happens to a service and why.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
pub struct ServicePlan {
    /// Service.
    pub service: String,
    /// What happens.
    pub change: Change,
    /// How a replaced service is replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollout: Option<Rollout>,
    /// Why, for people.
    pub why: String,
}

/// What happens to a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// It did not run before.
    Create,
    /// Image, configuration and files are the same: not touched.
    Keep,
    /// Something differs.
    Replace,
    /// It is not in the new release.
    Remove,
    /// A one-shot service runs to completion.
    Run,
}

/// The order of a replacement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Rollout {
    /// The new container starts and passes its gate before the old one stops.
    StartFirst,
    /// The old container stops before the new one starts.
    StopFirst,
}
