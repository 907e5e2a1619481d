//! An authority that signs what a test needs, and clients that believe it.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::stack::Folder;

pub(crate) struct Authority {
    root: CertificateDer<'static>,
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate and its key, in PEM.
pub(crate) struct Pair {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut parameters = CertificateParams::new(Vec::new()).expect("parameters");
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = parameters.self_signed(&key).expect("a certificate");
        Self { root: certificate.der().clone(), pem: certificate.pem(), issuer: Issuer::new(parameters, key) }
    }

    pub(crate) fn issue(&self, hosts: &[&str]) -> Pair {
        self.issue_until(hosts, 2100)
    }

    pub(crate) fn issue_until(&self, hosts: &[&str], year: i32) -> Pair {
        let key = KeyPair::generate().expect("a key");
        let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
        let mut parameters = CertificateParams::new(hosts).expect("parameters");
        parameters.not_after = date_time_ymd(year, 1, 1);
        let certificate = parameters.signed_by(&key, &self.issuer).expect("a certificate").pem();
        Pair { certificate, key: key.serialize_pem() }
    }

    /// Writes its own certificate and gives back where it is.
    pub(crate) fn write(&self, folder: &Folder, name: &str) -> PathBuf {
        let path = folder.0.join(format!("{name}.pem"));
        std::fs::write(&path, &self.pem).expect("a file");
        path
    }

    /// A connection on which TLS is spoken with `host`, as one who speaks these protocols.
    pub(crate) async fn shake(&self, address: &str, host: &str, protocols: &[&[u8]]) -> io::Result<TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots.add(self.root.clone()).expect("a root");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let versions = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().expect("versions");
        let mut config = versions.with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        connect(address, host, config).await
    }
}

async fn connect(address: &str, host: &str, config: ClientConfig) -> io::Result<TlsStream<TcpStream>> {
    let host = ServerName::try_from(host.to_owned()).expect("a host");
    TlsConnector::from(Arc::new(config)).connect(host, TcpStream::connect(address).await?).await
}

/// Believes everybody: for tests that look at what is shown.
#[derive(Debug)]
struct Credulous(rustls::crypto::CryptoProvider);

impl ServerCertVerifier for Credulous {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// A connection on which TLS is spoken with `host`, whoever it is.
pub(crate) async fn shake_anyone(address: &str, host: &str, protocols: &[&[u8]]) -> io::Result<TlsStream<TcpStream>> {
    let provider = rustls::crypto::ring::default_provider();
    let versions = ClientConfig::builder_with_provider(Arc::new(provider.clone())).with_safe_default_protocol_versions().expect("versions");
    let mut config = versions.dangerous().with_custom_certificate_verifier(Arc::new(Credulous(provider))).with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    connect(address, host, config).await
}

impl Pair {
    /// Writes the two files and gives back where they are.
    pub(crate) fn write(&self, folder: &Folder, name: &str) -> (PathBuf, PathBuf) {
        let (certificate, key) = (folder.0.join(format!("{name}.pem")), folder.0.join(format!("{name}.key")));
        std::fs::write(&certificate, &self.certificate).expect("a file");
        std::fs::write(&key, &self.key).expect("a file");
        (certificate, key)
    }

    /// The entry of a table, with files in a folder.
    pub(crate) fn entry(&self, folder: &Folder, name: &str, hosts: &[&str]) -> Value {
        let (certificate, key) = self.write(folder, name);
        json!({ "hosts": hosts, "certificate": certificate, "key": key })
    }
}
