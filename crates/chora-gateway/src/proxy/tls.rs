//! TLS that ends at a port: certificates are read from files when a table is put, and chosen by the host that a client
//! asks for. It refuses a table whose certificates cannot serve, and never reads them in between.

pub(super) mod validity;

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hyper::header::{HeaderValue, STRICT_TRANSPORT_SECURITY};
use jiff::Timestamp;
use rustls::client::verify_server_name;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::{ClientHello, ParsedCertificate, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{InconsistentKeys, ServerConfig};
use tokio_rustls::TlsAcceptor;

use super::acme::{self, Shared};
use super::answer::Answer;
use super::table::{self, AcmeEntry, CertificateEntry, TlsEntry};

/// Largest file with a certificate or a key, in bytes.
const FILE_BYTES: u64 = 1024 * 1024;
/// What is spoken inside, the best first.
const PROTOCOLS: [&[u8]; 2] = [HTTP2, b"http/1.1"];
/// The name of HTTP/2.
pub(super) const HTTP2: &[u8] = b"h2";

/// What a port needs for TLS.
pub(super) struct Tls {
    pub(super) acceptor: TlsAcceptor,
    certificates: Arc<Certificates>,
    hsts: Option<HeaderValue>,
}

/// Why a certificate cannot serve.
#[derive(Debug, thiserror::Error)]
pub(super) enum CertificateError {
    #[error("{} cannot be read: {source}", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("{} holds no certificate in PEM", .0.display())]
    NoCertificate(PathBuf),
    #[error("{} holds no private key in PEM", .0.display())]
    NoKey(PathBuf),
    #[error("the key in {} cannot be used: {source}", path.display())]
    UnusableKey { path: PathBuf, source: rustls::Error },
    #[error("the key in {} is not the one of the certificate in {}", key.display(), certificate.display())]
    OtherKey { key: PathBuf, certificate: PathBuf },
    #[error("the certificate in {} is not for {host}", path.display())]
    OtherHost { path: PathBuf, host: String },
    #[error("the certificate in {} ended on {at}", path.display())]
    Ended { path: PathBuf, at: Timestamp },
    #[error("TLS cannot be served: {0}")]
    Library(#[from] rustls::Error),
}

/// How certificates are read.
pub(super) enum Reading<'a> {
    /// For a table that is put: what cannot serve is refused. A certificate that has ended and is served already is no
    /// reason to refuse a table that changes something else.
    Put { served: &'a [Arc<Tls>] },
    /// For a gateway that starts: what cannot serve is left out, so that everything else is served.
    Start,
}

impl Tls {
    pub(super) fn read(entry: &TlsEntry, reading: &Reading, acme: &Arc<Shared>) -> Result<Arc<Self>, CertificateError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut read = Vec::new();
        for certificate in &entry.certificates {
            match Certificate::read(certificate, &provider, reading) {
                Ok(certificate) => read.push(certificate),
                Err(error) if matches!(reading, Reading::Start) => tracing::warn!("a certificate is left out: {error}"),
                Err(error) => return Err(error),
            }
        }
        if let Some(entry) = &entry.acme {
            if let (Some(ca), Reading::Put { .. }) = (&entry.ca, reading) {
                let found = CertificateDer::pem_slice_iter(&bytes(ca)?).next();
                found.and_then(Result::ok).ok_or_else(|| CertificateError::NoCertificate(ca.clone()))?;
            }
            acme.load(entry);
        }
        let acme = entry.acme.clone().map(|entry| (entry, Arc::clone(acme)));
        let certificates = Arc::new(Certificates { files: read, acme });
        let resolver: Arc<dyn ResolvesServerCert> = Arc::<Certificates>::clone(&certificates);
        let versions = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
        let mut config = versions.with_no_client_auth().with_cert_resolver(resolver);
        config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
        // Last: only an authority asks for it, and for nothing else.
        config.alpn_protocols.extend(entry.acme.is_some().then(|| acme::PROTOCOL.to_vec()));
        let hsts = entry.hsts_seconds.and_then(|seconds| HeaderValue::try_from(format!("max-age={seconds}")).ok());
        Ok(Arc::new(Self { acceptor: TlsAcceptor::from(Arc::new(config)), certificates, hsts }))
    }

    /// Adds what is said over TLS only. A service that says it itself says more.
    pub(super) fn complete(&self, answer: &mut Answer) {
        if let Some(hsts) = &self.hsts {
            answer.headers_mut().entry(STRICT_TRANSPORT_SECURITY).or_insert_with(|| hsts.clone());
        }
    }

    fn serves(&self, certificate: &CertifiedKey) -> bool {
        self.certificates.files.iter().any(|served| served.key.cert.first() == certificate.cert.first())
    }
}

/// The certificates of a port.
struct Certificates {
    /// In the order of the table.
    files: Vec<Certificate>,
    acme: Option<(AcmeEntry, Arc<Shared>)>,
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificates").field("files", &self.files).finish_non_exhaustive()
    }
}

