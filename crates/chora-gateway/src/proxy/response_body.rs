//! The body of a response on its way to the client: streamed, counted on its release until it ends, and ended when the
//! release is cut.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::time::{Instant, Sleep};
use tokio_util::sync::WaitForCancellationFutureOwned;

use super::cut::Carried;
use super::mcp::{EndpointSearch, Search};
use super::pool::Lent;
use super::release::StreamMark;
use super::service::{Admission, Service};
use super::sessions::UseMark;

/// Why a body did not come to its end.
#[derive(Debug, thiserror::Error)]
pub(super) enum Broken {
    #[error("the replica broke off")]
    Upstream(#[from] hyper::Error),
    #[error("the replica was silent for too long")]
    Silent,
    #[error("the release was cut at the end of its drain")]
    Cut,
}

/// A response body.
pub(super) struct ResponseBody {
    body: Incoming,
    /// Where nobody else wakes it when its release is cut.
    cut: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
    silence: Option<Silence>,
    stream: Option<Stream>,
    lent: Option<Lent>,
    /// What it ends with after the client has what came before.
    broken: Option<hyper::Error>,
    carried: Carried,
    // Dropped last: a release is idle only when everything else of the response is gone.
    admission: Admission,
}

/// What carries a body: the request's place on its client's connection, and the connection to the replica.
pub(super) type Ways = (Carried, Option<Lent>);

/// How long a body may say nothing. Most never do, so that the timer is made when it first has to wait.
struct Silence {
    most: Duration,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Silence {
    fn is_over(&mut self, cx: &mut Context<'_>) -> bool {
        let most = self.most;
        self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(most))).as_mut().poll(cx).is_ready()
    }

    fn begin_again(&mut self) {
        if let Some(timer) = &mut self.timer {
            timer.as_mut().reset(Instant::now() + self.most);
        }
    }
}

/// What is special about event streams.
struct Stream {
    _mark: StreamMark,
    search: Option<(EndpointSearch, Arc<Service>)>,
    session: Option<StreamSession>,
}

/// A session that lives as long as its stream.
struct StreamSession {
    id: String,
    service: Arc<Service>,
    release: Arc<super::release::Release>,
    _mark: UseMark,
}

impl ResponseBody {
    /// A body that may be silent for at most `idle` between two pieces.
    pub(super) fn new(body: Incoming, admission: Admission, ways: Ways, idle: Duration) -> Self {
        let silence = Silence { most: idle, timer: None };
        Self { silence: Some(silence), ..Self::unending(body, admission, ways, None) }
    }

    /// An event stream; `opens` is the service when the stream may open a session of the oldest transport.
    pub(super) fn events(body: Incoming, admission: Admission, ways: Ways, opens: Option<Arc<Service>>) -> Self {
        let search = opens.map(|service| (EndpointSearch::default(), service));
        let stream = Stream { _mark: admission.visit.stream(), search, session: None };
        Self::unending(body, admission, ways, Some(stream))
    }

    fn unending(body: Incoming, admission: Admission, (carried, lent): Ways, stream: Option<Stream>) -> Self {
        let cut = (!carried.is_woken()).then(|| Box::pin(carried.release().cut_token().clone().cancelled_owned()));
        Self { body, cut, silence: None, stream, lent, broken: None, carried, admission }
    }

    fn is_cut(&mut self, cx: &mut Context<'_>) -> bool {
        match &mut self.cut {
            Some(cut) => cut.as_mut().poll(cx).is_ready(),
            None => self.carried.release().is_cut(),
        }
    }

    fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let Self { body, lent, .. } = self;
        let mut poll = |cx: &mut Context<'_>| Pin::new(&mut *body).poll_frame(cx);
        match lent {
            Some(lent) => lent.poll(cx, poll),
            None => poll(cx),
        }
    }

    fn look(&mut self, bytes: &[u8]) {
        let Some(stream) = &mut self.stream else { return };
        let Some((search, service)) = &mut stream.search else { return };
        match search.feed(bytes) {
            Search::More => return,
            Search::Found(id) => stream.session = open(id, service, &self.admission),
            Search::Over => {}
        }
        stream.search = None;
    }
}

fn open(id: String, service: &Arc<Service>, admission: &Admission) -> Option<StreamSession> {
    let release = Arc::clone(admission.visit.release());
    let mark = service.open_session(&id, admission)?;
    Some(StreamSession { id, service: Arc::clone(service), release, _mark: mark })
}

impl Drop for StreamSession {
    fn drop(&mut self) {
        self.service.sessions.stream_ended(&self.id, &self.release);
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let this = &mut *self;
        // Looked at first: a replica that always has more must not outrun it.
        if this.is_cut(cx) {
            // Between two events a stream may end; what is cut short elsewhere must not look whole.
            return Poll::Ready(if this.stream.is_some() { None } else { Some(Err(Broken::Cut)) });
        }
        if let Some(broken) = this.broken.take() {
            return Poll::Ready(Some(Err(Broken::Upstream(broken))));
        }
        if let Poll::Ready(frame) = this.poll_body(cx) {
            if let Some(silence) = &mut this.silence {
                silence.begin_again();
            }
            return match frame.transpose() {
                Err(broken) => {
                    // The server of HTTP throws away what it has not written yet when it is told at once.
                    this.broken = Some(broken);
                    cx.waker().wake_by_ref();
                    Poll::Pending
                }
                // Trailers are announced in a head field that is for one hop only: they end with it.
                Ok(frame) => Poll::Ready(frame.filter(|frame| !frame.is_trailers()).map(|frame| {
                    frame.data_ref().into_iter().for_each(|bytes| this.look(bytes));
                    Ok(frame)
                })),
            };
        }
        let silent = this.silence.as_mut().is_some_and(|silence| silence.is_over(cx));
        if silent { Poll::Ready(Some(Err(Broken::Silent))) } else { Poll::Pending }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
