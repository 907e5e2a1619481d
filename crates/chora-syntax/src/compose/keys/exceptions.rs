//! The keys that are not simply honoured.

use super::{Exception, Support};

const NONE: &[&str] = &[];

const fn refused(path: &'static str, reason: &'static str) -> Exception {
    Exception { path, support: Support::Refused, reason, harmless: NONE, only: NONE }
}

const fn ignored(path: &'static str, reason: &'static str) -> Exception {
    Exception { path, support: Support::Ignored, reason, harmless: NONE, only: NONE }
}

const fn carried(path: &'static str, reason: &'static str) -> Exception {
    Exception { path, support: Support::Carried, reason, harmless: NONE, only: NONE }
}

const fn unless(mut exception: Exception, harmless: &'static [&'static str]) -> Exception {
    exception.harmless = harmless;
    exception
}

const fn only(mut exception: Exception, values: &'static [&'static str]) -> Exception {
    exception.only = values;
    exception
}

const SWARM: &str = "it is for Swarm, this is one engine";
const WINDOWS: &str = "it is for Windows containers";
const BUILDER: &str = "the engine's own builder does not take it";
const STORE: &str = "there is no store of such objects; give it a `file`, or `environment`";

/// The table.
pub(super) static EXCEPTIONS: &[Exception] = &[
    carried("services.*.attach", "which logs `chora up` shows"),
    refused("services.*.build.additional_contexts", BUILDER),
    refused("services.*.build.entitlements", BUILDER),
    unless(refused("services.*.build.isolation", WINDOWS), &["default"]),
    ignored("services.*.build.no_cache_filter", "the engine's own builder caches all stages or none; `no_cache` is honoured"),
    refused("services.*.build.privileged", BUILDER),
    unless(ignored("services.*.build.provenance", "no attestations are made"), &["false"]),
    unless(ignored("services.*.build.sbom", "no attestations are made"), &["false"]),
    refused("services.*.build.ssh", BUILDER),
    refused("services.*.cpu_count", WINDOWS),
    refused("services.*.cpu_percent", WINDOWS),
    refused("services.*.credential_spec", WINDOWS),
    refused("services.*.deploy.endpoint_mode", SWARM),
    ignored("services.*.deploy.labels", "they are labels of a Swarm service; containers get those of `labels`"),
    unless(refused("services.*.deploy.mode", SWARM), &["replicated"]),
    refused("services.*.deploy.placement", SWARM),
    ignored("services.*.deploy.resources.reservations.cpus", SWARM),
    refused("services.*.deploy.resources.reservations.generic_resources", SWARM),
    ignored("services.*.deploy.restart_policy.delay", "the engine chooses the time between restarts"),
    ignored("services.*.deploy.restart_policy.window", "the engine decides when a restart has succeeded"),
    ignored("services.*.deploy.rollback_config", "a rollback restores the whole release; see `chora rollback`"),
    ignored("services.*.deploy.update_config", "the order is `rollout` of the service in chora.yaml"),
    carried("services.*.develop", "what `chora up` watches"),
    refused("services.*.external_links", "links reach across projects; share an external network instead"),
    refused("services.*.gpus", "request them under `deploy.resources.reservations.devices`"),
    unless(refused("services.*.isolation", WINDOWS), &["default"]),
    refused("services.*.models", "there is no model runner"),
    carried("services.*.ports.app_protocol", "a hint for people and tools"),
    carried("services.*.ports.mode", "one engine publishes in one way"),
    carried("services.*.ports.name", "a hint for people and tools"),
    refused("services.*.post_start", "hooks are not run; make it a one-shot service that depends on this one"),
    refused("services.*.pre_stop", "hooks are not run; let the program handle `stop_signal`"),
    refused("services.*.provider", "no program is run in place of a container"),
    ignored("services.*.pull_refresh_after", "it has no meaning without a refresh policy"),
    refused("services.*.use_api_socket", "it hands over the engine and its registry logins; mount the socket where that is meant"),
    ignored("services.*.volumes.consistency", "mounts are consistent on Linux"),
    only(refused("services.*.volumes.type", "this kind of mount is not for Linux containers on one engine"), &["npipe", "cluster"]),
    refused("configs.*.external", STORE),
    refused("configs.*.template_driver", SWARM),
    ignored("configs.*.labels", SWARM),
    refused("networks.*.ipam.options", "the engine's address management takes none"),
    refused("secrets.*.driver", SWARM),
    refused("secrets.*.driver_opts", SWARM),
    refused("secrets.*.external", STORE),
    ignored("secrets.*.labels", SWARM),
    refused("secrets.*.template_driver", SWARM),
    refused("models.*", "there is no model runner"),
];
