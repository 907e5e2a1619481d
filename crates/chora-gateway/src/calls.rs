//! Calls that stand alone: begun, measured, and cancelled when nobody waits for them any more.

use std::sync::Arc;
use std::time::Instant;

use crate::bridge::{Bridge, ChildSharing, Era, OpenSession, Place};
use crate::message::{Fault, Outcome, Request};
use crate::session::Connected;
use crate::stream::Stream;
use crate::translate::to_legacy::{self, Begun};
use crate::transport::stdio::Gone;
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

/// Begins a call, before a server of either era; what is said about it, and its answer, come to `stream`. What was begun ends when
/// nobody waits for this.
pub(crate) async fn begin(bridge: &Arc<Bridge>, request: Request, stream: &Arc<Stream>) -> Result<Lone, Outcome> {
    let took = Took::new(bridge);
    let no = |fault: Fault| Outcome::Error(fault.to_raw());
    let gone = |gone| no(unavailable(&gone));
    match bridge.era().await.map_err(gone)? {
        Era::Modern => {
            let place = bridge.room.for_lone_call().map_err(no)?;
            let caller = Caller { session: None, id: request.id, sink: Sink::Client(Arc::clone(stream)) };
            let outbound = Outbound { caller, method: request.method, params: request.params };
            LoneCall::send(took, place, outbound).await.map(Lone::Sent).map_err(gone)
        }
        Era::Legacy => match to_legacy::begin(bridge, &request, stream).await {
            Begun::Answered(outcome) => Err(outcome),
            Begun::UnderWay(open) => {
                let connected = open.session.connected();
                Ok(Lone::Passing(PassingCall { open, took, _connected: connected }))
            }
        },
    }
}

/// A call that stands alone: it is cancelled when nobody waits for it any more.
pub(crate) struct LoneCall {
    upstream: Arc<Upstream>,
    /// What it is there, once it was sent.
    number: Option<u64>,
    took: Took,
    is_over: bool,
    place: Place,
}

impl LoneCall {
    /// Sends it; once more where the process had ended before it got the call.
    async fn send(took: Took, place: Place, outbound: Outbound) -> Result<Self, Gone> {
        let upstream = took.bridge.modern_upstream(&place).await?;
        let mut call = Self { upstream, number: None, took, is_over: false, place };
        let number = match call.upstream.call(outbound).await {
            Ok(number) => number,
            Err(unsent) => {
                call.upstream = call.took.bridge.modern_upstream(&call.place).await?;
                call.upstream.call(unsent.call).await.map_err(|unsent| unsent.gone)?
            }
        };
        call.number = Some(number);
        Ok(call)
    }

    /// The answer is there.
    pub(crate) fn end(&mut self) {
        self.is_over = true;
        self.took.observe();
    }
}

impl Drop for LoneCall {
    fn drop(&mut self) {
        let has_own_process = self.took.bridge.settings.sharing == ChildSharing::Request;
        let cancelled = self.number.filter(|_| !self.is_over);
        if cancelled.is_none() && !has_own_process {
            return;
        }
        let upstream = Arc::clone(&self.upstream);
        tokio::spawn(async move {
            let cancelling = async {
                if let Some(number) = cancelled {
                    upstream.cancel(number, Some("the client has left")).await;
                }
            };
            // A process that does not read is not told, and ends all the same.
            let stopping = async {
                if has_own_process {
                    upstream.stop().await;
                }
            };
            tokio::join!(cancelling, stopping);
        });
    }
}

/// A call that stands alone before a server that wants sessions: its session ends with it, unless it waits for input.
pub(crate) struct PassingCall {
    open: OpenSession,
    took: Took,
    _connected: Connected,
}

impl PassingCall {
    /// The answer is there.
    pub(crate) fn end(&mut self) {
        self.open.leave();
        self.took.observe();
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
