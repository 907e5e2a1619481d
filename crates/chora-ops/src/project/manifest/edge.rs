//! Hosts, paths and TLS of `chora.yaml`, as the stack's edge.

use std::collections::BTreeSet;
use std::path::Path;

use chora_core::compose::{Edge, EdgeAcme, EdgeCertificate, EdgeService, EdgeTls, Port, Service, Stack};
use chora_core::plan::gateway::{edge_ports, gateway_file};
use chora_syntax::manifest::{self, Environment, Manifest, PublicPort, Tls};

use super::FILE;
use crate::failure::{Failure, FailureKind};

/// Where systems keep the authorities that they believe, in one file (as Go's `crypto/x509` looks for them).
const BUNDLES: [&str; 5] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// Adds to a stack what its gateway serves by host and path.
pub(in crate::project) fn add(
    stack: &mut Stack,
    manifest: Option<&Manifest>,
    (name, environment): (&str, &Environment),
    directory: &Path,
) -> Result<(), Failure> {
    let Some(manifest) = manifest else { return Ok(()) };
    let mut services = Vec::new();
    let at = |path: &[&str], message: String| fault_at(directory, path, message);
    for (name, settings) in manifest.services.iter().filter(|(_, settings)| settings.is_public()) {
        // One that this environment's profiles leave out is served by nobody.
        if let Some(service) = stack.services.get(name) {
            services.push(public(name, settings, service).map_err(|why| at(&["services", name, way_in(settings)], why))?);
        }
    }
    if services.is_empty() {
        return Ok(());
    }
    let http = environment.http_port.clone().unwrap_or(PublicPort::everywhere(80));
    let https = environment.https_port.clone().unwrap_or(PublicPort::everywhere(443));
    let https = environment.tls.as_ref().map(|_| https);
    let (http_at, https_at) = (["environments", name, "http_port"], ["environments", name, "https_port"]);
    check_is_free(stack, &http).map_err(|why| {
        // Where nobody names the port, whoever asks for it is at fault.
        let asks = services.first().map_or("", |one| one.service.as_str());
        let asks = ["services", asks, manifest.services.get(asks).map_or("hosts", way_in)];
        at(if environment.http_port.is_some() { &http_at } else { &asks }, why)
    })?;
    if let Some(https) = &https {
        check_is_free(stack, https).map_err(|why| {
            let tls = ["environments", name, "tls"];
            at(if environment.https_port.is_some() { &https_at } else { &tls }, why)
        })?;
    }
    if https.as_ref() == Some(&http) {
        let named = if environment.https_port.is_some() { &https_at } else { &http_at };
        return Err(at(named, format!("port {http} cannot be with TLS and without")));
    }
    let tls = environment.tls.as_ref().map(|tls| with_files(stack, tls, (&services, directory)));
    stack.edge = Some(Edge { http: port(&http), https: https.as_ref().map(port), tls, services });
    Ok(())
}

/// A fault of `chora.yaml` that shows only beside the Compose files, with its place.
fn fault_at(directory: &Path, path: &[&str], message: String) -> Failure {
    let text = std::fs::read_to_string(directory.join(FILE)).unwrap_or_default();
    let details = manifest::fault(&text, FILE, path, message).0.iter().map(|problem| problem.render(false)).collect();
    let failure = Failure::new(FailureKind::Invalid, format!("{FILE} does not go with the Compose files"));
    failure.state("nothing was changed").hint("mend one or the other; `chora schema` describes the file").details(details)
}

/// The key by which a service is public.
fn way_in(settings: &manifest::ServiceSettings) -> &'static str {
    if settings.hosts.is_empty() { "paths" } else { "hosts" }
}

/// Hosts and paths that nobody serves, because the environment has no gateway.
pub(in crate::project) fn unserved(manifest: Option<&Manifest>, name: &str, why: &str) -> Option<String> {
    let public = manifest?.services.iter().filter(|(_, settings)| settings.is_public());
    let keys: Vec<String> = public.map(|(service, settings)| format!("`services.{service}.{}`", way_in(settings))).collect();
    let verb = if keys.len() == 1 { "means" } else { "mean" };
    (!keys.is_empty()).then(|| format!("{FILE}: {} {verb} nothing in environment `{name}`: {why}", keys.join(", ")))
}

