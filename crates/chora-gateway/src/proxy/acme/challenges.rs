//! What an authority has to find here before it issues a certificate, for as long as it looks.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use instant_acme::KeyAuthorization;
use rcgen::{CertificateParams, CustomExtension, KeyPair};
use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::PrivateKeyDer;
use rustls::sign::CertifiedKey;

/// Where a page of HTTP-01 is (RFC 8555 §8.3).
const PAGES: &str = "/.well-known/acme-challenge/";

#[derive(Default)]
pub(in crate::proxy) struct Challenges(Mutex<Open>);

#[derive(Default)]
struct Open {
    /// What a page says, by its token.
    pages: BTreeMap<String, String>,
    /// What is shown for a host.
    certificates: BTreeMap<String, Arc<CertifiedKey>>,
}

/// A challenge that can be seen until this is dropped.
pub(super) struct Shown {
    challenges: Arc<Challenges>,
    page: Option<String>,
    host: Option<String>,
}

impl Challenges {
    fn open(&self) -> MutexGuard<'_, Open> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is at a path, where it is a page of a challenge.
    pub(in crate::proxy) fn page(&self, path: &str) -> Option<String> {
        let token = path.strip_prefix(PAGES)?;
        self.open().pages.get(token).cloned()
    }

    /// What is shown to an authority that asks for a host in small letters.
    pub(in crate::proxy) fn certificate(&self, host: &str) -> Option<Arc<CertifiedKey>> {
        self.open().certificates.get(host).cloned()
    }

    pub(super) fn show_page(self: &Arc<Self>, token: &str, says: &KeyAuthorization) -> Shown {
        self.open().pages.insert(token.to_owned(), says.as_str().to_owned());
        Shown { challenges: Arc::clone(self), page: Some(token.to_owned()), host: None }
    }

    /// Shows a certificate that nobody signed and that says what the authority wants to read (RFC 8737 §3).
    pub(super) fn show_certificate(self: &Arc<Self>, host: &str, says: &KeyAuthorization) -> Result<Shown, super::order::OrderError> {
        let key = KeyPair::generate()?;
        let mut parameters = CertificateParams::new(vec![host.to_owned()])?;
        parameters.custom_extensions = vec![CustomExtension::new_acme_identifier(says.digest().as_ref())];
        let chain = vec![parameters.self_signed(&key)?.der().clone()];
        let key = PrivateKeyDer::try_from(key.serialize_der()).map_err(|_| rcgen::Error::CouldNotParseKeyPair)?;
        // Unlike `from_der` it does not look into the certificate, of which the library would not understand that extension.
        let certified = CertifiedKey::new(chain, any_supported_type(&key)?);
        self.open().certificates.insert(host.to_owned(), Arc::new(certified));
        Ok(Shown { challenges: Arc::clone(self), page: None, host: Some(host.to_owned()) })
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        let mut open = self.challenges.open();
        if let Some(page) = &self.page {
            open.pages.remove(page);
        }
        if let Some(host) = &self.host {
            open.certificates.remove(host);
        }
    }
}
