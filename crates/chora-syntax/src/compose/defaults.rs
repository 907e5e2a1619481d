//! Values that a file need not give.

use super::canonical::{default, insert};
use crate::span::Span;
use crate::yaml::{Map, Node, Value};

/// Gives every service's parts their defaults.
pub(super) fn apply(model: &mut Node) {
    let Some(Value::Map(services)) = model.as_map_mut().and_then(|map| map.get_mut("services")).map(|entry| &mut entry.node.value) else {
        return;
    };
    for entry in services.values_mut() {
        if let Value::Map(service) = &mut entry.node.value {
            apply_service(service);
        }
    }
}

fn apply_service(service: &mut Map) {
    if let Some(entry) = service.get_mut("build") {
        let span = entry.node.span;
        if let Value::Map(build) = &mut entry.node.value {
            default(build, "context", span, || Value::Text(".".to_owned()));
        }
    }
    each(service, "secrets", |secret, span| {
        let source = secret.get("source").and_then(|entry| entry.node.as_text()).unwrap_or_default();
        let target = format!("/run/secrets/{source}");
        default(secret, "target", span, || Value::Text(target.clone()));
    });
    each(service, "ports", |port, span| {
        default(port, "protocol", span, || Value::Text("tcp".to_owned()));
        default(port, "mode", span, || Value::Text("ingress".to_owned()));
    });
    each(service, "gpus", all_devices);
    each(service, "volumes", |volume, _| {
        if let Some(entry) = volume.get_mut("bind") {
            let span = entry.node.span;
            if let Value::Map(bind) = &mut entry.node.value {
                default(bind, "create_host_path", span, || Value::Bool(true));
            }
        }
    });
    let reservations = ["deploy", "resources", "reservations"]
        .into_iter()
        .try_fold(service, |map, key| map.get_mut(key).and_then(|entry| entry.node.as_map_mut()));
    if let Some(reservations) = reservations {
        each(reservations, "devices", all_devices);
    }
}

fn all_devices(request: &mut Map, span: Span) {
    if !request.contains_key("count") && !request.contains_key("device_ids") {
        insert(request, "count", Node::text(span, "all"));
    }
}

fn each(map: &mut Map, key: &str, change: impl Fn(&mut Map, Span)) {
    let list = map.get_mut(key).and_then(|entry| entry.node.as_list_mut());
    for item in list.into_iter().flatten() {
        let span = item.span;
        if let Value::Map(map) = &mut item.value {
            change(map, span);
        }
    }
}

/// Removes blank items of `dns`, which unset variables leave behind.
pub(super) fn drop_empty(model: &mut Node) {
    let Some(Value::Map(services)) = model.as_map_mut().and_then(|map| map.get_mut("services")).map(|entry| &mut entry.node.value) else {
        return;
    };
    for service in services.values_mut() {
        let dns = service.node.as_map_mut().and_then(|map| map.get_mut("dns")).and_then(|entry| entry.node.as_list_mut());
        if let Some(dns) = dns {
            dns.retain(|item| !item.is_null() && item.as_text() != Some(""));
        }
    }
}
