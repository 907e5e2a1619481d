//! Rules about hosts, paths and TLS.

use std::collections::BTreeMap;

use super::span;
use crate::diagnostic::Problem;
use crate::manifest::edge::{Tls, is_for, is_host};
use crate::manifest::{EnvironmentClass, Manifest};
use crate::yaml::Node;

/// Checks what services and environments say about the way in.
pub(super) fn check(manifest: &Manifest, tree: &Node, problems: &mut Vec<Problem>) {
    services(manifest, tree, problems);
    for (name, environment) in &manifest.environments {
        let Some(tls) = &environment.tls else { continue };
        let place = span(tree, &["environments", name, "tls"]);
        if environment.class_of(name) == EnvironmentClass::Development || !environment.gateway {
            problems.push(Problem::value(place, format!("`tls` needs a gateway, and environment `{name}` has none")));
            continue;
        }
        let hosts: Vec<&str> = manifest.services.values().flat_map(|service| &service.hosts).map(String::as_str).collect();
        if hosts.is_empty() {
            problems.push(Problem::value(place, "`tls` needs a service that names its `hosts`"));
        }
        for why in faults(tls, &hosts) {
            problems.push(Problem::value(place, why));
        }
    }
}

/// What is wrong with the names, and what two services want both.
fn services(manifest: &Manifest, tree: &Node, problems: &mut Vec<Problem>) {
    let mut taken: BTreeMap<(String, &str), &str> = BTreeMap::new();
    for (name, service) in &manifest.services {
        let at = |key: &str| span(tree, &["services", name, key]);
        for host in service.hosts.iter().filter(|host| !is_host(host, false)) {
            problems.push(Problem::value(at("hosts"), format!("`{host}` is no host; a star is not possible here")));
        }
        for path in service.paths.iter().filter(|path| !path.starts_with('/')) {
            problems.push(Problem::value(at("paths"), format!("`{path}` does not start with `/`")));
        }
        if service.port == Some(0) {
            problems.push(Problem::value(at("port"), "0 is no port"));
        }
        if service.port.is_some() && !service.is_public() {
            problems.push(Problem::value(at("port"), "`port` belongs to `hosts` or `paths`"));
        }
        for (host, path) in service.places() {
            let key = if service.hosts.is_empty() { "paths" } else { "hosts" };
            match taken.insert((host.to_ascii_lowercase(), path), name) {
                Some(other) if other == name => problems.push(Problem::value(at(key), format!("`{host}{path}` is named twice"))),
                Some(other) => problems.push(Problem::value(at(key), format!("`{host}{path}` belongs to service `{other}` already"))),
                None => {}
            }
        }
    }
}

fn faults(tls: &Tls, hosts: &[&str]) -> Vec<String> {
    let mut faults = Vec::new();
    if tls.certificates.is_empty() && tls.acme.is_none() {
        faults.push("`tls` needs `certificates` or `acme`".to_owned());
    }
    for certificate in &tls.certificates {
        faults.extend(certificate.hosts.iter().filter(|host| !is_host(host, true)).map(|host| format!("`{host}` is no host")));
        if certificate.hosts.is_empty() {
            faults.push(format!("the certificate {} is for no host", certificate.certificate));
        }
    }
    let bare = |host: &&&str| !tls.certificates.iter().flat_map(|one| &one.hosts).any(|pattern| is_for(host, pattern));
    match &tls.acme {
        Some(acme) if !acme.directory.starts_with("https://") => {
            faults.push(format!("`{}` is no directory of ACME: it does not begin with https://", acme.directory));
        }
        Some(_) => {}
        None if tls.certificates.is_empty() => {}
        None => faults.extend(hosts.iter().filter(bare).map(|host| format!("no certificate is for `{host}`"))),
    }
    faults
}
