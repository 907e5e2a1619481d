//! Accounts and certificates on disk, which only their owner can read, each file whole or not at all.
//!
//! `<folder>/<authority>/account.json` and `<folder>/<authority>/<host>.pem`, the key and its chain. An authority is named by
//! the hash of its directory: certificates of one for tests are never taken for those of another.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use instant_acme::AccountCredentials;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use sha2::{Digest as _, Sha256};

use super::order::OrderError;
use super::{Issued, Wanted};
use crate::proxy::private_file::write;
use crate::proxy::tls::validity;

pub(super) struct Storage(PathBuf);

impl Storage {
    pub(super) fn new(folder: &Path) -> Self {
        Self(folder.to_owned())
    }

    fn of(&self, directory: &str) -> PathBuf {
        let hash = Sha256::digest(directory.as_bytes());
        let name: String = hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        self.0.join(name)
    }

    pub(super) fn account(&self, directory: &str) -> Result<Option<AccountCredentials>, OrderError> {
        let Some(bytes) = read(&self.of(directory).join("account.json"))? else { return Ok(None) };
        Ok(Some(serde_json::from_slice(&bytes)?))
    }

    pub(super) fn keep_account(&self, directory: &str, account: &AccountCredentials) -> Result<(), OrderError> {
        Ok(write(&self.of(directory), "account.json", &serde_json::to_vec(account)?)?)
    }

    pub(super) fn forget_account(&self, directory: &str) -> Result<(), OrderError> {
        Ok(fs::remove_file(self.of(directory).join("account.json"))?)
    }

    pub(super) fn certificate(&self, wanted: &Wanted) -> Result<Option<Issued>, OrderError> {
        let Some(pem) = read(&self.of(&wanted.directory).join(format!("{}.pem", wanted.host)))? else { return Ok(None) };
        issued(&pem).map(Some)
    }

    pub(super) fn keep_certificate(&self, wanted: &Wanted, pem: &[u8]) -> Result<(), OrderError> {
        Ok(write(&self.of(&wanted.directory), &format!("{}.pem", wanted.host), pem)?)
    }
}

/// A key and the certificates that belong to it.
pub(super) fn issued(pem: &[u8]) -> Result<Issued, OrderError> {
    let key = PrivateKeyDer::from_pem_slice(pem).map_err(|_| OrderError::Torn)?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let chain = chain.map_err(|_| OrderError::Torn)?;
    let (from, to) = chain.first().and_then(|leaf| validity::of(leaf)).ok_or(OrderError::Torn)?;
    let key = CertifiedKey::from_der(chain, key, &rustls::crypto::ring::default_provider())?;
    Ok(Issued { key: Arc::new(key), from, to })
}

fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