fn port(wanted: &PublicPort) -> Port {
    Port { published: Some(wanted.port.to_string()), host_ip: wanted.host_ip.clone(), ..Port::default() }
}

fn public(name: &str, settings: &manifest::ServiceSettings, service: &Service) -> Result<EdgeService, String> {
    if service.network_mode.is_some() || service.networks.is_empty() {
        return Err("the gateway does not reach a service without networks of its own".to_owned());
    }
    let published = service.ports.iter().filter(|port| port.protocol.as_deref().is_none_or(|protocol| protocol == "tcp"));
    let exposed = service.expose.iter().filter_map(|text| text.trim_end_matches("/tcp").parse().ok());
    let target = settings.port.or_else(|| published.map(|port| port.target).chain(exposed).next());
    let target = target.ok_or_else(|| format!("service `{name}` needs a `port`: its Compose definition publishes and exposes none"))?;
    Ok(EdgeService {
        service: name.to_owned(),
        hosts: settings.hosts.iter().map(|host| host.to_ascii_lowercase()).collect(),
        paths: settings.paths.clone(),
        port: Port { target, app_protocol: Some("http".to_owned()), ..Port::default() },
    })
}

/// A port that the Compose file publishes already is somebody's.
fn check_is_free(stack: &Stack, wanted: &PublicPort) -> Result<(), String> {
    let everywhere = |address: Option<&str>| address.is_none_or(|address| ["", "0.0.0.0", "::"].contains(&address));
    let number = wanted.port.to_string();
    let same = |address: Option<&str>| address == wanted.host_ip.as_deref() || everywhere(address) || everywhere(wanted.host_ip.as_deref());
    let ports = edge_ports(stack);
    let taken = ports.iter().find(|edge| edge.port.published.as_ref() == Some(&number) && same(edge.port.host_ip.as_deref()));
    taken.map_or(Ok(()), |edge| {
        Err(format!("port {wanted} is for hosts and paths, and `{}` publishes it in its Compose definition", edge.service))
    })
}

