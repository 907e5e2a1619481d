//! Certificates and keys of a gateway: it is sent them, and keeps each under the hash of its content, so that another file is another
//! path in its table, and the gateway stays.

use std::collections::BTreeSet;

use indexmap::IndexMap;

use super::{GATEWAY, Route};
use crate::compose::{EdgeCertificate, EdgeTls, FileObject, Service, Stack};
use crate::model::digest::Digest;
use crate::model::release::Release;

/// Where it keeps the files that it is sent, inside its container.
pub(super) const FILES: &str = "/state/files";
/// Lets it keep files that it is sent.
pub(super) const TAKES_FILES: &str = "--files";
/// Keys of the stack's secrets that only the gateway gets begin so; the path in the project follows.
const FILE: &str = "chora-gateway:";

/// Adds a file of the project to the secrets of a stack, for its gateway; gives the key.
pub fn gateway_file(stack: &mut Stack, named: &str, path: String) -> String {
    let key = format!("{FILE}{named}");
    let object = FileObject { name: key.clone(), file: Some(path), ..FileObject::default() };
    stack.secrets.insert(key.clone(), object);
    key
}

/// The file as `chora.yaml` names it, where a secret is one that only the gateway gets.
#[must_use]
pub fn named_by_tls(key: &str) -> Option<&str> {
    key.strip_prefix(FILE)
}

/// Whether a gateway is sent its files. Those of earlier versions have them as secrets of their container.
fn takes_files(service: &Service) -> bool {
    service.command.iter().flatten().any(|word| word == TAKES_FILES)
}

/// The secrets of a stack that its gateway is sent.
pub fn sent_files(stack: &Stack) -> impl Iterator<Item = &str> {
    let takes = stack.services.get(GATEWAY).is_some_and(takes_files);
    stack.secrets.keys().map(String::as_str).filter(move |key| takes && key.starts_with(FILE))
}

/// Where a gateway has the file with this content.
fn kept_at(content: &Digest) -> String {
    format!("{FILES}/{content}.pem")
}

/// What is in a file that a gateway was sent, by where it has it.
fn content_at(path: &str) -> Option<Digest> {
    Digest::parse(path.strip_prefix(FILES)?.strip_prefix('/')?.strip_suffix(".pem")?)
}

/// The contents that these routes need at the gateway.
#[must_use]
pub fn contents_of(routes: &[Route]) -> BTreeSet<Digest> {
    let tls = routes.iter().filter_map(|route| route.shared.as_ref()?.tls.as_ref());
    let paths = tls.flat_map(|tls| {
        let files = tls.certificates.iter().flat_map(|one| [&one.certificate, &one.key]);
        files.chain(tls.acme.iter().filter_map(|acme| acme.ca.as_ref()))
    });
    paths.filter_map(|path| content_at(path)).collect()
}

/// TLS with the paths that a gateway has its files at. One that starts with a slash is of an earlier version and stays.
pub(super) fn with_paths(tls: &EdgeTls, files: &IndexMap<String, Digest>) -> EdgeTls {
    let path = |named: &String| files.get(&format!("secret:{named}")).map_or_else(|| named.clone(), kept_at);
    let mut tls = tls.clone();
    for EdgeCertificate { certificate, key, .. } in &mut tls.certificates {
        (*certificate, *key) = (path(certificate), path(key));
    }
    if let Some(ca) = tls.acme.as_mut().and_then(|acme| acme.ca.as_mut()) {
        *ca = path(ca);
    }
    tls
}

