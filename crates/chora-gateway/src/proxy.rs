//! The gateway: owns a stack's published ports and sends what comes to the active release of each service.
//!
//! It is told what to do over a unix socket and knows nothing of containers. It refuses nothing that a release can
//! still finish: a switch is one change, after which the release before is drained.

mod acme;
mod announce;
mod answer;
mod attempt;
mod attend;
mod canary;
mod control;
mod counters;
mod cut;
mod drain;
mod files;
mod forward;
#[cfg(fuzzing)]
pub(crate) mod fuzzing;
mod headers;
mod hold;
mod listener;
mod mcp;
mod noted;
mod opening;
mod plane;
mod pool;
mod private_file;
mod redirect;
mod release;
mod request_body;
mod response_body;
mod revocable;
mod routes;
mod service;
mod sessions;
mod shards;
mod socket;
mod state_file;
mod table;
mod tls;
mod tunnel;
mod watch;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

pub use self::attend::attend;
use self::files::Files;
use self::plane::{ChangeError, Plane};
use self::shards::Shards;
use self::socket::ControlSocket;
pub use self::state_file::StateFileError;
pub use self::table::{Table, TableError};
pub use self::watch::Inquiry;

/// How long requests under way have to end once the gateway stops.
const CLOSING: Duration = Duration::from_secs(10);
/// How long those have after that which were told to.
const CUTTING: Duration = Duration::from_secs(2);

/// Why a gateway does not run.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    #[error(transparent)]
    StateFile(#[from] StateFileError),
    #[error("the control socket {} cannot be served: {source}", path.display())]
    ControlSocket { path: PathBuf, source: io::Error },
    #[error("the table cannot be served: {0}")]
    Table(String),
    #[error("the threads that serve connections cannot be started: {0}")]
    Threads(io::Error),
}

impl From<ChangeError> for GatewayError {
    fn from(error: ChangeError) -> Self {
        match error {
            ChangeError::StateFile(error) => Self::StateFile(error),
            other => Self::Table(other.to_string()),
        }
    }
}

/// Where a gateway has its table, and where it is told what to do.
#[derive(Debug, Clone)]
pub struct GatewaySettings {
    /// File with the table; changes are written back to it.
    pub state_file: PathBuf,
    /// Unix socket of the control API.
    pub control_socket: PathBuf,
    /// Begins with an empty table where the state file is missing.
    pub begin_empty: bool,
    /// Folder for files that are sent over the control API; without one they are refused.
    pub files: Option<PathBuf>,
}

/// The data plane of one stack.
#[derive(Debug, Clone, Copy)]
pub struct Gateway;

impl Gateway {
    /// Serves the table of a state file, and the control API on a unix socket with mode 0600, until `shutdown` is
    /// cancelled. Then nothing more is accepted, and what is under way has 10 s to end. `ready` is called once everything
    /// is served. `ask` answers the questions of watches and rehearsals.
    ///
    /// # Errors
    /// When the state file is missing or torn, or a port or the socket cannot be bound. A first table is written with
    /// [`Table::save`], or is empty where the settings say so.
    pub async fn run(
        settings: &GatewaySettings,
        ask: Inquiry,
        shutdown: CancellationToken,
        ready: impl FnOnce() + Send,
    ) -> Result<(), GatewayError> {
        let GatewaySettings { state_file, control_socket, begin_empty, files } = settings;
        let told = |source| GatewayError::ControlSocket { path: control_socket.clone(), source };
        // First of all: where another gateway answers, its ports are left alone.
        let socket = ControlSocket::bind(control_socket).map_err(told)?;
        let (open, mut all_closed) = mpsc::channel(1);
        let shards = Shards::start().map_err(GatewayError::Threads)?;
        let plane = Plane::new((state_file.clone(), Files::new(files.clone())), shards, ask, shutdown.clone(), open);
        let plane = Arc::new(plane);
        let table = match Table::load(state_file) {
            // Written at once, so that a folder that cannot be written to is told now.
            Err(StateFileError::Missing { .. }) if *begin_empty => Table::empty().save(state_file).map(|()| Table::empty()),
            loaded => loaded,
        };
        plane.restore(table?).await?;
        announce::announce();
        ready();
        tokio::select! {
            () = control::serve(socket, Arc::clone(&plane), shutdown) => {}
            () = plane.tend() => {}
            () = watch::watch(&plane) => {}
        }
        let closed = all_closed_after(&plane, &mut all_closed).await;
        if !closed {
            tracing::warn!("connections were still open when the gateway ended");
        }
        Ok(())
    }
}

async fn all_closed_after(plane: &Plane, closed: &mut mpsc::Receiver<()>) -> bool {
    plane.forget_open().await;
    if tokio::time::timeout(CLOSING, closed.recv()).await.is_ok() {
        return true;
    }
    plane.cut();
    tokio::time::timeout(CUTTING, closed.recv()).await.is_ok()
}
