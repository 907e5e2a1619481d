//! The bridge that a service is run under when it speaks MCP over its standard streams only: what it listens on, who may call.

use std::time::Duration;

/// Where the program is mounted, in the containers of services that run under the bridge.
pub const MOUNTED_AT: &str = "/.chora";
/// The program there.
pub const PROGRAM: &str = "/.chora/chora";
/// The container port that it listens on where nothing says another one.
pub const DEFAULT_PORT: u16 = 8000;
/// What the engine gives a container to end in, where the Compose file says nothing.
const DEFAULT_GRACE: Duration = Duration::from_secs(10);
/// What of it the bridge itself needs.
const OWN_GRACE: Duration = Duration::from_secs(1);

/// Whose a process of the server is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BridgeChild {
    /// One process serves all clients.
    #[default]
    Shared,
    /// Every session has its own.
    Session,
    /// Every request without a session has its own, and every session too.
    Request,
}

impl BridgeChild {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Shared => "shared",
            Self::Session => "session",
            Self::Request => "request",
        }
    }
}

/// What one service's bridge does.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
pub struct Bridge {
    /// Container port that it listens on.
    pub port: u16,
    /// Whose a process is.
    #[serde(default)]
    pub child: BridgeChild,
    /// Most sessions at once; the bridge's own default when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_sessions: Option<u32>,
    /// How long a session may be unused; the bridge's own default when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle: Option<Duration>,
    /// The file in the container with the token that clients must send.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_file: Option<String>,
    /// Names that clients may call it by; empty is any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<String>,
    /// Origins of web pages that may call.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub origins: Vec<String>,
    /// Why the service is run under it, for people.
    #[serde(default)]
    pub why: String,
}

impl Bridge {
    /// Whether both run a service in the same way, whatever the reasons.
    #[must_use]
    pub fn does_the_same(&self, other: &Self) -> bool {
        Self { why: String::new(), ..self.clone() } == Self { why: String::new(), ..other.clone() }
    }

    /// The entry point of a container that is stopped within `grace`; the server's own words follow it.
    #[must_use]
    pub fn entrypoint(&self, grace: Option<Duration>) -> Vec<String> {
        let grace = grace.unwrap_or(DEFAULT_GRACE);
        let patience = grace.saturating_sub(OWN_GRACE).max(grace / 2);
        let mut words = vec![PROGRAM.to_owned(), "bridge".to_owned(), "--stdio".to_owned()];
        let mut option = |name: &str, value: String| words.extend([name.to_owned(), value]);
        option("--listen", format!("0.0.0.0:{}", self.port));
        option("--child", self.child.as_str().to_owned());
        option("--patience", format!("{}ms", patience.as_millis()));
        if let Some(most) = self.max_sessions {
            option("--max-sessions", most.to_string());
        }
        if let Some(idle) = self.idle {
            option("--idle", format!("{}ms", idle.as_millis()));
        }
        // Behind a gateway it is called by any name. What a rebound name would let in is a page, and pages are held to their origin.
        let any = ["*".to_owned()];
        for host in if self.hosts.is_empty() { any.as_slice() } else { &self.hosts } {
            option("--allow-host", host.clone());
        }
        for origin in &self.origins {
            option("--allow-origin", origin.clone());
        }
        match &self.token_file {
            Some(file) => option("--token-file", file.clone()),
            None => words.push("--insecure-no-token".to_owned()),
        }
        words.push("--".to_owned());
        words
    }
}

impl std::fmt::Display for Bridge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let token = if self.token_file.is_some() { "asks for a token" } else { "asks for no token" };
        write!(f, "runs under chora's bridge on port {}, which {token} ({})", self.port, self.why)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Bridge, BridgeChild};

    #[test]
    fn it_becomes_a_command_line() {
        let plain = Bridge { port: 8000, ..Bridge::default() };
        assert_eq!(
            plain.entrypoint(None).join(" "),
            "/.chora/chora bridge --stdio --listen 0.0.0.0:8000 --child shared --patience 9000ms --allow-host * --insecure-no-token --"
        );
        let full = Bridge {
            port: 9000,
            child: BridgeChild::Session,
            max_sessions: Some(5),
            idle: Some(Duration::from_secs(60)),
            token_file: Some("/run/secrets/token".into()),
            hosts: vec!["tools.example".into()],
            origins: vec!["https://app.example".into()],
            why: "asked for".into(),
        };
        assert_eq!(
            full.entrypoint(Some(Duration::from_secs(1))).join(" "),
            "/.chora/chora bridge --stdio --listen 0.0.0.0:9000 --child session --patience 500ms --max-sessions 5 --idle 60000ms \
             --allow-host tools.example --allow-origin https://app.example --token-file /run/secrets/token --"
        );
        assert!(full.does_the_same(&Bridge { why: String::new(), ..full.clone() }) && !full.does_the_same(&plain));
    }
}