/// Gives a release that is gone back to the certificates of the live one: those of then may have ended, and their files may be gone.
/// Where its gateway has the same ports, it is the live one's, so that it stays.
pub fn keep_certificates(target: &mut Release, live: &Release) {
    let (Some(then), Some(now)) = (target.stack.services.get(GATEWAY), live.stack.services.get(GATEWAY)) else { return };
    let same_ports = then.ports == now.ports;
    if !(same_ports || takes_files(then) && takes_files(now)) {
        return;
    }
    let (command, secrets) = (now.command.clone(), now.secrets.clone());
    let tls = live.stack.edge.as_ref().and_then(|edge| edge.tls.clone());
    let edge = target.stack.edge.as_mut().filter(|edge| edge.tls.is_some());
    let (Some(tls), Some(edge)) = (tls, edge) else { return };
    edge.tls = Some(tls);
    let own = |key: &str| key.strip_prefix("secret:").unwrap_or(key).starts_with(FILE);
    target.stack.secrets.retain(|key, _| !own(key));
    target.stack.secrets.extend(live.stack.secrets.iter().filter(|(key, _)| own(key)).map(|(key, object)| (key.clone(), object.clone())));
    target.files.retain(|key, _| !own(key));
    target.files.extend(live.files.iter().filter(|(key, _)| own(key)).map(|(key, digest)| (key.clone(), digest.clone())));
    if !same_ports {
        return;
    }
    if let Some(gateway) = target.stack.services.get_mut(GATEWAY) {
        (gateway.command, gateway.secrets) = (command, secrets);
    }
    if let Some(fingerprint) = live.fingerprints.get(GATEWAY) {
        target.fingerprints.insert(GATEWAY.to_owned(), fingerprint.clone());
    }
    // Its words are those that this program knows.
    if let Some(pin) = live.images.get(GATEWAY) {
        target.images.insert(GATEWAY.to_owned(), pin.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::{contents_of, gateway_file, keep_certificates, sent_files};
    use crate::compose::{Edge, EdgeAcme, EdgeCertificate, EdgeService, EdgeTls, Port, Service, Stack};
    use crate::model::digest::Digest;
    use crate::model::environment::EnvironmentClass::Production;
    use crate::model::ids::{EnvironmentName, ReleaseId};
    use crate::model::release::Release;
    use crate::plan::gateway::{GATEWAY, Route, SharedRoute, add_gateway};

    fn release(id: &str, http: u16, content: &str) -> Release {
        let web = Service { networks: [("default".to_owned(), None)].into_iter().collect(), ..Service::default() };
        let mut stack = Stack { services: [("web".to_owned(), web)].into_iter().collect(), ..Stack::default() };
        let mut file = |named: &str| gateway_file(&mut stack, named, format!("/p/{named}"));
        let certificate = EdgeCertificate { hosts: vec!["a".into()], certificate: file("a.pem"), key: file("a.key") };
        let acme = EdgeAcme { ca: Some(file("ca.pem")), ..EdgeAcme::default() };
        let tls = EdgeTls { certificates: vec![certificate], acme: Some(acme), ..EdgeTls::default() };
        let port = |number: u16| Port { published: Some(number.to_string()), ..Port::default() };
        let services = vec![EdgeService { service: "web".into(), ..EdgeService::default() }];
        stack.edge = Some(Edge { http: port(http), https: Some(port(443)), tls: Some(tls), services });
        add_gateway(&mut stack, Production);
        let files = sent_files(&stack).map(|key| (format!("secret:{key}"), Digest::of(format!("{key} {content}").as_bytes()))).collect();
        Release {
            id: ReleaseId::new(id),
            version: id.to_owned(),
            environment: EnvironmentName::new("production"),
            created_at: jiff::Timestamp::UNIX_EPOCH,
            stack,
            images: indexmap::IndexMap::new(),
            files,
            fingerprints: [(GATEWAY.to_owned(), Digest::of(id.as_bytes()))].into_iter().collect(),
            bridges: indexmap::IndexMap::new(),
        }
    }

    fn contents(release: &Release) -> std::collections::BTreeSet<Digest> {
        let edge = release.stack.edge.as_ref().unwrap();
        let shared = SharedRoute {
            hosts: Vec::new(),
            paths: Vec::new(),
            http: 80,
            https: Some(443),
            public_https: None,
            tls: edge.tls.as_ref().map(|tls| super::with_paths(tls, &release.files)),
        };
        let route = Route {
            port: 1,
            service: "web".into(),
            release: "r".into(),
            addresses: Vec::new(),
            protocol: None,
            drain_seconds: None,
            shared: Some(shared),
        };
        contents_of(&[route])
    }

    #[test]
    fn other_files_need_other_contents_and_no_other_gateway() {
        let (one, other) = (release("r1", 80, "one"), release("r2", 80, "other"));
        assert_eq!(one.stack.services[GATEWAY], other.stack.services[GATEWAY]);
        assert!(one.stack.services[GATEWAY].secrets.is_empty());
        assert_eq!((contents(&one).len(), contents(&one).is_disjoint(&contents(&other))), (3, true));
        assert!(one.files.values().all(|digest| contents(&one).contains(digest)));
    }

    #[test]
    fn a_release_gone_back_to_has_the_live_certificates() {
        let live = release("r2", 80, "new");
        for port in [80, 8080] {
            let mut target = release("r1", port, "old");
            let own = target.fingerprints[GATEWAY].clone();
            keep_certificates(&mut target, &live);
            assert_eq!(contents(&target), contents(&live));
            assert_eq!(target.fingerprints[GATEWAY] == own, port != 80, "other ports need another gateway");
        }
    }

    #[test]
    fn the_gateway_of_an_earlier_version_makes_room_for_the_live_one() {
        let live = release("r2", 80, "new");
        let earlier = || {
            let mut target = release("r1", 80, "old");
            let gateway = target.stack.services.get_mut(GATEWAY).unwrap();
            gateway.command.as_mut().unwrap().retain(|word| !word.contains("files"));
            target.stack.edge.as_mut().unwrap().tls.as_mut().unwrap().certificates[0].key = "/run/secrets/a.pem".into();
            target
        };
        let mut target = earlier();
        assert_eq!((contents(&target).len(), sent_files(&target.stack).count()), (2, 0), "its paths are its own");
        keep_certificates(&mut target, &live);
        assert_eq!((contents(&target), &target.stack.services), (contents(&live), &live.stack.services));
        let mut other_ports = earlier();
        keep_certificates(&mut other_ports, &release("r2", 8080, "new"));
        assert_eq!(other_ports, earlier());
    }
}
