//! Where the engine is: named outright, by `DOCKER_HOST`, by a context of Docker's client, or at a known socket.

mod context;

use std::path::{Path, PathBuf};

use chora_core::ports::EngineError;

use crate::transport::{SshTarget, TlsFiles, Transport, client_config};

/// Everything that decides where the engine is; the caller read it from its surroundings.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EndpointRequest {
    /// Address from `chora.yaml` or a flag, such as `ssh://deploy@host`.
    pub explicit: Option<String>,
    /// `DOCKER_HOST`.
    pub docker_host: Option<String>,
    /// `DOCKER_CONTEXT`.
    pub docker_context: Option<String>,
    /// `DOCKER_TLS_VERIFY`; any value that is not empty asks for TLS with verification.
    pub docker_tls_verify: Option<String>,
    /// `DOCKER_TLS`; any value that is not empty asks for TLS.
    pub docker_tls: Option<String>,
    /// `DOCKER_CERT_PATH`.
    pub docker_cert_path: Option<PathBuf>,
    /// `DOCKER_CONFIG`; `~/.docker` unless given.
    pub docker_config: Option<PathBuf>,
    /// `HOME`.
    pub home: Option<PathBuf>,
    /// `DOCKER_BUILDKIT`; `0` asks for the classic builder, also where the engine has `BuildKit`.
    pub docker_buildkit: Option<String>,
    /// `XDG_RUNTIME_DIR`, where a rootless engine has its socket.
    pub xdg_runtime_dir: Option<PathBuf>,
}

impl EndpointRequest {
    /// Directory of Docker's own configuration, when one is known.
    pub(crate) fn configuration_directory(&self) -> Option<PathBuf> {
        self.docker_config.clone().or_else(|| self.home.as_ref().map(|home| home.join(".docker")))
    }

    /// Whether `BuildKit` is out of the question, written as Docker's own client reads it.
    pub(crate) fn refuses_buildkit(&self) -> bool {
        self.docker_buildkit.as_deref().is_some_and(|value| matches!(value, "0" | "f" | "F" | "false" | "False" | "FALSE"))
    }

    fn uses_tls(&self) -> bool {
        is_set(self.docker_tls_verify.as_ref()) || is_set(self.docker_tls.as_ref())
    }

    /// TLS files as `DOCKER_CERT_PATH` names them.
    fn tls_files(&self) -> TlsFiles {
        let directory = self.docker_cert_path.clone().or_else(|| self.configuration_directory()).unwrap_or_default();
        let existing = |name: &str| Some(directory.join(name)).filter(|path| path.exists());
        TlsFiles {
            authority: existing("ca.pem"),
            certificate: existing("cert.pem"),
            key: existing("key.pem"),
            skips_verification: !is_set(self.docker_tls_verify.as_ref()),
        }
    }
}

fn is_set(value: Option<&String>) -> bool {
    value.is_some_and(|value| !value.is_empty())
}

/// An engine's address, and the TLS files when it needs them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Endpoint {
    pub(crate) address: String,
    pub(crate) tls: Option<TlsFiles>,
}

const DEFAULT_SOCKET: &str = "/var/run/docker.sock";

impl Endpoint {
    pub(crate) fn find(request: &EndpointRequest) -> Result<Self, EngineError> {
        let filled = |value: &Option<String>| value.clone().filter(|value| !value.is_empty());
        if let Some(address) = filled(&request.explicit).or_else(|| filled(&request.docker_host)) {
            let tls = (address.starts_with("tcp://") && request.uses_tls()).then(|| request.tls_files());
            return Ok(Self { address, tls });
        }
        let directory = request.configuration_directory();
        let named = filled(&request.docker_context);
        let name = match (named, &directory) {
            (Some(name), _) => Some(name),
            (None, Some(directory)) => context::current(directory)?,
            (None, None) => None,
        };
        if let Some(name) = name.filter(|name| name != "default") {
            let missing = || EngineError::Invalid { reason: format!("there is no Docker context `{name}`") };
            return context::load(&directory.ok_or_else(missing)?, &name)?.ok_or_else(missing);
        }
        let rootless = request.xdg_runtime_dir.as_ref().map(|directory| directory.join("docker.sock"));
        let socket = match rootless {
            Some(rootless) if !Path::new(DEFAULT_SOCKET).exists() && rootless.exists() => rootless,
            _ => PathBuf::from(DEFAULT_SOCKET),
        };
        Ok(Self { address: format!("unix://{}", socket.display()), tls: None })
    }

