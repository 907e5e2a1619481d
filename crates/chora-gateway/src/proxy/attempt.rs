//! One attempt to get a response from a replica.

use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::http::request::Parts;
use hyper::{Method, Request, Response};

use super::cut::Carried;
use super::pool::{Connection, Lent, Upstream};
use super::request_body::{RequestBody, Source};
use super::table::Limits;

/// Why there is no response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failure {
    /// No connection: the replica knows nothing of the request.
    Refused,
    /// The connection ended before the response began.
    BrokeOff,
    /// The response cannot be understood.
    Garbled,
    /// Nothing came in time.
    Late,
    /// The release was cut at the end of its drain, and had the request.
    Cut,
}

/// A request that can be sent again as long as nothing of its body was read.
pub(super) struct Outgoing {
    pub(super) parts: Parts,
    pub(super) body: Arc<Source>,
    /// Whether its connection is to change its protocol.
    pub(super) upgrades: bool,
}

impl Outgoing {
    /// Whether another attempt is safe after a failure.
    pub(super) fn can_be_sent_again(&self, failure: Failure) -> bool {
        let unread = self.body.is_untouched();
        match failure {
            Failure::Refused => unread,
            // A replica cannot have acted on a body of which it got nothing; an empty one it may have acted on.
            Failure::BrokeOff | Failure::Cut => unread && (is_idempotent(&self.parts.method) || !self.body.is_empty()),
            Failure::Garbled | Failure::Late => false,
        }
    }

    fn request(&self) -> Request<RequestBody> {
        let mut request = Request::new(self.body.attempt());
        request.method_mut().clone_from(&self.parts.method);
        request.uri_mut().clone_from(&self.parts.uri);
        request.headers_mut().clone_from(&self.parts.headers);
        request
    }
}

fn is_idempotent(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE | Method::PUT | Method::DELETE)
}

/// A response, and the connection that it comes on; none where that changes its protocol.
pub(super) type Answered = (Response<Incoming>, Option<Lent>);

/// Sends a request to a replica and waits for the head of the response. `fresh` uses no kept connection.
pub(super) async fn send(out: &Outgoing, to: (&Carried, usize), limits: &Limits, fresh: bool) -> Result<Answered, Failure> {
    let (carried, replica) = to;
    let upstream = carried.release().upstream(replica).ok_or(Failure::Refused)?;
    let kept = if fresh { None } else { upstream.waiting() };
    let connection = match kept {
        Some(connection) => connection,
        // Until there is a connection, a replica that was cut knows nothing of the request.
        None => carried.unless_cut(connect(upstream, limits)).await.unwrap_or(Err(Failure::Refused))?,
    };
    carried.unless_cut(exchange(out, upstream, limits, connection)).await.unwrap_or(Err(Failure::Cut))
}

async fn exchange(out: &Outgoing, upstream: &Arc<Upstream>, limits: &Limits, mut connection: Connection) -> Result<Answered, Failure> {
    let mut request = out.request();
    loop {
        if out.upgrades {
            connection.kept.on_its_own();
        }
        let sent = connection.kept.send(request, Duration::from_millis(limits.response_ms), || out.body.quiet_for()).await;
        let sent = sent.ok_or(Failure::Late)?;
        let mut error = match sent {
            Ok(response) => {
                if !out.body.is_ended() {
                    // A client may read the response only when it has sent everything.
                    connection.kept.on_its_own();
                }
                return Ok((response, (!out.upgrades).then(|| upstream.lend(connection.kept))));
            }
            Err(error) => error,
        };
        match error.take_message() {
            // The replica had closed the kept connection: nothing of the request was written.
            Some(unsent) if connection.reused => {
                request = unsent;
                connection = connect(upstream, limits).await?;
            }
            Some(_) => return Err(Failure::Refused),
            None => return Err(kind(&error.into_error())),
        }
    }
}

async fn connect(upstream: &Upstream, limits: &Limits) -> Result<Connection, Failure> {
    upstream.connect(Duration::from_millis(limits.connect_ms)).await.map_err(|_| Failure::Refused)
}

fn kind(error: &hyper::Error) -> Failure {
    if error.is_parse() { Failure::Garbled } else { Failure::BrokeOff }
}
