//! Connections to one replica, kept open between requests.

use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};

use super::request_body::RequestBody;
use super::shards;

/// How long a connection may wait for its next request. Common servers close theirs after 2 to 5 s, and a request sent
/// into that is lost.
const IDLE: Duration = Duration::from_millis(1500);
/// Most connections that wait.
const MOST_IDLE: usize = 256;

/// A replica.
pub(super) struct Upstream {
    address: String,
    /// Those of each thread that serves.
    idle: [Mutex<Idle>; shards::MOST],
}

#[derive(Default)]
struct Idle {
    waiting: Vec<(Kept, Instant)>,
    closed: bool,
}

/// A connection in use.
pub(super) struct Connection {
    pub(super) kept: Kept,
    /// Whether it carried a request before.
    pub(super) reused: bool,
}

/// A connection, and what moves its bytes.
pub(super) struct Kept {
    sender: SendRequest<RequestBody>,
    driver: Driver,
    patience: Patience,
}

/// How long a response may take. Most come soon, so that the timer of a request serves those after it until it has run out.
#[derive(Default)]
struct Patience(Option<Pin<Box<Sleep>>>);

impl Patience {
    fn is_over(&mut self, cx: &mut Context<'_>, deadline: Instant) -> bool {
        let timer = self.0.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
        if timer.deadline() > deadline {
            timer.as_mut().reset(deadline);
        }
        while timer.as_mut().poll(cx).is_ready() {
            if timer.deadline() >= deadline {
                return true;
            }
            timer.as_mut().reset(deadline);
        }
        false
    }
}

/// Moves the bytes of a connection. It is no task of its own: whoever waits for a response moves them, so that nothing of a
/// request is handed from task to task. None once the connection has ended, or is in other hands.
struct Driver(Option<Box<http1::Connection<TokioIo<TcpStream>, RequestBody>>>);

/// A connection with a response that is under way; its upstream has it back for the next request when this is dropped.
pub(super) struct Lent {
    kept: Option<Kept>,
    upstream: Arc<Upstream>,
}

impl Driver {
    fn drive(&mut self, cx: &mut Context<'_>) {
        // How a connection ends is told to the request that it carries.
        if self.0.as_mut().is_some_and(|connection| Pin::new(connection).poll(cx).is_ready()) {
            self.0 = None;
        }
    }

    /// Polls what only this connection brings on.
    fn poll<T>(&mut self, cx: &mut Context<'_>, mut brought: impl FnMut(&mut Context<'_>) -> Poll<T>) -> Poll<T> {
        // What is polled asks the connection for more, and has it after the connection's next turn.
        for _ in 0..2 {
            self.drive(cx);
            if self.0.is_none() {
                return brought(cx);
            }
            // The connection is woken by what comes; nobody else has to be.
            let polled = brought(&mut Context::from_waker(Waker::noop()));
            if polled.is_ready() {
                return polled;
            }
        }
        Poll::Pending
    }
}

impl Kept {
    /// Whether it takes a request now.
    fn is_ready(&mut self) -> bool {
        self.driver.drive(&mut Context::from_waker(Waker::noop()));
        self.sender.is_ready()
    }

    /// Sends a request and waits for the head of the response. `None` when it is late: `quiet_for` tells how long ago the last
    /// piece of the request came.
    pub(super) async fn send(
        &mut self,
        request: Request<RequestBody>,
        limit: Duration,
        quiet_for: impl Fn() -> Duration,
    ) -> Option<Result<Response<Incoming>, TrySendError<Request<RequestBody>>>> {
        let Self { sender, driver, patience } = self;
        let mut response = pin!(sender.try_send_request(request));
        let mut deadline = Instant::now() + limit;
        poll_fn(|cx| {
            if let Poll::Ready(response) = driver.poll(cx, |cx| response.as_mut().poll(cx)) {
                return Poll::Ready(Some(response));
            }
            while patience.is_over(cx, deadline) {
                // A body that is still coming is no silence of the replica.
                match limit.checked_sub(quiet_for()).filter(|left| !left.is_zero()) {
                    Some(left) => deadline = Instant::now() + left,
                    None => return Poll::Ready(None),
                }
            }
            Poll::Pending
        })
        .await
    }

