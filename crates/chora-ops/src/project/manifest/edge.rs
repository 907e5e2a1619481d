//! Hosts, paths and TLS of `chora.yaml`, as the stack's edge.

use std::collections::BTreeSet;
use std::path::Path;

use chora_core::compose::{Edge, EdgeAcme, EdgeCertificate, EdgeService, EdgeTls, Port, Service, Stack};
use chora_core::plan::gateway::{edge_ports, gateway_file};
use chora_syntax::manifest::{self, Environment, Manifest, PublicPort, Tls};

use super::FILE;
use crate::failure::{Failure, FailureKind};

/// Adds to a stack what its gateway serves by host and path.
pub(in crate::project) fn add(
    stack: &mut Stack,
    manifest: Option<&Manifest>,
    environment: &Environment,
    directory: &Path,
) -> Result<(), Failure> {
    let Some(manifest) = manifest else { return Ok(()) };
    let mut services = Vec::new();
    for (name, settings) in manifest.services.iter().filter(|(_, settings)| settings.is_public()) {
        // One that this environment's profiles leave out is served by nobody.
        if let Some(service) = stack.services.get(name) {
            services.push(public(name, settings, service)?);
        }
    }
    if services.is_empty() {
        return Ok(());
    }
    let http = environment.http_port.clone().unwrap_or(PublicPort::everywhere(80));
    let https = environment.https_port.clone().unwrap_or(PublicPort::everywhere(443));
    let https = environment.tls.as_ref().map(|_| https);
    for wanted in [Some(&http), https.as_ref()].into_iter().flatten() {
        check_is_free(stack, wanted)?;
    }
    if https.as_ref() == Some(&http) {
        return Err(refused(format!("port {http} cannot be with TLS and without")));
    }
    let tls = environment.tls.as_ref().map(|tls| with_files(stack, tls, (&services, directory)));
    stack.edge = Some(Edge { http: port(&http), https: https.as_ref().map(port), tls, services });
    Ok(())
}

fn refused(message: String) -> Failure {
    Failure::new(FailureKind::Invalid, message).state("nothing was changed").hint(format!("mend {FILE}; `chora schema` describes it"))
}

fn port(wanted: &PublicPort) -> Port {
    Port { published: Some(wanted.port.to_string()), host_ip: wanted.host_ip.clone(), ..Port::default() }
}

fn public(name: &str, settings: &manifest::ServiceSettings, service: &Service) -> Result<EdgeService, Failure> {
    if service.network_mode.is_some() || service.networks.is_empty() {
        return Err(refused(format!("{FILE}: `services.{name}.hosts`: the gateway does not reach a service without networks of its own")));
    }
    let published = service.ports.iter().filter(|port| port.protocol.as_deref().is_none_or(|protocol| protocol == "tcp"));
    let exposed = service.expose.iter().filter_map(|text| text.trim_end_matches("/tcp").parse().ok());
    let target = settings.port.or_else(|| published.map(|port| port.target).chain(exposed).next());
    let target = target
        .ok_or_else(|| refused(format!("{FILE}: `services.{name}` needs a `port`: its Compose definition publishes and exposes none")))?;
    Ok(EdgeService {
        service: name.to_owned(),
        hosts: settings.hosts.iter().map(|host| host.to_ascii_lowercase()).collect(),
        paths: settings.paths.clone(),
        port: Port { target, app_protocol: Some("http".to_owned()), ..Port::default() },
    })
}

/// A port that the Compose file publishes already is somebody's.
fn check_is_free(stack: &Stack, wanted: &PublicPort) -> Result<(), Failure> {
    let everywhere = |address: Option<&str>| address.is_none_or(|address| ["", "0.0.0.0", "::"].contains(&address));
    let number = wanted.port.to_string();
    let same = |address: Option<&str>| address == wanted.host_ip.as_deref() || everywhere(address) || everywhere(wanted.host_ip.as_deref());
    let ports = edge_ports(stack);
    let taken = ports.iter().find(|edge| edge.port.published.as_ref() == Some(&number) && same(edge.port.host_ip.as_deref()));
    taken.map_or(Ok(()), |edge| {
        Err(refused(format!("port {wanted} is for hosts and paths, and `{}` publishes it in its Compose definition", edge.service)))
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
        ca: acme.ca.as_deref().map(&mut file),
        challenge: acme.challenge.map(|challenge| challenge.as_str().to_owned()),
    });
    EdgeTls { redirect: tls.redirect, hsts_seconds: tls.hsts.map(|hsts| hsts.0.as_secs()), certificates, acme }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use chora_core::compose::{Port, Service, Stack};
    use chora_syntax::manifest::parse;

    use super::add;

    fn stack() -> Stack {
        let networks = || [("default".to_owned(), None)].into_iter().collect();
        let ports = vec![Port { target: 9000, published: Some("8080".into()), ..Port::default() }];
        let web = Service { networks: networks(), expose: vec!["8000".into()], ..Service::default() };
        let api = Service { networks: networks(), ports, ..Service::default() };
        Stack { services: [("web".to_owned(), web), ("api".to_owned(), api)].into_iter().collect(), ..Stack::default() }
    }

    fn added(text: &str) -> Result<Stack, String> {
        let manifest = parse(text, "chora.yaml").unwrap();
        let mut stack = stack();
        let environment = manifest.environments.get("production").cloned().unwrap_or_default();
        add(&mut stack, Some(&manifest), &environment, Path::new("/project")).map_err(|failure| failure.message)?;
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
        let files: Vec<_> = stack.secrets.values().filter_map(|object| object.file.as_deref()).collect();
        assert_eq!(files, ["/project/a.pem", "/project/a.key", "/project/ca.pem"]);
    }

    #[test]
    fn what_cannot_be_served_is_refused() {
        for (text, words) in [
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
}
