//! What a service can reach, and who can reach it.

use super::{In, each_in, each_service};
use crate::audit::marks::{Evidence, Marks};
use crate::audit::subject::Subject;
use crate::compose::{MountKind, Port};

/// Capabilities that amount to root on the host.
const STRONG: [&str; 7] = ["ALL", "SYS_ADMIN", "SYS_MODULE", "SYS_PTRACE", "SYS_RAWIO", "DAC_READ_SEARCH", "BPF"];

pub(super) fn unprivileged(subject: &Subject, marks: &mut Marks) {
    let mut found = Marks::default();
    each_in(
        subject,
        &mut found,
        |_| true,
        |at, found| {
            for (path, what) in privileges(at) {
                found.bad(at.at(&[path], format!("{}: {what}", at.name)));
            }
        },
    );
    if found.is_empty() && subject.environments.iter().any(|environment| environment.stack.is_ok()) {
        found.good(Evidence::note("no service has any"));
    }
    *marks = found;
}

/// What a service has that leads out of its container, each with its key.
fn privileges(at: &In<'_>) -> Vec<(&'static str, String)> {
    let service = at.service;
    let mut found = Vec::new();
    if service.privileged {
        found.push(("privileged", "privileged".to_owned()));
    }
    let is_socket = |path: &str| path.ends_with("/docker.sock") || path.ends_with("/podman.sock") || path.ends_with("/containerd.sock");
    let sockets = service.volumes.iter().filter(|mount| mount.kind == MountKind::Bind && mount.source.as_deref().is_some_and(is_socket));
    found.extend(sockets.map(|_| ("volumes", "holds the engine's socket, which is root on the host".to_owned())));
    if service.use_api_socket {
        found.push(("use_api_socket", "holds the engine's socket, which is root on the host".to_owned()));
    }
    for (key, value) in [("network_mode", &service.network_mode), ("pid", &service.pid), ("ipc", &service.ipc), ("uts", &service.uts)] {
        if value.as_deref() == Some("host") {
            found.push((key, format!("`{key}: host`")));
        }
    }
    let plain = |capability: &str| capability.to_ascii_uppercase().trim_start_matches("CAP_").to_owned();
    let strong = service.cap_add.iter().filter(|capability| STRONG.contains(&plain(capability).as_str()));
    found.extend(strong.map(|capability| ("cap_add", format!("the capability {capability}"))));
    let unconfined = service.security_opt.iter().filter(|option| option.ends_with("unconfined"));
    found.extend(unconfined.map(|option| ("security_opt", option.clone())));
    found
}

pub(super) fn capabilities(subject: &Subject, marks: &mut Marks) {
    each_service(subject, marks, |at, marks| {
        let dropped = &at.service.cap_drop;
        let place = |note: String| at.at(&["cap_drop"], note);
        if dropped.iter().any(|capability| capability.eq_ignore_ascii_case("all")) {
            marks.good(place(format!("{}: all", at.name)));
        } else if dropped.is_empty() {
            marks.bad(place(format!("{}: none is dropped", at.name)));
        } else {
            marks.half(place(format!("{}: not all are dropped", at.name)));
        }
    });
}

pub(super) fn no_new_privileges(subject: &Subject, marks: &mut Marks) {
    each_service(subject, marks, |at, marks| {
        let is_set = |option: &String| option.strip_prefix("no-new-privileges").is_some_and(|value| !value.ends_with("false"));
        if at.service.security_opt.iter().any(is_set) {
            marks.good(at.at(&["security_opt"], format!("{}: set", at.name)));
        } else {
            marks.bad(at.at(&["security_opt"], format!("{}: not set", at.name)));
        }
    });
}

pub(super) fn read_only(subject: &Subject, marks: &mut Marks) {
    each_service(subject, marks, |at, marks| {
        if !at.is_own() {
            return;
        }
        if at.service.read_only {
            marks.good(at.at(&["read_only"], format!("{}: read-only", at.name)));
        } else {
            marks.bad(at.at(&["read_only"], format!("{}: its root can be written", at.name)));
        }
    });
}

/// Whether a port is reached from this machine only.
fn is_local(port: &Port) -> bool {
    port.host_ip.as_deref().is_some_and(|ip| ip.starts_with("127.") || ip == "::1")
}

/// Whether a port is reached from everywhere without anybody having said so.
fn is_anywhere(port: &Port) -> bool {
    port.host_ip.as_deref().is_none_or(|ip| ["", "0.0.0.0", "::"].contains(&ip))
}

fn shown(port: &Port) -> String {
    format!("{}:{}", port.published.as_deref().unwrap_or("any"), port.target)
}

pub(super) fn store_ports(subject: &Subject, marks: &mut Marks) {
    each_in(
        subject,
        marks,
        |_| true,
        |at, marks| {
            if !at.is_store() {
                return;
            }
            let (name, is_careful) = (at.name, at.environment.is_careful());
            for port in &at.service.ports {
                let what = shown(port);
                match (is_local(port), is_careful) {
                    (true, true) => marks.half(at.at(&["ports"], format!("{name}: {what} is published, on this machine"))),
                    (true, false) => {}
                    (false, _) => marks.bad(at.at(&["ports"], format!("{name}: {what} is published"))),
                }
            }
            if is_careful && at.service.ports.is_empty() {
                marks.good(at.at(&[], format!("{name}: none is published")));
            }
        },
    );
}

pub(super) fn bound(subject: &Subject, marks: &mut Marks) {
    each_service(subject, marks, |at, marks| {
        for port in at.service.ports.iter().filter(|_| !at.is_store()) {
            let what = shown(port);
            // What the web comes in by is meant for everybody.
            let is_public = ["80", "443"].contains(&port.published.as_deref().unwrap_or_default());
            if is_anywhere(port) && !is_public {
                marks.bad(at.at(&["ports"], format!("{}: {what} is published on every address", at.name)));
            } else {
                let address = port.host_ip.as_deref().unwrap_or("every address, as the web is");
                marks.good(at.at(&["ports"], format!("{}: {what} on {address}", at.name)));
            }
        }
    });
}

pub(super) fn store_networks(subject: &Subject, marks: &mut Marks) {
    each_service(subject, marks, |at, marks| {
        if !at.is_store() {
            return;
        }
        let networks = &at.service.networks;
        if networks.is_empty() {
            return;
        }
        let is_internal = |key: &&String| at.resolved.stack.networks.get(*key).is_some_and(|network| network.internal);
        let internal = networks.keys().filter(is_internal).count();
        let open: Vec<&str> = networks.keys().filter(|key| !is_internal(key)).map(String::as_str).collect();
        let note = match open.first() {
            Some(network) => format!("{}: the network `{network}` leads outside", at.name),
            None => format!("{}: internal", at.name),
        };
        marks.share(internal, networks.len(), at.at(&["networks"], note));
    });
}
