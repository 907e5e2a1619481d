//! Ending a response whose release is cut: by its body where the client reads, by its connection where it does not.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// How long a client has to read the end of a response.
pub(super) const FAREWELL: Duration = Duration::from_secs(1);

/// What a connection carries at this moment: the sign that the release of its response is cut.
pub(super) struct Cut(watch::Sender<Option<CancellationToken>>);

/// A response on a connection, until it is dropped.
pub(super) struct Carried {
    pub(super) token: CancellationToken,
    /// None where others are on the same connection.
    connection: Option<Arc<Cut>>,
}

impl Carried {
    /// A response beside others.
    pub(super) fn beside(token: &CancellationToken) -> Self {
        Self { token: token.clone(), connection: None }
    }
}

impl Cut {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self(watch::Sender::new(None)))
    }

    pub(super) fn carry(self: &Arc<Self>, token: &CancellationToken) -> Carried {
        self.0.send_replace(Some(token.clone()));
        Carried { token: token.clone(), connection: Some(Arc::clone(self)) }
    }

    /// Returns when a response was cut and its client does not take the end.
    pub(super) async fn overdue(&self) {
        let mut carried = self.0.subscribe();
        loop {
            let token = carried.borrow_and_update().clone();
            let due = async {
                match token {
                    Some(token) => token.cancelled().await,
                    None => std::future::pending().await,
                }
                tokio::time::sleep(FAREWELL).await;
            };
            tokio::select! {
                () = due => return,
                changed = carried.changed() => if changed.is_err() { return },
            }
        }
    }
}

impl Drop for Carried {
    fn drop(&mut self) {
        if let Some(connection) = &self.connection {
            connection.0.send_replace(None);
        }
    }
}
