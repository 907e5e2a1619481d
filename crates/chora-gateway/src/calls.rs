//! Calls that stand alone: begun, measured, and cancelled when nobody waits for them any more.

use std::sync::Arc;
use std::time::Instant;

use crate::bridge::{Bridge, ChildSharing, Era};
use crate::message::{Outcome, Request};
use crate::session::{Connected, Session};
use crate::stream::Stream;
use crate::translate::to_legacy::{self, Begun};
use crate::upstream::{Caller, Outbound, Sink, Upstream, unavailable};

/// A call under way; dropped, it is cancelled.
pub(crate) enum Lone {
    Sent(LoneCall),
    Passing(PassingCall),
}

impl Lone {
    /// The answer is there.
    pub(crate) fn end(&mut self) {
        match self {
            Self::Sent(call) => call.end(),
            Self::Passing(call) => call.end(),
        }
    }
}

/// Begins a call, before a server of either era; what is said about it, and its answer, come to `stream`.
pub(crate) async fn begin(bridge: &Arc<Bridge>, request: Request, stream: &Arc<Stream>) -> Result<Lone, Outcome> {
    let took = Took::new(bridge);
    let gone = |gone| Outcome::Error(unavailable(&gone).to_raw());
    match bridge.era().await.map_err(gone)? {
        Era::Modern => {
            let caller = Caller { session: None, id: request.id, sink: Sink::Client(Arc::clone(stream)) };
            let outbound = Outbound { caller, method: request.method, params: request.params };
            let (upstream, number) = bridge.lone_call(outbound).await.map_err(gone)?;
            let own_process = bridge.settings.sharing == ChildSharing::Request;
            Ok(Lone::Sent(LoneCall { upstream, number, own_process, took, is_over: false }))
        }
        Era::Legacy => match to_legacy::begin(bridge, &request, stream).await {
            Begun::Answered(outcome) => Err(outcome),
            Begun::UnderWay(session) => {
                let connected = session.connected();
                Ok(Lone::Passing(PassingCall { session, took, is_over: false, _connected: connected }))
            }
        },
    }
}

/// A call that stands alone: it is cancelled when nobody waits for it any more.
pub(crate) struct LoneCall {
    pub(crate) upstream: Arc<Upstream>,
    pub(crate) number: u64,
    /// The process is this call's own.
    pub(crate) own_process: bool,
    pub(crate) took: Took,
    pub(crate) is_over: bool,
}

impl LoneCall {
    /// The answer is there.
    pub(crate) fn end(&mut self) {
        self.is_over = true;
        self.took.observe();
    }
}

impl Drop for LoneCall {
    fn drop(&mut self) {
        if self.is_over && !self.own_process {
            return;
        }
        let (upstream, number, cancel, stop) = (Arc::clone(&self.upstream), self.number, !self.is_over, self.own_process);
        tokio::spawn(async move {
            if cancel {
                upstream.cancel(number, Some("the client has left")).await;
            }
            if stop {
                upstream.stop().await;
            }
        });
    }
}

/// A call that stands alone before a server that wants sessions: its session ends with it, unless it waits for input.
pub(crate) struct PassingCall {
    pub(crate) session: Arc<Session>,
    pub(crate) took: Took,
    pub(crate) is_over: bool,
    pub(crate) _connected: Connected,
}

impl PassingCall {
    /// The answer is there.
    pub(crate) fn end(&mut self) {
        self.is_over = true;
        self.took.observe();
    }
}

impl Drop for PassingCall {
    fn drop(&mut self) {
        if !self.is_over {
            let (bridge, session) = (Arc::clone(&self.took.bridge), Arc::clone(&self.session));
            tokio::spawn(async move { bridge.end_session(&session.id).await });
        }
    }
}

/// Measures how long an answer took.
pub(crate) struct Took {
    pub(crate) bridge: Arc<Bridge>,
    pub(crate) since: Instant,
}

impl Took {
    pub(crate) fn new(bridge: &Arc<Bridge>) -> Self {
        Self { bridge: Arc::clone(bridge), since: Instant::now() }
    }

    pub(crate) fn observe(&self) {
        self.bridge.metrics.calls.observe(self.since.elapsed());
    }
}