    /// Whether the engine is asked through a socket of this machine.
    pub(crate) fn is_local(&self) -> bool {
        self.address.starts_with("unix://")
    }

    /// Gives the transport and the address that messages show, without a user's password.
    pub(crate) fn into_transport(self) -> Result<(Transport, String), EngineError> {
        let invalid = |why: &str| EngineError::Invalid { reason: format!("`{}` is not an engine's address: {why}", self.address) };
        let (scheme, rest) = self.address.split_once("://").ok_or_else(|| invalid("it has no unix://, tcp:// or ssh://"))?;
        let transport = match scheme {
            "unix" if rest.starts_with('/') => Transport::Unix(PathBuf::from(rest)),
            "unix" => return Err(invalid("the socket's path is not absolute")),
            "ssh" => Transport::Ssh(SshTarget::parse(rest).ok_or_else(|| invalid("expected ssh://[user@]host[:port]"))?),
            "tcp" | "http" | "https" => {
                let default_port = if self.tls.is_some() || scheme == "https" { 2376 } else { 2375 };
                let (host, port) = host_and_port(rest, default_port).ok_or_else(|| invalid("expected host:port"))?;
                match &self.tls {
                    Some(files) => {
                        let config = client_config(files).map_err(|reason| EngineError::Invalid { reason })?;
                        Transport::Tls { host, port, config }
                    }
                    None if scheme == "https" => return Err(invalid("TLS needs DOCKER_TLS_VERIFY and DOCKER_CERT_PATH, or a context")),
                    None => Transport::Tcp { host, port },
                }
            }
            _ => return Err(invalid("only unix://, tcp:// and ssh:// are known")),
        };
        Ok((transport, self.address))
    }
}

fn host_and_port(text: &str, default: u16) -> Option<(String, u16)> {
    let text = text.split('/').next()?;
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => rest.split_once(']').map(|(host, port)| (host, port.strip_prefix(':')))?,
        None => text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
    };
    let port = port.map_or(Some(default), |port| port.parse().ok())?;
    let host = if host.is_empty() { "127.0.0.1" } else { host };
    Some((host.to_owned(), port))
}

#[cfg(test)]
mod tests {
    use super::{Endpoint, EndpointRequest, host_and_port};

    #[test]
    fn an_explicit_address_wins_over_the_variables() {
        let mut request = EndpointRequest { docker_host: Some("tcp://b:1".into()), ..EndpointRequest::default() };
        assert_eq!(Endpoint::find(&request).unwrap().address, "tcp://b:1");
        request.explicit = Some("unix:///a".into());
        assert_eq!(Endpoint::find(&request).unwrap().address, "unix:///a");
        request = EndpointRequest { docker_host: Some(String::new()), ..EndpointRequest::default() };
        assert_eq!(Endpoint::find(&request).unwrap().address, "unix:///var/run/docker.sock");
    }

    #[test]
    fn addresses_that_cannot_be_used_say_why() {
        for (address, words) in
            [("docker", "no unix://"), ("unix://x", "not absolute"), ("npipe:////./pipe/x", "only unix"), ("ssh://-x", "expected ssh")]
        {
            let told = Endpoint { address: address.into(), tls: None }.into_transport().map(drop).unwrap_err().to_string();
            assert!(told.contains(words), "{told}");
        }
        assert_eq!(host_and_port("[::1]:5", 1), Some(("::1".into(), 5)));
        assert_eq!(host_and_port(":5", 1), Some(("127.0.0.1".into(), 5)));
        assert_eq!(host_and_port("h", 1), Some(("h".into(), 1)));
    }
}
