//! Processor, memory, block IO, devices: what a container may use.

use bollard_stubs::models::{DeviceMapping, DeviceRequest, HostConfig, ResourcesBlkioWeightDevice, ResourcesUlimits, ThrottleDevice};
use chora_core::compose;
use chora_core::ports::EngineError;
use serde_json::Value;

pub(super) fn apply(host: &mut HostConfig, service: &compose::Service) -> Result<(), EngineError> {
    let bytes = |size: Option<compose::ByteSize>| size.map(|size| size.0);
    host.cpu_count = service.cpu_count;
    host.cpu_percent = service.cpu_percent.map(rounded);
    host.cpu_period = service.cpu_period;
    host.cpu_quota = service.cpu_quota;
    host.cpu_realtime_period = service.cpu_rt_period;
    host.cpu_realtime_runtime = service.cpu_rt_runtime;
    host.cpu_shares = service.cpu_shares;
    host.nano_cpus = service.cpus.map(nano_cpus);
    host.cpuset_cpus.clone_from(&service.cpuset);
    host.memory = bytes(service.mem_limit);
    host.memory_reservation = bytes(service.mem_reservation);
    host.memory_swap = bytes(service.memswap_limit);
    host.memory_swappiness = service.mem_swappiness;
    host.oom_kill_disable = service.oom_kill_disable.then_some(true);
    host.oom_score_adj = service.oom_score_adj;
    host.pids_limit = service.pids_limit;
    host.shm_size = bytes(service.shm_size);
    let limit = |(name, limit): (&String, &compose::Ulimit)| ResourcesUlimits {
        name: Some(name.clone()),
        soft: Some(limit.soft),
        hard: Some(limit.hard),
    };
    host.ulimits = (!service.ulimits.is_empty()).then(|| service.ulimits.iter().map(limit).collect());
    host.device_cgroup_rules = (!service.device_cgroup_rules.is_empty()).then(|| service.device_cgroup_rules.clone());
    if let Some(blkio) = &service.blkio_config {
        block_io(host, blkio);
    }
    devices(host, service);
    deploy(host, service)
}

#[expect(clippy::cast_possible_truncation, reason = "a float cast saturates, and the engine refuses what is out of range")]
fn rounded(value: f64) -> i64 {
    value.round() as i64
}

fn nano_cpus(cpus: f64) -> i64 {
    rounded(cpus * 1e9)
}

fn block_io(host: &mut HostConfig, blkio: &compose::BlkioConfig) {
    let rates = |devices: &[compose::ThrottleDevice]| -> Option<Vec<ThrottleDevice>> {
        let rate = |device: &compose::ThrottleDevice| ThrottleDevice { path: Some(device.path.clone()), rate: Some(device.rate.0) };
        (!devices.is_empty()).then(|| devices.iter().map(rate).collect())
    };
    let weight = |device: &compose::WeightDevice| ResourcesBlkioWeightDevice {
        path: Some(device.path.clone()),
        weight: Some(usize::from(device.weight)),
    };
    host.blkio_weight = blkio.weight;
    host.blkio_weight_device = (!blkio.weight_device.is_empty()).then(|| blkio.weight_device.iter().map(weight).collect());
    host.blkio_device_read_bps = rates(&blkio.device_read_bps);
    host.blkio_device_read_iops = rates(&blkio.device_read_iops);
    host.blkio_device_write_bps = rates(&blkio.device_write_bps);
    host.blkio_device_write_iops = rates(&blkio.device_write_iops);
}

/// A source such as `vendor.com/gpu=all` names a device of the Container Device Interface.
fn devices(host: &mut HostConfig, service: &compose::Service) {
    let (named, plain): (Vec<_>, Vec<_>) =
        service.devices.iter().partition(|device| !device.source.starts_with('/') && device.source.contains('='));
    let mapping = |device: &&compose::Device| DeviceMapping {
        path_on_host: Some(device.source.clone()),
        path_in_container: Some(device.target.clone().unwrap_or_else(|| device.source.clone())),
        cgroup_permissions: Some(device.permissions.clone().unwrap_or_else(|| "rwm".to_owned())),
    };
    host.devices = (!plain.is_empty()).then(|| plain.iter().map(mapping).collect());
    if !named.is_empty() {
        let device_ids = Some(named.iter().map(|device| device.source.clone()).collect());
        host.device_requests = Some(vec![DeviceRequest { driver: Some("cdi".to_owned()), device_ids, ..DeviceRequest::default() }]);
    }
}

