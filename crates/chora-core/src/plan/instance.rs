//! The containers that a plan creates: names, labels, networks, files.

use indexmap::IndexMap;

use super::definition::network_name;
use super::deploy::DeployInput;
use super::gateway::LONGEST_LABEL;
use super::step::{FileRef, Instance};
use super::{labels, order};
use crate::compose::{Network, Service, ServiceNetwork};
use crate::model::digest::Digest;
use crate::model::ids::ImageId;
use crate::model::network::Attachment;

/// Mode of a file whose reference names none (Compose Specification: world-readable).
const DEFAULT_MODE: u32 = 0o444;

/// Where a service's configs and secrets go in its container; the digests come from `files`, missing ones are left out.
#[must_use]
pub fn file_targets(service: &Service, files: &IndexMap<String, Digest>) -> Vec<FileRef> {
    let sorted = [("config", "/", &service.configs), ("secret", "/run/secrets/", &service.secrets)];
    let mut targets = Vec::new();
    for (kind, base, references) in sorted {
        for reference in references {
            let source = format!("{kind}:{}", reference.source);
            let target = reference.target.as_deref().unwrap_or(&reference.source);
            let path = if target.starts_with('/') { target.to_owned() } else { format!("{base}{target}") };
            let Some(digest) = files.get(&source).cloned() else { continue };
            let id = |text: &Option<String>| text.as_deref().and_then(|text| text.parse().ok()).unwrap_or(0);
            let mode = reference.mode.as_deref().and_then(|text| u32::from_str_radix(text, 8).ok()).unwrap_or(DEFAULT_MODE);
            targets.push(FileRef { source, path, digest, uid: id(&reference.uid), gid: id(&reference.gid), mode });
        }
    }
    targets
}

/// How a service joins one network under its own name.
pub(super) fn attachment(network: String, service: &str, options: Option<&ServiceNetwork>) -> Attachment {
    let mut aliases = vec![service.to_owned()];
    aliases.extend(options.iter().flat_map(|options| options.aliases.iter().cloned()));
    Attachment { network, aliases, options: options.cloned() }
}

/// A service's places in the networks of the release that pass the filter.
pub(super) fn base_attachments(
    input: &DeployInput<'_>,
    (name, service): (&str, &Service),
    wanted: impl Fn(&Network) -> bool,
) -> Vec<Attachment> {
    let networks = service.networks.iter().filter_map(|(key, options)| Some((input.release.stack.networks.get(key)?, options)));
    let networks = networks.filter(|(network, _)| wanted(network));
    networks.map(|(network, options)| attachment(network_name(input, network), name, options.as_ref())).collect()
}

/// The name of a new container: fixed by the file, or unique to its deployment.
pub(super) fn container_name(input: &DeployInput<'_>, service: &str, number: u32) -> String {
    let fixed = input.release.stack.services.get(service).and_then(|service| service.container_name.clone());
    fixed.unwrap_or_else(|| made_name(&input.environment.project, service, input.deployment.short(), number))
}

/// A name by which others find the container: a longer one is cut, and a hash says of which service it is.
fn made_name(project: &str, service: &str, deployment: &str, number: u32) -> String {
    let name = format!("{project}-{service}-{deployment}-{number}");
    if name.len() <= LONGEST_LABEL {
        return name;
    }
    let digest = Digest::of(format!("{project}-{service}").as_bytes());
    let tail = format!("-{}-{deployment}-{number}", digest.short());
    let kept: String = name.chars().take(LONGEST_LABEL.saturating_sub(tail.len())).collect();
    format!("{}{tail}", kept.trim_end_matches(['-', '_', '.']))
}

