//! Every way to an engine that needs no other machine.

use std::path::Path;

use chora_core::model::container::ContainerFilter;
use chora_core::ports::{Engine, EngineError};
use chora_docker::{DockerEngine, EndpointRequest};
use sha2::{Digest, Sha256};

use crate::forwarder::Forwarder;

#[tokio::test]
async fn the_negotiated_version_is_on_the_wire() {
    let forwarder = Forwarder::plain().await;
    let request = EndpointRequest { docker_host: Some(format!("tcp://{}", forwarder.address)), ..EndpointRequest::default() };
    let engine = DockerEngine::connect(&request).unwrap();
    let facts = engine.facts().await.unwrap();
    engine.containers(&ContainerFilter::default()).await.unwrap();
    assert_eq!((facts.direct_network, facts.same_files), (false, false));
    let asked = forwarder.request_lines();
    assert_eq!(asked[0], "GET /_ping HTTP/1.1");
    let prefix = format!("GET /v{}/", facts.api_version);
    assert!(asked.len() > 2 && asked[1..].iter().all(|line| line.starts_with(&prefix)), "{asked:?}");
}

#[tokio::test]
async fn facts_come_from_the_socket() {
    let facts = crate::engine().facts().await.unwrap();
    let (major, minor) = facts.api_version.split_once('.').unwrap();
    assert!((major.parse::<u32>().unwrap(), minor.parse::<u32>().unwrap()) >= (1, 41));
    assert_eq!(facts.os, "linux");
    assert!(["amd64", "arm64"].contains(&facts.arch.as_str()), "{}", facts.arch);
    assert!(facts.buildkit && facts.direct_network && facts.same_files && !facts.host.is_empty());
}

#[tokio::test]
async fn an_engine_that_is_not_there_is_unreachable() {
    for address in ["unix:///nonexistent/docker.sock", "tcp://127.0.0.1:1"] {
        let request = EndpointRequest { explicit: Some(address.to_owned()), ..EndpointRequest::default() };
        let error = DockerEngine::connect(&request).unwrap().facts().await.unwrap_err();
        assert!(matches!(&error, EngineError::Unreachable { endpoint, .. } if endpoint == address), "{error:?}");
    }
}

struct Authority {
    certificate: rcgen::Certificate,
    issuer: rcgen::Issuer<'static, rcgen::KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut parameters = rcgen::CertificateParams::new(Vec::new()).unwrap();
        parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let certificate = parameters.self_signed(&key).unwrap();
        Self { certificate, issuer: rcgen::Issuer::new(parameters, key) }
    }

    fn issue(&self) -> (rcgen::Certificate, rcgen::KeyPair) {
        let key = rcgen::KeyPair::generate().unwrap();
        let parameters = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        (parameters.signed_by(&key, &self.issuer).unwrap(), key)
    }

    /// Demands a certificate of this authority from clients, as an engine with `--tlsverify` does.
    fn server(&self) -> rustls::ServerConfig {
        let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
        let mut roots = rustls::RootCertStore::empty();
        roots.add(self.certificate.der().clone()).unwrap();
        let clients = rustls::server::WebPkiClientVerifier::builder_with_provider(roots.into(), provider.clone()).build().unwrap();
        let (certificate, key) = self.issue();
        rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(clients)
            .with_single_cert(vec![certificate.der().clone()], rustls::pki_types::PrivateKeyDer::Pkcs8(key.serialize_der().into()))
            .unwrap()
    }

    fn write_client_files(&self, directory: &Path) {
        std::fs::create_dir_all(directory).unwrap();
        let (certificate, key) = self.issue();
        std::fs::write(directory.join("ca.pem"), self.certificate.pem()).unwrap();
        std::fs::write(directory.join("cert.pem"), certificate.pem()).unwrap();
        std::fs::write(directory.join("key.pem"), key.serialize_pem()).unwrap();
    }
}

#[tokio::test]
async fn tls_is_verified_both_ways() {
    let (ours, others) = (Authority::new(), Authority::new());
    let forwarder = Forwarder::tls(ours.server()).await;
    let directory = tempfile::tempdir().unwrap();
    let facts = async |authority: &Authority, verify: &str| {
        authority.write_client_files(directory.path());
        let request = EndpointRequest {
            docker_host: Some(format!("tcp://{}", forwarder.address)),
            docker_tls: Some("1".into()),
            docker_tls_verify: Some(verify.to_owned()),
            docker_cert_path: Some(directory.path().to_owned()),
            ..EndpointRequest::default()
        };
        DockerEngine::connect(&request).unwrap().facts().await
    };
    facts(&ours, "1").await.unwrap();
    facts(&ours, "").await.unwrap();
    let error = facts(&others, "1").await.unwrap_err();
    assert!(matches!(&error, EngineError::Unreachable { reason, .. } if reason.contains("certificate")), "{error:?}");
    assert!(facts(&others, "").await.is_err(), "the server refuses a stranger");
}

#[tokio::test]
async fn contexts_name_engines() {
    let authority = Authority::new();
    let forwarder = Forwarder::tls(authority.server()).await;
    let home = tempfile::tempdir().unwrap();
    let configuration = home.path().join(".docker");
    let folder: String = Sha256::digest(b"far").iter().map(|byte| format!("{byte:02x}")).collect();
    let meta = configuration.join("contexts/meta").join(&folder);
    std::fs::create_dir_all(&meta).unwrap();
    let host = format!("tcp://{}", forwarder.address);
    let document = serde_json::json!({"Name": "far", "Metadata": {}, "Endpoints": {"docker": {"Host": host, "SkipTLSVerify": false}}});
    std::fs::write(meta.join("meta.json"), document.to_string()).unwrap();
    authority.write_client_files(&configuration.join("contexts/tls").join(&folder).join("docker"));
    let mut request = EndpointRequest { home: Some(home.path().to_owned()), ..EndpointRequest::default() };
    request.docker_context = Some("far".into());
    assert_eq!(DockerEngine::connect(&request).unwrap().facts().await.unwrap().endpoint, host);
    request.docker_context = None;
    std::fs::write(configuration.join("config.json"), r#"{"currentContext": "far"}"#).unwrap();
    assert_eq!(DockerEngine::connect(&request).unwrap().facts().await.unwrap().endpoint, host);
    request.docker_context = Some("nowhere".into());
    let error = DockerEngine::connect(&request).map(drop).unwrap_err();
    assert!(matches!(&error, EngineError::Invalid { reason } if reason.contains("`nowhere`")), "{error:?}");
}
