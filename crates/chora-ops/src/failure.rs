//! The one error that operations return: what happened, the state of the world, the next command.

use chora_core::plan::gateway::named_by_tls;
use chora_core::ports::{BlobError, EngineError, SecretError, StoreError};

use crate::event_log::LogError;

/// The kind decides CLI exit, MCP error and HTTP status (SPEC §3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// A candidate was refused; the old release kept serving.
    Kept,
    /// Switched, failed, restored and healthy.
    Restored,
    /// Restored but not healthy, or nothing to restore.
    Degraded,
    /// Invalid request, file or argument.
    Invalid,
    /// Not found.
    NotFound,
    /// Engine, registry, store or network unavailable.
    Unavailable,
    /// A bug.
    Internal,
    /// Lease held, edited by hand, wrong state.
    Conflict,
    /// No approval, no permission, bad token.
    Denied,
}

impl FailureKind {
    /// The exit code of the command line.
    #[must_use]
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Kept => 10,
            Self::Restored => 11,
            Self::Degraded => 12,
            Self::Invalid => 64,
            Self::NotFound => 66,
            Self::Unavailable => 69,
            Self::Internal => 70,
            Self::Conflict => 75,
            Self::Denied => 77,
        }
    }

    /// The HTTP status.
    #[must_use]
    pub const fn http_status(self) -> u16 {
        match self {
            Self::Kept | Self::Restored => 422,
            Self::Degraded | Self::Internal => 500,
            Self::Invalid => 400,
            Self::NotFound => 404,
            Self::Unavailable => 503,
            Self::Conflict => 409,
            Self::Denied => 403,
        }
    }
}

/// Why an operation did not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
pub struct Failure {
    /// Kind.
    pub kind: FailureKind,
    /// What happened, a lower-case fragment.
    pub message: String,
    /// The state that the world is in now.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub state: String,
    /// The next command.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub hint: String,
    /// Evidence: last log lines, diagnostics.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<String>,
}

