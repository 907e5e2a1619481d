//! Operations under way: counted, so that a server which ends waits for them; cancelled together.

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Operations under way; clones share the count.
#[derive(Clone)]
pub(crate) struct Running {
    count: watch::Sender<usize>,
    stop: CancellationToken,
}

impl Running {
    pub(crate) fn new() -> Self {
        Self { count: watch::Sender::new(0), stop: CancellationToken::new() }
    }

    /// A token for one operation, cancelled with all others.
    pub(super) fn token(&self) -> CancellationToken {
        self.stop.child_token()
    }

    /// Runs to its end whatever becomes of the one who asked for it.
    pub(super) fn spawn<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
        self.count.send_modify(|count| *count += 1);
        let counted = Counted(self.count.clone());
        tokio::spawn(async move {
            let _counted = counted;
            work.await
        })
    }

    pub(crate) fn count(&self) -> usize {
        *self.count.borrow()
    }

    /// Asks all to stop: each undoes what it began.
    pub(crate) fn cancel(&self) {
        self.stop.cancel();
    }

    /// Waits until none is left.
    pub(crate) async fn idle(&self) {
        // The sender is alive as long as this is: waiting cannot fail.
        _ = self.count.subscribe().wait_for(|count| *count == 0).await;
    }
}

struct Counted(watch::Sender<usize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

#[cfg(test)]
mod tests {
    use super::Running;

    #[tokio::test]
    async fn a_server_that_ends_waits_for_what_it_cancelled() {
        let running = Running::new();
        let token = running.token();
        let work = running.spawn(async move { token.cancelled().await });
        assert_eq!(running.count(), 1);
        running.cancel();
        running.idle().await;
        assert_eq!(running.count(), 0);
        work.await.expect("it ended");
    }

    #[tokio::test]
    async fn work_that_panics_is_counted_out() {
        let running = Running::new();
        let work = running.spawn(async { panic!("a bug") });
        assert!(work.await.is_err());
        running.idle().await;
    }
}
