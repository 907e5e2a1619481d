//! The threads that serve connections, one for each processor, each with a loop of its own.
//!
//! A connection stays on one of them, and so do those to replicas that it uses: nothing of a request is handed from thread to
//! thread.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use tokio::net::TcpStream;
use tokio::sync::mpsc;

/// Most threads.
pub(super) const MOST: usize = 16;

thread_local! {
    static NUMBER: Cell<usize> = const { Cell::new(0) };
    static ALL: Cell<usize> = const { Cell::new(1) };
}

/// The number of the thread that asks, below [`MOST`]; those that serve no connections have the first one's.
pub(super) fn number() -> usize {
    NUMBER.get()
}

/// What each thread has of something that all share.
pub(super) fn share(of: usize) -> usize {
    of.div_ceil(ALL.get())
}

type Serving = Pin<Box<dyn Future<Output = ()> + Send>>;

/// All of them. They take no connections once this is gone, and end with those that they serve.
pub(super) struct Shards(Vec<Shard>);

struct Shard {
    given: mpsc::UnboundedSender<Serving>,
    /// Connections that it serves.
    load: Arc<AtomicUsize>,
}

/// A connection's part of a load, until this is dropped.
pub(super) struct Part(Arc<AtomicUsize>);

impl Shards {
    pub(super) fn start() -> io::Result<Arc<Self>> {
        let all = thread::available_parallelism().map_or(1, usize::from).min(MOST);
        (0..all).map(|number| Shard::start(number, all)).collect::<io::Result<_>>().map(|shards| Arc::new(Self(shards)))
    }

    /// Serves a connection on the thread that has the fewest.
    pub(super) fn serve<S>(&self, stream: TcpStream, serve: impl FnOnce(TcpStream, Part) -> S + Send + 'static) -> io::Result<()>
    where
        S: Future<Output = ()> + Send + 'static,
    {
        let stream = stream.into_std()?;
        let gone = || io::Error::other("the threads that serve connections have ended");
        let shard = self.0.iter().min_by_key(|shard| shard.load.load(Ordering::Relaxed)).ok_or_else(gone)?;
        let part = Part::of(&shard.load);
        let serving = Box::pin(async move {
            // Its events are waited for where it is served.
            match TcpStream::from_std(stream) {
                Ok(stream) => serve(stream, part).await,
                Err(error) => tracing::warn!("a connection cannot be served: {error}"),
            }
        });
        shard.given.send(serving).map_err(|_| gone())
    }
}

impl Shard {
    fn start(number: usize, all: usize) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (given, mut taken) = mpsc::unbounded_channel();
        thread::Builder::new().name(format!("serving-{number}")).spawn(move || {
            NUMBER.set(number);
            ALL.set(all);
            runtime.block_on(async {
                while let Some(serving) = taken.recv().await {
                    tokio::spawn(serving);
                }
            });
        })?;
        Ok(Self { given, load: Arc::default() })
    }
}

impl Part {
    fn of(load: &Arc<AtomicUsize>) -> Self {
        load.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(load))
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
