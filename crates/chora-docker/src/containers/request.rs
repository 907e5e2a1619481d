//! The request that creates a container, from a resolved service.

use std::collections::HashMap;

use bollard_stubs::models::{ContainerCreateBody, HealthConfig, NetworkingConfig};
use chora_core::compose;
use chora_core::model::container::ContainerSpec;
use chora_core::model::network::Attachment;
use chora_core::ports::EngineError;
use serde_json::{Value, json};

use super::{endpoints, host, restart, whole_seconds};
use crate::client::{Client, Handshake};
use crate::images;
use crate::networks::table;

pub(super) async fn body(client: &Client, spec: &ContainerSpec, handshake: Handshake, keeps_files: bool) -> Result<Value, EngineError> {
    let service = &spec.service;
    let ports = endpoints::ports(spec);
    let host = host::config(spec, ports.bindings, handshake, keeps_files)?;
    let mut labels = table(&spec.labels);
    restart::note(&mut labels, host.restart_policy.as_ref());
    let body = ContainerCreateBody {
        hostname: service.hostname.clone(),
        domainname: service.domainname.clone(),
        user: service.user.clone(),
        attach_stdin: Some(false),
        attach_stdout: Some(false),
        attach_stderr: Some(false),
        exposed_ports: (!ports.exposed.is_empty()).then_some(ports.exposed),
        tty: Some(service.tty),
        open_stdin: Some(service.stdin_open),
        env: Some(environment(service)),
        cmd: service.command.clone(),
        entrypoint: entrypoint(client, spec).await?,
        healthcheck: service.healthcheck.as_ref().map(|check| healthcheck(check, handshake)),
        image: Some(spec.image.as_str().to_owned()),
        working_dir: service.working_dir.clone(),
        labels: Some(labels),
        stop_signal: service.stop_signal.clone(),
        stop_timeout: service.stop_grace_period.map(|grace| clamp(whole_seconds(grace.0))),
        host_config: Some(host),
        networking_config: networking(spec, handshake)?,
        ..ContainerCreateBody::default()
    };
    let mut body = json!(body);
    host::unmask(&mut body, service);
    if let (Some(address), false, Some(fields)) = (endpoints::mac_address(spec), handshake.has(1, 44), body.as_object_mut()) {
        // From API 1.44 on the address belongs to the endpoint.
        fields.insert("MacAddress".to_owned(), json!(address));
    }
    Ok(body)
}

fn environment(service: &compose::Service) -> Vec<String> {
    // A bare name takes the variable out of what the image sets.
    let line = |(name, value): (&String, &Option<String>)| value.as_ref().map_or_else(|| name.clone(), |value| format!("{name}={value}"));
    service.environment.iter().map(line).collect()
}

/// An empty `command` clears the image's, which the engine does only beside an entry point given by name.
async fn entrypoint(client: &Client, spec: &ContainerSpec) -> Result<Option<Vec<String>>, EngineError> {
    let service = &spec.service;
    if service.entrypoint.is_none() && service.command.as_ref().is_some_and(Vec::is_empty) {
        let entrypoint = images::entrypoint(client, spec.image.as_str()).await?;
        return Ok(Some(entrypoint).filter(|words| !words.is_empty()));
    }
    Ok(service.entrypoint.clone())
}

fn healthcheck(check: &compose::Healthcheck, handshake: Handshake) -> HealthConfig {
    let nanoseconds = |duration: compose::GoDuration| i64::try_from(duration.0.as_nanos()).unwrap_or(i64::MAX);
    if check.disable || check.test.first().is_some_and(|word| word == "NONE") {
        return HealthConfig { test: Some(vec!["NONE".to_owned()]), ..HealthConfig::default() };
    }
    HealthConfig {
        test: (!check.test.is_empty()).then(|| check.test.clone()),
        interval: check.interval.map(nanoseconds),
        timeout: check.timeout.map(nanoseconds),
        retries: check.retries.map(clamp),
        start_period: check.start_period.map(nanoseconds),
        start_interval: check.start_interval.filter(|_| handshake.has(1, 44)).map(nanoseconds),
    }
}

pub(super) fn clamp(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// Networks in the order of `priority`, highest first; the first one is the container's own.
pub(super) fn ordered_attachments(spec: &ContainerSpec) -> Vec<&Attachment> {
    let mut attachments: Vec<&Attachment> = spec.attachments.iter().collect();
    let priority = |attachment: &&Attachment| attachment.options.as_ref().and_then(|options| options.priority).unwrap_or(0);
    attachments.sort_by_key(|attachment| std::cmp::Reverse(priority(attachment)));
    attachments
}

fn networking(spec: &ContainerSpec, handshake: Handshake) -> Result<Option<NetworkingConfig>, EngineError> {
    let mut settings = HashMap::new();
    let count = if handshake.has(1, 44) { usize::MAX } else { 1 };
    for (place, attachment) in ordered_attachments(spec).into_iter().take(count).enumerate() {
        let mut endpoint = endpoints::endpoint_settings(attachment, handshake)?;
        if place == 0 {
            endpoint.links = (!spec.service.links.is_empty()).then(|| spec.service.links.clone());
            if handshake.has(1, 44) {
                endpoint.mac_address = endpoint.mac_address.or_else(|| endpoints::mac_address(spec));
            }
        }
        settings.insert(attachment.network.clone(), endpoint);
    }
    Ok((!settings.is_empty()).then_some(NetworkingConfig { endpoints_config: Some(settings) }))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use chora_core::compose::{GoDuration, Healthcheck};

    use super::healthcheck;
    use crate::client::Handshake;

    #[test]
    fn a_start_interval_is_kept_where_the_engine_knows_it() {
        let check = Healthcheck { start_interval: Some(GoDuration(Duration::from_secs(1))), ..Healthcheck::default() };
        let old = Handshake { api: (1, 41), buildkit: true };
        let new = Handshake { api: (1, 44), buildkit: true };
        assert_eq!(healthcheck(&check, old).start_interval, None);
        assert_eq!(healthcheck(&check, new).start_interval, Some(1_000_000_000));
        let disabled = Healthcheck { disable: true, ..check };
        assert_eq!(healthcheck(&disabled, new).test, Some(vec!["NONE".to_owned()]));
    }
}