#[derive(Debug)]
struct Certificate {
    hosts: Vec<String>,
    key: Arc<CertifiedKey>,
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let host = hello.server_name().unwrap_or_default().to_ascii_lowercase();
        let of = |star: bool| {
            let fits = move |pattern: &&String| pattern.starts_with('*') == star;
            self.files.iter().find(|certificate| certificate.hosts.iter().filter(fits).any(|pattern| table::is_of(&host, pattern)))
        };
        if let Some((_, acme)) = &self.acme
            && hello.alpn().is_some_and(|mut offered| offered.next() == Some(acme::PROTOCOL) && offered.next().is_none())
        {
            return acme.challenges.certificate(&host);
        }
        let key = |certificate: &Certificate| Arc::clone(&certificate.key);
        let ordered = || self.acme.as_ref().and_then(|(entry, acme)| acme.certificate(entry, &host));
        let any = || self.acme.as_ref().and_then(|(entry, acme)| acme.first(entry));
        of(false).map(key).or_else(ordered).or_else(|| of(true).or(self.files.first()).map(key)).or_else(any)
    }
}

impl Certificate {
    fn read(entry: &CertificateEntry, provider: &CryptoProvider, reading: &Reading) -> Result<Self, CertificateError> {
        let path = &entry.certificate;
        let nothing = || CertificateError::NoCertificate(path.clone());
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes(path)?).collect();
        let chain = chain.ok().filter(|chain| !chain.is_empty()).ok_or_else(nothing)?;
        let key = PrivateKeyDer::from_pem_slice(&bytes(&entry.key)?).map_err(|_| CertificateError::NoKey(entry.key.clone()))?;
        let leaf = chain.first().cloned().ok_or_else(nothing)?;
        let key = CertifiedKey::from_der(chain, key, provider).map_err(|source| match source {
            rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
                CertificateError::OtherKey { key: entry.key.clone(), certificate: path.clone() }
            }
            source => CertificateError::UnusableKey { path: entry.key.clone(), source },
        })?;
        let parsed = ParsedCertificate::try_from(&leaf).map_err(|_| nothing())?;
        for host in &entry.hosts {
            // A star is compared as any label that it stands for.
            let name = ServerName::try_from(host.replace('*', "any")).ok();
            if name.is_none_or(|name| verify_server_name(&parsed, &name).is_err()) {
                return Err(CertificateError::OtherHost { path: path.clone(), host: host.clone() });
            }
        }
        let (from, to) = validity::of(&leaf).ok_or_else(nothing)?;
        let now = Timestamp::now();
        if to < now {
            let ended = CertificateError::Ended { path: path.clone(), at: to };
            match reading {
                Reading::Put { served } if !served.iter().any(|tls| tls.serves(&key)) => return Err(ended),
                _ => tracing::warn!("{ended}; it is served all the same"),
            }
        } else if from > now {
            tracing::warn!("the certificate in {} begins on {from}; it is served all the same", path.display());
        }
        Ok(Self { hosts: entry.hosts.clone(), key: Arc::new(key) })
    }
}

fn bytes(path: &Path) -> Result<Vec<u8>, CertificateError> {
    let unreadable = |source| CertificateError::Unreadable { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    // A pipe would keep the caller waiting for ever.
    if !std::fs::metadata(path).map_err(unreadable)?.is_file() {
        return Err(unreadable(io::Error::other("it is no file")));
    }
    let file = File::open(path).map_err(unreadable)?;
    file.take(FILE_BYTES).read_to_end(&mut bytes).map_err(unreadable)?;
    Ok(bytes)
}
