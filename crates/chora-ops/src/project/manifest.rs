//! `chora.yaml`, turned into what operations need.

mod bridge;
pub(super) mod edge;
mod health;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use chora_core::compose::Stack;
use chora_core::model::canary::{CanaryRules, Mark};
use chora_core::plan::Rollout;
use chora_syntax::manifest::{self, Environment, Manifest};

pub(super) use self::bridge::{astray, bridges};
use super::load::ServiceSettings;
use crate::failure::{Failure, FailureKind};

/// The file's name.
const FILE: &str = "chora.yaml";

/// Reads `chora.yaml` where there is one.
pub(super) fn read(directory: &Path) -> Result<Option<Manifest>, Failure> {
    let path = directory.join(FILE);
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            return Err(Failure::new(FailureKind::Invalid, format!("{FILE} cannot be read: {error}")).hint("make it a readable text file"));
        }
    };
    manifest::parse(&text, FILE).map(Some).map_err(|problems| {
        let details = problems.0.iter().map(|problem| problem.render(false)).collect();
        let failure = Failure::new(FailureKind::Invalid, format!("{FILE} has problems"));
        failure.state("nothing was changed").hint("mend the file; `chora schema` describes it").details(details)
    })
}

/// An environment of the manifest; one that it does not describe has every default.
pub(super) fn environment(manifest: Option<&Manifest>, name: &str) -> Result<Environment, Failure> {
    let Some(manifest) = manifest.filter(|manifest| !manifest.environments.is_empty()) else { return checked_name(name) };
    if let Some(environment) = manifest.environments.get(name) {
        return Ok(environment.clone());
    }
    // The two names that commands use without being asked need no description.
    if [super::DEFAULT_ENVIRONMENT, super::DEVELOPMENT].contains(&name) {
        return Ok(Environment::default());
    }
    let known: Vec<&str> = manifest.environments.keys().map(String::as_str).collect();
    Err(Failure::new(FailureKind::NotFound, format!("no environment `{name}` in {FILE}"))
        .hint(format!("its environments are {}", known.join(", "))))
}

/// A name that goes into names on the engine.
fn checked_name(name: &str) -> Result<Environment, Failure> {
    let fine = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
    let first = name.chars().next().is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    if first && name.chars().all(fine) {
        return Ok(Environment::default());
    }
    Err(Failure::new(FailureKind::Invalid, format!("`{name}` is not an environment's name"))
        .hint("use lower-case letters, digits, dashes and underscores"))
}

/// Keys of `chora.yaml` that a deployment into this environment would have to honour and does not yet.
pub(super) fn not_honoured(manifest: Option<&Manifest>, name: &str, environment: &Environment) -> Vec<String> {
    let Some(manifest) = manifest else { return Vec::new() };
    let at = format!("environments.{name}");
    let here = [
        (environment.promote_from.is_some(), format!("{at}.promote_from")),
        (environment.approval == manifest::Approval::Required, format!("{at}.approval")),
        (environment.backup, format!("{at}.backup")),
        (!manifest.secrets.is_empty(), "secrets".to_owned()),
        (manifest.inbox != manifest::Inbox::default(), "inbox".to_owned()),
        (manifest.hooks != manifest::Hooks::default(), "hooks".to_owned()),
    ];
    let mut keys: Vec<String> = here.into_iter().filter(|(set, _)| *set).map(|(_, key)| key).collect();
    for (service, settings) in &manifest.services {
        keys.extend(settings.backup.as_ref().map(|_| format!("services.{service}.backup")));
    }
    keys.into_iter()
        .map(|key| format!("{FILE}: `{key}` is not honoured yet; a deployment that ignored it would not do what it says"))
        .collect()
}

/// Drain times of services that name one.
pub(super) fn drains(manifest: Option<&Manifest>) -> BTreeMap<String, Duration> {
    let services = manifest.into_iter().flat_map(|manifest| &manifest.services);
    services.filter_map(|(service, settings)| Some((service.clone(), settings.drain?.0))).collect()
}

/// What a gate can never see, because it ends before.
pub(super) fn out_of_reach(manifest: Option<&Manifest>, name: &str, environment: &Environment) -> Vec<String> {
    let services = manifest.into_iter().flat_map(|manifest| &manifest.services);
    let limit = environment.gate_timeout.0;
    services
        .flat_map(|(service, settings)| {
            let uptime = settings.health.process.as_ref().and_then(|check| check.uptime);
            let waits = [("container.stable_for", settings.health.container.stable_for), ("process.uptime", uptime)];
            let too_long = waits.into_iter().filter(move |(_, wanted)| wanted.is_some_and(|wanted| wanted.0 >= limit));
            too_long.map(move |(key, _)| {
                format!("{FILE}: `services.{service}.health.{key}` does not fit into `gate_timeout` ({limit:?}) of environment `{name}`")
            })
        })
        .collect()
}

/// Checks, rollouts and contracts by service: those of the file, and those of the stack that have a contract.
pub(super) fn services(manifest: Option<&Manifest>, directory: &Path, stack: &Stack) -> Result<ServiceSettings, Failure> {
    let mut settings = ServiceSettings::default();
    let defaults = manifest::ServiceSettings::default();
    let named = manifest.into_iter().flat_map(|manifest| manifest.services.keys());
    for name in named.chain(stack.services.keys()) {
        if settings.contracts.contains_key(name) {
            continue;
        }
        let service = manifest.and_then(|manifest| manifest.services.get(name)).unwrap_or(&defaults);
        match &service.rollout {
            manifest::Rollout::Auto => {}
            manifest::Rollout::StartFirst => drop(settings.rollouts.insert(name.clone(), Rollout::StartFirst)),
            manifest::Rollout::StopFirst => drop(settings.rollouts.insert(name.clone(), Rollout::StopFirst)),
            manifest::Rollout::Canary(asked) => drop(settings.canaries.insert(name.clone(), canary_rules(asked))),
        }
        let contract = contract_path(name, service.contract.as_deref());
        let health = health::service_health(name, &service.health, &directory.join(&contract), stack.services.get(name))?;
        settings.health.insert(name.clone(), health);
        settings.contracts.insert(name.clone(), contract);
    }
    Ok(settings)
}

fn canary_rules(asked: &manifest::Canary) -> CanaryRules {
    let mark = |(name, value)| Mark { name, value };
    CanaryRules {
        share: asked.canary.0,
        seconds: asked.r#for.0.as_secs(),
        header: asked.header_rule().map(mark),
        cookie: asked.cookie_rule().map(mark),
        requests: asked.requests,
        errors: asked.errors.0,
        slower: asked.slower.0,
    }
}

/// Where a service's contract is, or would be, relative to the project.
fn contract_path(service: &str, named: Option<&str>) -> PathBuf {
    named.map_or_else(|| Path::new(".chora/contracts").join(format!("{service}.json")), PathBuf::from)
}
