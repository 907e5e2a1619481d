//! Many servers at once, each a bridge under its name; one that fails is no matter of the others.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::aggregate::Aggregate;
use crate::bridge::{Bridge, BridgeSettings, ChildSharing};
use crate::server::Server;

/// Longest name of a server: what is offered under it must have a valid name with it.
const LONGEST_NAME: usize = 64;
/// Names that are paths of the gateway itself.
const TAKEN: [&str; 6] = ["mcp", "sse", "messages", "health", "ready", "metrics"];

/// A server and its name.
#[derive(Debug, Clone)]
pub struct NamedServer {
    /// The name, as in the paths.
    pub name: String,
    /// The server.
    pub server: Server,
}

/// Which servers, within which limits.
#[derive(Debug, Clone)]
pub struct ManySettings {
    /// The servers, in the order in which they are told.
    pub servers: Vec<NamedServer>,
    /// Whose a process of each of them is.
    pub sharing: ChildSharing,
    /// Most sessions of each of them at once.
    pub max_sessions: usize,
    /// How long a session may be idle before it is ended.
    pub idle: Duration,
    /// Whether all are offered as one as well.
    pub aggregate: bool,
}

/// A server cannot have this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// It is no part of a path, or of a tool's name.
    #[error("`{0}` cannot be a name: letters, digits, `-`, `_` and `.`, a letter or digit first, at most {LONGEST_NAME}")]
    Malformed(String),
    /// It is a path of the gateway.
    #[error("`{0}` cannot be a name: it is a path of the gateway itself")]
    Taken(String),
    /// It is there twice.
    #[error("`{0}` is the name of two servers")]
    Twice(String),
}

/// Servers that run.
#[derive(Debug)]
pub struct Many {
    servers: Vec<Named>,
    together: Option<Together>,
    started: Instant,
}

/// All servers as one.
#[derive(Debug)]
struct Together {
    bridge: Arc<Bridge>,
    aggregate: Arc<Aggregate>,
}

/// A server that runs.
#[derive(Debug, Clone)]
pub(crate) struct Named {
    pub(crate) name: Box<str>,
    pub(crate) bridge: Arc<Bridge>,
}

impl Many {
    /// Servers that are not started yet.
    ///
    /// # Errors
    ///
    /// A name cannot be one, or is there twice.
    pub fn new(settings: ManySettings) -> Result<Arc<Self>, NameError> {
        let ManySettings { servers, sharing, max_sessions, idle, aggregate } = settings;
        let mut named: Vec<Named> = Vec::with_capacity(servers.len());
        if let Some(error) = name_faults(servers.iter().map(|server| server.name.as_str())).into_iter().next() {
            return Err(error);
        }
        for NamedServer { name, server } in servers {
            let bridge = Bridge::new(BridgeSettings { server, sharing, max_sessions, idle });
            named.push(Named { name: name.into(), bridge });
        }
        let together = aggregate.then(|| Aggregate::new(named.clone()));
        let bridge = |aggregate: &Arc<Aggregate>| {
            // Each client has a conversation of its own, which is no process: whose a question is can always be told.
            let (server, sharing) = (Server::Together(Arc::clone(aggregate)), ChildSharing::Session);
            Bridge::new(BridgeSettings { server, sharing, max_sessions, idle })
        };
        let together = together.map(|aggregate| Together { bridge: bridge(&aggregate), aggregate });
        Ok(Arc::new(Self { servers: named, together, started: Instant::now() }))
    }

    /// Starts all servers and looks after them.
    pub fn start(&self) {
        for bridge in self.bridges() {
            tokio::spawn(Arc::clone(bridge).look_after());
            tokio::spawn(Arc::clone(bridge).tend());
        }
    }

    /// Ends all processes.
    pub async fn stop(&self) {
        // What speaks for the others goes first.
        if let Some(together) = &self.together {
            together.bridge.stop().await;
        }
        futures_util::future::join_all(self.servers.iter().map(|named| named.bridge.stop())).await;
    }

    /// Names of the servers.
    #[must_use]
    pub fn names(&self) -> Vec<&str> {
        self.servers.iter().map(|named| &*named.name).collect()
    }

    pub(crate) fn servers(&self) -> &[Named] {
        &self.servers
    }

    /// The bridge that offers all servers as one.
    pub(crate) fn together(&self) -> Option<&Arc<Bridge>> {
        self.together.as_ref().map(|together| &together.bridge)
    }

    /// What is offered together under another name than it would be, or not at all.
    pub(crate) fn remarks(&self) -> Vec<String> {
        self.together.as_ref().map(|together| together.aggregate.remarks()).unwrap_or_default()
    }

    pub(crate) fn uptime(&self) -> Duration {
        self.started.elapsed()
    }

    fn bridges(&self) -> impl Iterator<Item = &Arc<Bridge>> {
        self.servers.iter().map(|named| &named.bridge).chain(self.together())
    }
}

/// Everything that is wrong with the names of servers.
pub fn name_faults<'a>(names: impl Iterator<Item = &'a str>) -> Vec<NameError> {
    let mut seen = BTreeSet::new();
    names.filter_map(|name| check(name).err().or_else(|| (!seen.insert(name)).then(|| NameError::Twice(name.to_owned())))).collect()
}

fn check(name: &str) -> Result<(), NameError> {
    let is_plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    let begins_well = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    if !is_plain || !begins_well || name.len() > LONGEST_NAME {
        return Err(NameError::Malformed(name.to_owned()));
    }
    if TAKEN.contains(&name) { Err(NameError::Taken(name.to_owned())) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::{NameError, check};

    #[test]
    fn names_are_parts_of_paths_and_of_tool_names() {
        for name in ["a", "files", "my-server_2", "v1.2", "7"] {
            assert_eq!(check(name), Ok(()), "{name}");
        }
        for name in ["", ".", "..", "a/b", "a b", "ä", "-a", &"x".repeat(65)] {
            assert_eq!(check(name), Err(NameError::Malformed(name.to_owned())));
        }
        assert_eq!(check("health"), Err(NameError::Taken("health".to_owned())));
    }
}