/// `deploy.resources` wins over the older keys; a processor reservation means nothing to a single engine.
fn deploy(host: &mut HostConfig, service: &compose::Service) -> Result<(), EngineError> {
    let Some(resources) = service.deploy.as_ref().map(|deploy| &deploy.resources) else { return Ok(()) };
    if let Some(limits) = &resources.limits {
        host.nano_cpus = limits.cpus.map(nano_cpus).or(host.nano_cpus);
        host.memory = limits.memory.map(|size| size.0).or(host.memory);
        host.pids_limit = limits.pids.or(host.pids_limit);
    }
    if let Some(reserved) = &resources.reservations {
        host.memory_reservation = reserved.memory.map(|size| size.0).or(host.memory_reservation);
        let requests = reserved.devices.iter().map(device_request).collect::<Result<Vec<_>, _>>()?;
        if !requests.is_empty() {
            host.device_requests.get_or_insert_default().extend(requests);
        }
    }
    Ok(())
}

fn device_request(device: &Value) -> Result<DeviceRequest, EngineError> {
    let invalid = || EngineError::Invalid { reason: format!("a reserved device is not understood: {device}") };
    let words = |key: &str| -> Result<Vec<String>, EngineError> {
        let Some(list) = device.get(key) else { return Ok(Vec::new()) };
        let list = list.as_array().ok_or_else(invalid)?;
        list.iter().map(|word| word.as_str().map(str::to_owned).ok_or_else(invalid)).collect()
    };
    let device_ids = words("device_ids")?;
    let capabilities = words("capabilities")?;
    let count = match device.get("count") {
        Some(Value::String(text)) if text == "all" => Some(-1),
        Some(Value::String(text)) => Some(text.parse().map_err(|_| invalid())?),
        Some(number) => Some(number.as_i64().ok_or_else(invalid)?),
        None => device_ids.is_empty().then_some(-1),
    };
    let options = device.get("options").and_then(Value::as_object).map(|options| {
        options.iter().map(|(key, value)| (key.clone(), value.as_str().map_or_else(|| value.to_string(), str::to_owned))).collect()
    });
    Ok(DeviceRequest {
        driver: device.get("driver").and_then(Value::as_str).map(str::to_owned),
        count,
        device_ids: (!device_ids.is_empty()).then_some(device_ids),
        capabilities: (!capabilities.is_empty()).then(|| vec![capabilities]),
        options,
    })
}

#[cfg(test)]
mod tests {
    use bollard_stubs::models::HostConfig;
    use chora_core::compose::Service;

    use super::apply;

    #[test]
    fn deploy_limits_win_over_the_older_keys() {
        let service: Service = serde_json::from_value(serde_json::json!({
            "cpus": 0.5, "mem_limit": "1000", "pids_limit": 9,
            "devices": [{"source": "/dev/null"}, {"source": "acme.com/gpu=all"}],
            "deploy": {"resources": {
                "limits": {"cpus": 0.25, "memory": "2000"},
                "reservations": {"memory": "500", "devices": [{"capabilities": ["gpu"], "count": "all"}]}
            }}
        }))
        .unwrap();
        let mut host = HostConfig::default();
        apply(&mut host, &service).unwrap();
        assert_eq!((host.nano_cpus, host.memory, host.pids_limit), (Some(250_000_000), Some(2000), Some(9)));
        assert_eq!(host.memory_reservation, Some(500));
        assert_eq!(host.devices.unwrap()[0].path_in_container.as_deref(), Some("/dev/null"));
        let requests = host.device_requests.unwrap();
        assert_eq!(requests[0].driver.as_deref(), Some("cdi"));
        assert_eq!((requests[1].count, requests[1].capabilities.clone()), (Some(-1), Some(vec![vec!["gpu".to_owned()]])));
    }
}
