//! Contexts of Docker's own client: `contexts/meta/<sha256 of the name>/meta.json` and TLS files beside it.

use std::path::Path;

use chora_core::ports::EngineError;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::Endpoint;
use crate::transport::TlsFiles;

#[derive(Deserialize, Default)]
struct Configuration {
    #[serde(rename = "currentContext", default)]
    current_context: String,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Metadata {
    endpoints: Endpoints,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Endpoints {
    docker: Option<DockerEndpoint>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct DockerEndpoint {
    #[serde(rename = "Host")]
    host: String,
    #[serde(rename = "SkipTLSVerify")]
    skips_verification: bool,
}

/// Reads the name of the context in use from `config.json`.
pub(super) fn current(directory: &Path) -> Result<Option<String>, EngineError> {
    let configuration: Configuration = read(&directory.join("config.json"))?.unwrap_or_default();
    Ok(Some(configuration.current_context).filter(|name| !name.is_empty()))
}

/// Reads a context; `None` when there is none of this name.
pub(super) fn load(directory: &Path, name: &str) -> Result<Option<Endpoint>, EngineError> {
    let folder: String = Sha256::digest(name.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    let contexts = directory.join("contexts");
    let Some(metadata) = read::<Metadata>(&contexts.join("meta").join(&folder).join("meta.json"))? else { return Ok(None) };
    let Some(docker) = metadata.endpoints.docker else {
        return Err(EngineError::Invalid { reason: format!("the Docker context `{name}` names no engine") });
    };
    let files = contexts.join("tls").join(&folder).join("docker");
    let existing = |file: &str| Some(files.join(file)).filter(|path| path.exists());
    let tls = TlsFiles {
        authority: existing("ca.pem"),
        certificate: existing("cert.pem"),
        key: existing("key.pem"),
        skips_verification: docker.skips_verification,
    };
    let has_tls = docker.host.starts_with("tcp://") && tls != TlsFiles::default();
    Ok(Some(Endpoint { address: docker.host, tls: has_tls.then_some(tls) }))
}

fn read<T: for<'de> Deserialize<'de>>(path: &Path) -> Result<Option<T>, EngineError> {
    let invalid = |reason: String| EngineError::Invalid { reason: format!("{}: {reason}", path.display()) };
    match std::fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(|error| invalid(error.to_string())),
        Err(error) if matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(invalid(error.to_string())),
    }
}