    /// Waits until it takes a request; `false` when it never will.
    async fn settle(&mut self) -> bool {
        let Self { sender, driver, .. } = self;
        poll_fn(|cx| driver.poll(cx, |cx| sender.poll_ready(cx))).await.is_ok()
    }

    /// Lets it move its bytes in a task of its own: it may change its protocol, or has more to do than the response asks for.
    pub(super) fn on_its_own(&mut self) {
        if let Some(connection) = self.driver.0.take() {
            tokio::spawn(connection.with_upgrades());
        }
    }
}

impl Lent {
    /// Polls what the connection carries.
    pub(super) fn poll<T>(&mut self, cx: &mut Context<'_>, mut carried: impl FnMut(&mut Context<'_>) -> Poll<T>) -> Poll<T> {
        match &mut self.kept {
            Some(kept) => kept.driver.poll(cx, carried),
            None => carried(cx),
        }
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let Some(mut kept) = self.kept.take() else { return };
        if kept.is_ready() {
            return self.upstream.put(kept);
        }
        let upstream = Arc::clone(&self.upstream);
        // Ready once the response, and a request that is longer than it, have come to their ends.
        tokio::spawn(async move {
            if kept.settle().await {
                upstream.put(kept);
            }
        });
    }
}

impl Upstream {
    pub(super) fn new(address: &str) -> Arc<Self> {
        Arc::new(Self { address: address.to_owned(), idle: Default::default() })
    }

    /// The connections of the thread that asks.
    fn idle(&self) -> Option<MutexGuard<'_, Idle>> {
        self.idle.get(shards::number()).map(locked)
    }

    /// The connection used last, when one still stands.
    pub(super) fn waiting(&self) -> Option<Connection> {
        let mut idle = self.idle()?;
        while let Some((mut kept, since)) = idle.waiting.pop() {
            if since.elapsed() > IDLE {
                idle.waiting.clear();
                return None;
            }
            if kept.is_ready() {
                return Some(Connection { kept, reused: true });
            }
        }
        None
    }

    /// Closes what has waited for too long, and what its replica has closed.
    pub(super) fn tend(&self) {
        for mut idle in self.idle.iter().map(locked) {
            idle.waiting.retain_mut(|(kept, since)| since.elapsed() <= IDLE && kept.is_ready());
        }
    }

    /// A plain connection.
    pub(super) async fn dial(&self, limit: Duration) -> io::Result<TcpStream> {
        let stream = tokio::time::timeout(limit, TcpStream::connect(&self.address)).await.map_err(|_| io::ErrorKind::TimedOut)??;
        _ = stream.set_nodelay(true);
        Ok(stream)
    }

    /// A new connection for requests.
    pub(super) async fn connect(&self, limit: Duration) -> io::Result<Connection> {
        let stream = self.dial(limit).await?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
        Ok(Connection { kept: Kept { sender, driver: Driver(Some(Box::new(connection))), patience: Patience::default() }, reused: false })
    }

    /// Takes back a connection whose response is under way once that has ended.
    pub(super) fn lend(self: &Arc<Self>, kept: Kept) -> Lent {
        Lent { kept: Some(kept), upstream: Arc::clone(self) }
    }

    fn put(&self, kept: Kept) {
        let Some(mut idle) = self.idle().filter(|idle| !idle.closed) else { return };
        let old = idle.waiting.iter().take_while(|(_, since)| since.elapsed() > IDLE).count();
        idle.waiting.drain(..old);
        if idle.waiting.len() < shards::share(MOST_IDLE) {
            idle.waiting.push((kept, Instant::now()));
        }
    }

    pub(super) fn close(&self) {
        for mut idle in self.idle.iter().map(locked) {
            idle.closed = true;
            idle.waiting.clear();
        }
    }

    pub(super) fn reopen(&self) {
        self.idle.iter().for_each(|idle| locked(idle).closed = false);
    }
}

fn locked(idle: &Mutex<Idle>) -> MutexGuard<'_, Idle> {
    idle.lock().unwrap_or_else(PoisonError::into_inner)
}