fn with_files(stack: &mut Stack, tls: &Tls, (services, directory): (&[EdgeService], &Path)) -> EdgeTls {
    let mut file = |named: &str| gateway_file(stack, named, directory.join(named).to_string_lossy().into_owned());
    let certificates: Vec<EdgeCertificate> = tls
        .certificates
        .iter()
        .map(|one| EdgeCertificate { hosts: one.hosts.clone(), certificate: file(&one.certificate), key: file(&one.key) })
        .collect();
    let has_file = |host: &String| tls.certificates.iter().flat_map(|one| &one.hosts).any(|pattern| manifest::is_for(host, pattern));
    let hosts: BTreeSet<String> = services.iter().flat_map(|one| &one.hosts).filter(|host| !has_file(host)).cloned().collect();
    let hosts: Vec<String> = hosts.into_iter().collect();
    // An authority that is asked for nothing is none.
    let acme = tls.acme.as_ref().filter(|_| !hosts.is_empty()).map(|acme| EdgeAcme {
        directory: acme.directory.clone(),
        contact: acme.contact.iter().map(|one| if one.contains(':') { one.clone() } else { format!("mailto:{one}") }).collect(),
        hosts: hosts.clone(),
        // There is nothing in the gateway's container that an authority of the internet could be checked with.
        ca: acme.ca.as_deref().or_else(|| BUNDLES.into_iter().find(|path| Path::new(path).is_file())).map(&mut file),
        challenge: acme.challenge.map(|challenge| challenge.as_str().to_owned()),
    });
    EdgeTls { redirect: tls.redirect, hsts_seconds: tls.hsts.map(|hsts| hsts.0.as_secs()), certificates, acme }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use chora_core::compose::{Port, Service, Stack};
    use chora_syntax::manifest::parse;

    use super::{BUNDLES, add, unserved};

    fn stack() -> Stack {
        let networks = || [("default".to_owned(), None)].into_iter().collect();
        let ports = vec![Port { target: 9000, published: Some("8080".into()), ..Port::default() }];
        let web = Service { networks: networks(), expose: vec!["8000".into()], ..Service::default() };
        let api = Service { networks: networks(), ports, ..Service::default() };
        Stack { services: [("web".to_owned(), web), ("api".to_owned(), api)].into_iter().collect(), ..Stack::default() }
    }

    fn added(text: &str) -> Result<Stack, String> {
        let project = tempfile::TempDir::new().unwrap();
        std::fs::write(project.path().join("chora.yaml"), text).unwrap();
        let manifest = parse(text, "chora.yaml").unwrap();
        let mut stack = stack();
        let environment = manifest.environments.get("production").cloned().unwrap_or_default();
        let named = ("production", &environment);
        add(&mut stack, Some(&manifest), named, project.path()).map_err(|failure| failure.details.join("\n"))?;
        Ok(stack)
    }

    #[test]
    fn hosts_without_tls_have_one_port() {
        let edge = added("services: {web: {hosts: [Shop.example]}, api: {paths: [/api]}}").unwrap().edge.unwrap();
        let services: Vec<_> = edge.services.iter().map(|one| (one.service.as_str(), one.port.target)).collect();
        assert_eq!(services, [("web", 8000), ("api", 9000)]);
        assert_eq!((edge.http.published.as_deref(), edge.https, edge.tls), (Some("80"), None, None));
        assert_eq!(edge.services[0].hosts, ["shop.example"]);
        assert_eq!(added("services: {web: {rollout: auto}}").unwrap().edge, None);
    }

    #[test]
    fn keys_are_secrets_and_acme_is_asked_for_the_rest() {
        let text = "
services: {web: {hosts: [shop.example, www.shop.example]}}
environments:
  production:
    tls:
      certificates: [{hosts: [shop.example], certificate: a.pem, key: a.key}]
      acme: {directory: 'https://ca/dir', contact: ops@shop.example, ca: ca.pem}
";
        let stack = added(text).unwrap();
        let tls = stack.edge.as_ref().unwrap().tls.clone().unwrap();
        let acme = tls.acme.unwrap();
        assert_eq!((acme.hosts, acme.contact), (vec!["www.shop.example".to_owned()], vec!["mailto:ops@shop.example".to_owned()]));
        assert!(tls.redirect && stack.secrets.contains_key(&tls.certificates[0].key), "{:?}", tls.certificates);
        let files = stack.secrets.values().filter_map(|object| Path::new(object.file.as_deref()?).file_name());
        assert_eq!(files.collect::<Vec<_>>(), ["a.pem", "a.key", "ca.pem"]);
    }

    #[test]
    fn an_authority_is_checked_with_what_this_machine_believes_unless_it_is_named() {
        let text = "services: {web: {hosts: [a]}}\nenvironments: {production: {tls: {acme: {directory: 'https://ca/dir'}}}}";
        let stack = added(text).unwrap();
        let ca = stack.edge.unwrap().tls.unwrap().acme.unwrap().ca.unwrap();
        assert!(BUNDLES.contains(&stack.secrets[&ca].file.as_deref().unwrap()), "{ca}");
    }

    #[test]
    fn what_cannot_be_served_is_refused() {
        for (text, words) in [
            ("services: {web: {hosts: [a]}}\nenvironments: {production: {http_port: 8080}}", "chora.yaml:2:40"),
            ("services: {web: {hosts: [a]}}\nenvironments: {production: {http_port: 8080}}", "`api` publishes it"),
            (
                "services: {web: {hosts: [a]}}\nenvironments: {production: {https_port: 80, tls: {acme: {directory: 'https://ca'}}}}",
                "with TLS and without",
            ),
        ] {
            let message = added(text).unwrap_err();
            assert!(message.contains(words), "{message}");
        }
    }

    #[test]
    fn what_nobody_serves_is_told() {
        let manifest = parse("services: {web: {hosts: [a]}, api: {paths: [/api]}}", "chora.yaml").unwrap();
        let told = unserved(Some(&manifest), "qa", "it has no gateway").unwrap();
        assert_eq!(told, "chora.yaml: `services.web.hosts`, `services.api.paths` mean nothing in environment `qa`: it has no gateway");
        assert_eq!(unserved(Some(&parse("services: {web: {rollout: auto}}", "chora.yaml").unwrap()), "qa", ""), None);
    }
}