impl Failure {
    /// Starts a failure.
    pub fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), state: String::new(), hint: String::new(), details: Vec::new() }
    }

    /// A bug: what a panic said.
    #[must_use]
    pub fn of_panic(panic: &(dyn std::any::Any + Send)) -> Self {
        let words = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
        let message = format!("internal: a bug in chora: {}", words.unwrap_or("a panic"));
        Self::new(FailureKind::Internal, message).hint("`chora status` shows what is live; please report the bug")
    }

    /// Adds the state of the world.
    #[must_use]
    pub fn state(mut self, state: impl Into<String>) -> Self {
        self.state = state.into();
        self
    }

    /// Adds the state of the world, where none is known yet.
    #[must_use]
    pub fn or_state(self, state: &str) -> Self {
        if self.state.is_empty() { self.state(state) } else { self }
    }

    /// Adds the next command.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = hint.into();
        self
    }

    /// Adds evidence.
    #[must_use]
    pub fn details(mut self, details: Vec<String>) -> Self {
        self.details = details;
        self
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

impl From<EngineError> for Failure {
    fn from(error: EngineError) -> Self {
        let (kind, hint) = match &error {
            EngineError::Unreachable { .. } => {
                (FailureKind::Unavailable, "start the engine, or name another one with DOCKER_HOST, then run the command again")
            }
            EngineError::PermissionDenied { .. } => {
                (FailureKind::Denied, "run as a member of the group that owns the socket (usually `docker`), or as root")
            }
            EngineError::ApiVersion { .. } => (FailureKind::Unavailable, "use an engine with API 1.41 (Docker 20.10) or newer"),
            EngineError::NotFound { .. } => (FailureKind::NotFound, "see what is there with `chora ps`"),
            EngineError::Conflict { .. } => (FailureKind::Conflict, "see what is there with `chora ps`"),
            EngineError::Invalid { .. } => {
                (FailureKind::Invalid, "change what it refuses in the Compose file (see `chora config`), or the engine's address")
            }
            EngineError::PortTaken { .. } => (FailureKind::Conflict, "stop what holds the port, or publish another one"),
            EngineError::DiskFull { .. } => (FailureKind::Unavailable, "free space on the engine's disk, for instance with `chora prune`"),
            EngineError::ImageUnavailable { .. } => (FailureKind::NotFound, "check the image's name and the login to its registry"),
            EngineError::LoginNeeded { registry, .. } => {
                let failure = Self::new(FailureKind::Denied, error.to_string());
                return failure.hint(format!("log in with `docker login {registry}` as somebody who may, then run the command again"));
            }
            EngineError::PushRefused { .. } => (FailureKind::Conflict, "see what the registry says, then run the command again"),
            EngineError::RegistryUnreachable { .. } => (FailureKind::Unavailable, "run the command again when the registry answers"),
            EngineError::BuildFailed { .. } => (FailureKind::Invalid, "mend the build, try it with `chora build`"),
            EngineError::TimedOut { .. } | EngineError::Failed { .. } => (FailureKind::Unavailable, "run the command again"),
        };
        let details = if let EngineError::BuildFailed { log, .. } = &error { log.clone() } else { Vec::new() };
        Self::new(kind, error.to_string()).hint(hint).details(details)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let (kind, hint) = match &error {
            StoreError::LeaseHeld { .. } => (FailureKind::Conflict, "wait for it to end; `chora status` shows it"),
            StoreError::LeaseLost { .. } | StoreError::Exists(_) => (FailureKind::Conflict, "see `chora status`"),
            StoreError::NewerSchema { .. } => (FailureKind::Conflict, "use the newer chora that wrote it"),
            StoreError::NotFound(_) => (FailureKind::NotFound, "see `chora history`"),
            StoreError::ReadOnly(_) => (FailureKind::Denied, "make the project's .chora directory writable"),
            StoreError::DiskFull(_) => (FailureKind::Unavailable, "free space on the disk that holds .chora, then run the command again"),
            StoreError::Failed(_) => (FailureKind::Unavailable, "run the command again"),
        };
        // The lease is the first thing that is written.
        let untouched = matches!(error, StoreError::LeaseHeld { .. } | StoreError::NewerSchema { .. } | StoreError::ReadOnly(_));
        Self::new(kind, error.to_string()).hint(hint).state(if untouched { "nothing was changed" } else { "" })
    }
}

impl From<BlobError> for Failure {
    fn from(error: BlobError) -> Self {
        let kind = match &error {
            BlobError::NotFound(_) => FailureKind::NotFound,
            BlobError::Damaged(_) => FailureKind::Conflict,
            BlobError::DiskFull(_) | BlobError::Failed(_) => FailureKind::Unavailable,
        };
        Self::new(kind, error.to_string()).hint("free or mend the disk that holds .chora/blobs, then run the command again")
    }
}

impl From<SecretError> for Failure {
    fn from(error: SecretError) -> Self {
        let kind = match &error {
            SecretError::Missing { .. } => FailureKind::Invalid,
            SecretError::Unreadable { .. } => FailureKind::Denied,
        };
        let (SecretError::Missing { name, reason } | SecretError::Unreadable { name, reason }) = &error;
        match named_by_tls(name) {
            Some(file) => Self::new(kind, format!("`{file}`, which `tls` in chora.yaml names, cannot be read: {reason}"))
                .hint("put the file there, or mend `tls` in chora.yaml"),
            None => Self::new(kind, error.to_string()).hint("provide the value where the Compose file says it is"),
        }
    }
}

impl From<LogError> for Failure {
    fn from(error: LogError) -> Self {
        let kind = match &error {
            LogError::ReadOnly(_) => FailureKind::Denied,
            LogError::DiskFull(_) | LogError::Failed(_) => FailureKind::Unavailable,
        };
        Self::new(kind, error.to_string()).hint("make .chora/memory writable, with space left, then run the command again")
    }
}

#[cfg(test)]
mod tests {
    use super::{Failure, FailureKind};
    use chora_core::compose::Stack;
    use chora_core::plan::gateway::gateway_file;
    use chora_core::ports::{EngineError, SecretError};

    #[test]
    fn a_file_of_tls_is_named_as_chora_yaml_names_it() {
        let mut stack = Stack::default();
        gateway_file(&mut stack, "certs/a.key", "/p/certs/a.key".to_owned());
        let name = stack.secrets.keys().next().unwrap().clone();
        let failure = Failure::from(SecretError::Missing { name, reason: "no such file".into() });
        assert!(failure.message.starts_with("`certs/a.key`, which `tls` in chora.yaml names, cannot be read"), "{}", failure.message);
        assert!(failure.hint.contains("`tls`"));
        let other = Failure::from(SecretError::Missing { name: "token".into(), reason: "no such file".into() });
        assert!(other.message.starts_with("`token` has no value") && other.hint.contains("Compose file"));
    }

    #[test]
    fn every_failure_of_the_engine_names_a_next_command() {
        let failure = Failure::from(EngineError::Unreachable { endpoint: "unix:///x".into(), reason: "no such file".into() });
        assert_eq!((failure.kind, failure.kind.exit_code()), (FailureKind::Unavailable, 69));
        assert!(failure.hint.contains("DOCKER_HOST"));
    }
}
