//! The part of the request that concerns the engine's host.

use bollard_stubs::models::{HostConfig, HostConfigCgroupnsModeEnum, HostConfigIsolationEnum, HostConfigLogConfig, PortMap};
use chora_core::compose;
use chora_core::model::container::ContainerSpec;
use chora_core::ports::EngineError;
use serde_json::{Value, json};

use super::request::ordered_attachments;
use super::{limits, mounts, restart, security};
use crate::client::Handshake;
use crate::networks::table;

pub(super) fn config(spec: &ContainerSpec, bindings: PortMap, handshake: Handshake, keeps_files: bool) -> Result<HostConfig, EngineError> {
    let service = &spec.service;
    let list = |values: &[String]| (!values.is_empty()).then(|| values.to_vec());
    if !service.annotations.is_empty() && !handshake.has(1, 43) {
        return Err(EngineError::Invalid { reason: format!("container `{}`: `annotations` needs engine API 1.43", spec.name) });
    }
    let mut host = HostConfig {
        annotations: (!service.annotations.is_empty()).then(|| table(&service.annotations)),
        cap_add: list(&service.cap_add),
        cap_drop: list(&service.cap_drop),
        cgroup_parent: service.cgroup_parent.clone(),
        cgroupns_mode: named::<HostConfigCgroupnsModeEnum>("cgroup", service.cgroup.as_ref())?,
        dns: list(&service.dns),
        dns_options: list(&service.dns_opt),
        dns_search: list(&service.dns_search),
        extra_hosts: (!service.extra_hosts.is_empty()).then(|| service.extra_hosts.iter().map(|entry| extra_host(entry)).collect()),
        group_add: list(&service.group_add),
        init: service.init,
        ipc_mode: service.ipc.clone(),
        isolation: named::<HostConfigIsolationEnum>("isolation", service.isolation.as_ref())?,
        log_config: service.logging.as_ref().map(logging),
        network_mode: network_mode(spec),
        pid_mode: service.pid.clone(),
        port_bindings: (!bindings.is_empty()).then_some(bindings),
        privileged: Some(service.privileged),
        readonly_rootfs: Some(service.read_only),
        restart_policy: restart::policy(service)?,
        runtime: service.runtime.clone(),
        security_opt: security::options(service)?,
        storage_opt: (!service.storage_opt.is_empty()).then(|| table(&service.storage_opt)),
        sysctls: (!service.sysctls.is_empty()).then(|| table(&service.sysctls)),
        userns_mode: service.userns_mode.clone(),
        uts_mode: service.uts.clone(),
        volumes_from: volumes_from(service),
        ..HostConfig::default()
    };
    limits::apply(&mut host, service)?;
    mounts::apply(&mut host, spec, handshake, keeps_files)?;
    Ok(host)
}

fn named<T: std::str::FromStr>(key: &str, value: Option<&String>) -> Result<Option<T>, EngineError> {
    let invalid = |value: &String| EngineError::Invalid { reason: format!("`{key}: {value}` is unknown to the engine") };
    value.map(|value| value.parse().map_err(|_| invalid(value))).transpose()
}

/// Compose separates host and address with `=`, the engine with `:`.
fn extra_host(entry: &str) -> String {
    let Some((host, address)) = entry.split_once('=') else { return entry.to_owned() };
    format!("{host}:{}", address.trim_start_matches('[').trim_end_matches(']'))
}

fn logging(logging: &compose::Logging) -> HostConfigLogConfig {
    HostConfigLogConfig { typ: Some(logging.driver.clone().unwrap_or_default()), config: Some(table(&logging.options)) }
}

fn network_mode(spec: &ContainerSpec) -> Option<String> {
    spec.network_mode.clone().or_else(|| ordered_attachments(spec).first().map(|first| first.network.clone()))
}

fn volumes_from(service: &compose::Service) -> Option<Vec<String>> {
    let plain = |entry: &String| entry.strip_prefix("container:").unwrap_or(entry).to_owned();
    (!service.volumes_from.is_empty()).then(|| service.volumes_from.iter().map(plain).collect())
}

/// `systempaths=unconfined` lifts the masks; the engine tells empty lists from absent ones.
pub(super) fn unmask(body: &mut Value, service: &compose::Service) {
    let asked = |option: &String| option == "systempaths=unconfined" || option == "systempaths:unconfined";
    if service.security_opt.iter().any(asked)
        && let Some(host) = body.get_mut("HostConfig").and_then(Value::as_object_mut)
    {
        host.insert("MaskedPaths".to_owned(), json!([]));
        host.insert("ReadonlyPaths".to_owned(), json!([]));
    }
}

#[cfg(test)]
mod tests {
    use super::extra_host;

    #[test]
    fn extra_hosts_take_the_engines_form() {
        assert_eq!(extra_host("db=10.0.0.1"), "db:10.0.0.1");
        assert_eq!(extra_host("db=[::1]"), "db:::1");
        assert_eq!(extra_host("gate=host-gateway"), "gate:host-gateway");
    }
}
