//! Registry logins from Docker's own configuration: stored ones and those of credential helpers.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use chora_core::ports::EngineError;
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use tokio::io::AsyncWriteExt;

/// Key under which Docker keeps the login of its own registry.
const DOCKER_HUB: &str = "https://index.docker.io/v1/";
/// A helper that asks a person something nobody sees would wait for ever.
const HELPER_LIMIT: Duration = Duration::from_secs(30);

/// A login as the engine takes it.
#[derive(Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) struct Login {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) username: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) password: String,
    #[serde(rename = "identitytoken", skip_serializing_if = "String::is_empty")]
    pub(crate) identity_token: String,
    #[serde(rename = "registrytoken", skip_serializing_if = "String::is_empty")]
    pub(crate) registry_token: String,
    #[serde(rename = "serveraddress")]
    pub(crate) server_address: String,
}

impl Login {
    /// Encodes the login for the `X-Registry-Auth` header.
    pub(crate) fn header(&self) -> String {
        URL_SAFE.encode(serde_json::json!(self).to_string())
    }
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Configuration {
    auths: IndexMap<String, StoredLogin>,
    cred_helpers: IndexMap<String, String>,
    creds_store: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct StoredLogin {
    auth: String,
    username: String,
    password: String,
    #[serde(rename = "identitytoken")]
    identity_token: String,
    #[serde(rename = "registrytoken")]
    registry_token: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct HelperAnswer {
    username: String,
    secret: String,
}

/// The logins of one configuration directory; read anew for each use.
#[derive(Clone)]
pub(crate) struct Logins {
    directory: Option<PathBuf>,
}

impl Logins {
    pub(crate) const fn new(directory: Option<PathBuf>) -> Self {
        Self { directory }
    }

    /// Finds the login for the registry of an image; `None` means anonymous.
    pub(crate) async fn find(&self, reference: &str) -> Result<Option<Login>, EngineError> {
        self.for_registry(registry_of(reference)).await
    }

    /// Finds the login for a registry's host, `docker.io` for Docker's own.
    pub(crate) async fn for_registry(&self, host: &str) -> Result<Option<Login>, EngineError> {
        let Some(configuration) = self.read()? else { return Ok(None) };
        let key = if matches!(host, "docker.io" | "index.docker.io" | "registry-1.docker.io") { DOCKER_HUB } else { host };
        let helper = configuration.cred_helpers.get(key).or_else(|| configuration.cred_helpers.get(host));
        let helper = helper.or(Some(&configuration.creds_store)).filter(|helper| !helper.is_empty());
        if let Some(helper) = helper {
            return ask(helper, key).await;
        }
        let stored = configuration.auths.iter().find(|(name, _)| *name == key || plain_host(name) == plain_host(key));
        stored.map(|(_, login)| decode(login, key)).transpose()
    }

    /// Finds every login that is stored or can be asked for, for builds that may pull from anywhere.
    pub(crate) async fn all(&self) -> Result<Vec<(String, Login)>, EngineError> {
        let Some(configuration) = self.read()? else { return Ok(Vec::new()) };
        let names = configuration.auths.keys().chain(configuration.cred_helpers.keys());
        let mut logins: Vec<(String, Login)> = Vec::new();
        for name in names {
            let host = if name == DOCKER_HUB { "docker.io" } else { plain_host(name) };
            if logins.iter().any(|(known, _)| known == name) {
                continue;
            }
            if let Some(login) = self.for_registry(host).await? {
                logins.push((name.clone(), login));
            }
        }
        Ok(logins)
    }

    fn read(&self) -> Result<Option<Configuration>, EngineError> {
        let Some(directory) = &self.directory else { return Ok(None) };
        let path = directory.join("config.json");
        let invalid = |reason: String| EngineError::Invalid { reason: format!("{}: {reason}", path.display()) };
        match std::fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(|error| invalid(error.to_string())),
            Err(error) if matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) => Ok(None),
            Err(error) => Err(invalid(error.to_string())),
        }
    }
}

/// Gives the host that an image reference names; the first part is one when it has a dot, a colon, or is `localhost`.
pub(crate) fn registry_of(reference: &str) -> &str {
    match reference.split_once('/') {
        Some((host, _)) if host.contains(['.', ':']) || host == "localhost" => host,
        _ => "docker.io",
    }
}

fn plain_host(name: &str) -> &str {
    let name = name.strip_prefix("https://").or_else(|| name.strip_prefix("http://")).unwrap_or(name);
    name.split('/').next().unwrap_or(name)
}

fn decode(stored: &StoredLogin, key: &str) -> Result<Login, EngineError> {
    let invalid = || EngineError::Invalid { reason: format!("the stored login for `{key}` cannot be read") };
    let mut login = Login {
        username: stored.username.clone(),
        password: stored.password.clone(),
        identity_token: stored.identity_token.clone(),
        registry_token: stored.registry_token.clone(),
        server_address: key.to_owned(),
    };
    if !stored.auth.is_empty() {
        let decoded = STANDARD.decode(stored.auth.trim()).map_err(|_| invalid())?;
        let text = String::from_utf8(decoded).map_err(|_| invalid())?;
        let (username, password) = text.split_once(':').ok_or_else(invalid)?;
        username.clone_into(&mut login.username);
        password.trim_end_matches('\0').clone_into(&mut login.password);
    }
    Ok(login)
}

/// Asks `docker-credential-<helper> get`; it knows nothing of a server: anonymous.
async fn ask(helper: &str, server: &str) -> Result<Option<Login>, EngineError> {
    let program = format!("docker-credential-{helper}");
    let invalid = |reason: String| EngineError::Invalid { reason: format!("{program}: {reason}") };
    let is_name = helper.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
    if !is_name {
        return Err(invalid("not the name of a credential helper".to_owned()));
    }
    let answer = tokio::time::timeout(HELPER_LIMIT, run(&program, server));
    let output = answer.await.map_err(|_| invalid("it does not answer".to_owned()))?.map_err(|error| invalid(error.to_string()))?;
    let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    if !output.status.success() {
        let is_unknown = said.contains("credentials not found") || said.contains("no credentials");
        return if is_unknown { Ok(None) } else { Err(invalid(said)) };
    }
    // The answer holds the secret: it must not get into the message.
    let answer: HelperAnswer = serde_json::from_str(&said).map_err(|_| invalid("its answer cannot be read".to_owned()))?;
    let mut login = Login { server_address: server.to_owned(), ..Login::default() };
    if answer.username == "<token>" {
        login.identity_token = answer.secret;
    } else {
        login.username = answer.username;
        login.password = answer.secret;
    }
    Ok(Some(login))
}

async fn run(program: &str, server: &str) -> std::io::Result<std::process::Output> {
    let mut child = tokio::process::Command::new(program)
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    if let Some(mut input) = child.stdin.take() {
        input.write_all(server.as_bytes()).await?;
    }
    child.wait_with_output().await
}

#[cfg(test)]
mod tests {
    use super::{Logins, StoredLogin, decode, plain_host, registry_of};

    #[test]
    fn references_name_their_registry() {
        for (reference, host) in
            [("redis", "docker.io"), ("library/redis:7", "docker.io"), ("ghcr.io/a/b", "ghcr.io"), ("localhost/a", "localhost")]
        {
            assert_eq!(registry_of(reference), host);
        }
        assert_eq!(registry_of("127.0.0.1:5000/a:1"), "127.0.0.1:5000");
        assert_eq!(plain_host("https://ghcr.io/v2/"), "ghcr.io");
    }

    #[test]
    fn stored_logins_are_decoded() {
        let stored = StoredLogin { auth: "bWU6c2VjOnJldA==".into(), ..StoredLogin::default() };
        let login = decode(&stored, "r").ok().unwrap();
        assert_eq!((login.username.as_str(), login.password.as_str()), ("me", "sec:ret"));
        let broken = StoredLogin { auth: "%".into(), ..StoredLogin::default() };
        assert!(decode(&broken, "r").is_err());
    }

    #[tokio::test]
    async fn without_a_configuration_everyone_is_anonymous() {
        assert!(Logins::new(None).find("redis").await.unwrap().is_none());
    }
}