pub(super) fn instance(
    input: &DeployInput<'_>,
    service: (&str, &Service),
    number: u32,
    attachments: Vec<Attachment>,
    peers: &IndexMap<String, String>,
) -> Instance {
    let (name, definition) = service;
    let image = input.release.images.get(name).map_or_else(|| ImageId::new(""), |pin| pin.id.clone());
    let fingerprint = input.release.fingerprints.get(name).cloned().unwrap_or_else(|| Digest::of(b""));
    let shared = order::shared_with(definition);
    Instance {
        service: name.to_owned(),
        number,
        name: container_name(input, name, number),
        labels: container_labels(input, name, definition, number, (&image, &fingerprint)),
        image,
        fingerprint,
        attachments,
        peers: peers.iter().filter(|(service, _)| shared.contains(&service.as_str())).map(|(a, b)| (a.clone(), b.clone())).collect(),
        files: file_targets(definition, &input.release.files),
    }
}

fn container_labels(
    input: &DeployInput<'_>,
    name: &str,
    service: &Service,
    number: u32,
    made_of: (&ImageId, &Digest),
) -> IndexMap<String, String> {
    let (image, fingerprint) = made_of;
    let mut all = service.labels.clone();
    all.extend(input.labels.clone());
    let depends_on: Vec<String> = service.depends_on.keys().map(|on| format!("{on}:service_started:false")).collect();
    let own = [
        (labels::PROJECT, input.environment.project.clone()),
        (labels::SERVICE, name.to_owned()),
        (labels::NUMBER, number.to_string()),
        (labels::ONEOFF, "False".to_owned()),
        (labels::CONFIG_HASH, fingerprint.to_string()),
        (labels::IMAGE, image.to_string()),
        (labels::DEPENDS_ON, depends_on.join(",")),
        (labels::ENVIRONMENT, input.environment.name.to_string()),
        (labels::RELEASE, input.release.id.to_string()),
        (labels::DEPLOYMENT, input.deployment.to_string()),
        (labels::FINGERPRINT, fingerprint.to_string()),
    ];
    all.extend(own.map(|(key, value)| (key.to_owned(), value)));
    all
}

#[cfg(test)]
mod tests {
    use indexmap::IndexMap;

    use super::{LONGEST_LABEL, file_targets, made_name};
    use crate::compose::{FileReference, Service};
    use crate::model::digest::Digest;

    #[test]
    fn files_go_where_compose_puts_them() {
        let reference = |source: &str, target: Option<&str>, mode: Option<&str>| FileReference {
            source: source.into(),
            target: target.map(Into::into),
            mode: mode.map(Into::into),
            ..FileReference::default()
        };
        let service = Service {
            configs: vec![reference("nginx", Some("/etc/nginx.conf"), None), reference("plain", None, None)],
            secrets: vec![reference("key", None, Some("0400")), reference("pem", Some("tls.pem"), None)],
            ..Service::default()
        };
        let known = ["config:nginx", "config:plain", "secret:key", "secret:pem"].map(|key| (key.to_owned(), Digest::of(key.as_bytes())));
        let targets = file_targets(&service, &IndexMap::from(known));
        let seen: Vec<_> = targets.iter().map(|target| (target.path.as_str(), target.mode)).collect();
        assert_eq!(seen, [("/etc/nginx.conf", 0o444), ("/plain", 0o444), ("/run/secrets/key", 0o400), ("/run/secrets/tls.pem", 0o444)]);
    }

    #[test]
    fn names_of_containers_can_be_resolved() {
        assert_eq!(made_name("shop", "web", "d1", 1), "shop-web-d1-1");
        let long = "a".repeat(50);
        let name = |project: &str, service: &str, number| made_name(project, service, "deadbeef", number);
        let names = [name(&long, "web", 1), name(&long, "web", 2), name(&long, "api", 1), name("shop", &long, 1), name("shop", &long, 12)];
        for (place, name) in names.iter().enumerate() {
            assert!(name.len() <= LONGEST_LABEL && name.contains("-deadbeef-"), "{name}");
            assert!(!names[..place].contains(name), "{name} twice");
        }
        assert!(names[0].ends_with("-deadbeef-1") && names[4].ends_with("-deadbeef-12"));
    }
}
