//! A bridge that runs inside the test.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use chora_gateway::{Bridge, BridgeSettings, ChildCommand, ChildSharing, FrontSettings, Guard, serve};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::client::Client;

/// How a bridge is to differ from the usual.
pub(crate) struct Setup {
    pub(crate) era: &'static str,
    pub(crate) sharing: ChildSharing,
    pub(crate) guard: Guard,
    pub(crate) max_sessions: usize,
    pub(crate) idle: Duration,
    pub(crate) body_bytes: usize,
    pub(crate) max_connections: usize,
    /// How long a client may take nothing, in milliseconds; the usual where it is 0.
    pub(crate) write_ms: u32,
    /// Whether idle sessions are ended.
    pub(crate) tended: bool,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            era: "both",
            sharing: ChildSharing::Shared,
            guard: Guard::default(),
            max_sessions: 100,
            idle: Duration::from_secs(600),
            body_bytes: 64 * 1024,
            max_connections: 1000,
            write_ms: 0,
            tended: true,
        }
    }
}

/// A bridge that serves on a free port of this machine.
pub(crate) struct Served {
    pub(crate) bridge: Arc<Bridge>,
    pub(crate) address: String,
    stop: CancellationToken,
    serving: tokio::task::JoinHandle<()>,
}

impl Setup {
    pub(crate) async fn serve(self) -> Served {
        self.serve_at("127.0.0.1:0").await
    }

    pub(crate) async fn serve_at(self, address: &str) -> Served {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/servers/server.py");
        let command = vec!["python3".into(), script.into_os_string(), self.era.into()];
        let command = ChildCommand { command, environment: Vec::new(), directory: None, patience: chora_gateway::PATIENCE };
        let settings = BridgeSettings { server: command.into(), sharing: self.sharing, max_sessions: self.max_sessions, idle: self.idle };
        let bridge = Bridge::new(settings);
        let listener = TcpListener::bind(address).await.expect("a free port");
        // Those that are accepted inherit it.
        rustix::net::sockopt::set_tcp_user_timeout(&listener, self.write_ms).expect("an option");
        let address = listener.local_addr().expect("an address").to_string();
        let stop = CancellationToken::new();
        let front = FrontSettings { guard: self.guard, body_bytes: self.body_bytes, max_connections: self.max_connections };
        let serving = tokio::spawn(serve(listener, Arc::clone(&bridge), front, stop.clone()));
        if self.tended {
            tokio::spawn(Arc::clone(&bridge).tend());
        }
        Served { bridge, address, stop, serving }
    }
}

impl Served {
    /// A client without a session.
    pub(crate) fn client(&self) -> Client {
        Client::new(&self.address)
    }

    /// What `/health` tells of it.
    pub(crate) async fn told(&self) -> serde_json::Value {
        self.client().get("/health").await.json()["metadata"].clone()
    }

    /// A client with a session of a revision.
    pub(crate) async fn session(&self, revision: &str) -> Client {
        let mut client = self.client();
        client.initialize(revision).await;
        client
    }

    pub(crate) async fn stop(self) {
        self.stop.cancel();
        self.bridge.stop().await;
        self.serving.await.expect("the server ends");
    }
}

/// Waits until something holds, at most ten seconds.
pub(crate) async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    for _ in 0..500 {
        if holds().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{what}: never within ten seconds");
}

/// Whether a process runs.
pub(crate) fn runs(pid: &str) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}
