//! One request: checked, routed, sent to a release, answered.

use std::sync::Arc;
use std::time::Duration;

use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue, UPGRADE};
use hyper::http::request::Parts;
use hyper::{Method, Request, Response, StatusCode};

use super::answer::{self, Answer};
use super::attempt::{self, Failure, Outgoing};
use super::canary::Asker;
use super::cut::{Carried, Cut};
use super::headers::Hop;
use super::listener::{Occupied, Place};
use super::pool::Lent;
use super::release::Release;
use super::request_body::Source;
use super::response_body::ResponseBody;
use super::revocable::Revocable;
use super::routes::{self, Kind, Routes};
use super::service::{Admission, Service, Turned};
use super::table::Limits;
use super::{headers, mcp, redirect, tunnel};

/// Most replicas that a request is offered to.
const MOST_ATTEMPTS: usize = 4;

/// Where a request comes from.
pub(super) struct Client {
    pub(super) hop: Arc<Hop>,
    /// Kept by the connection for as long as it lasts, a changed protocol included.
    pub(super) place: Place,
    pub(super) way: Way,
}

/// How responses go back to a client.
pub(super) enum Way {
    /// One after the other: where one cannot end, its connection does.
    Connection(Arc<Cut>),
    /// Beside others, which do not end with it. It may be unread for so long.
    Stream { occupied: Arc<Occupied>, unread: Duration },
}

impl Way {
    /// The connection, where a request has it for itself.
    const fn connection(&self) -> Option<&Arc<Cut>> {
        match self {
            Self::Connection(connection) => Some(connection),
            Self::Stream { .. } => None,
        }
    }

    /// Notes which release has the request that comes this way.
    fn carry(&self, release: &Arc<Release>) -> Carried {
        match self {
            Self::Connection(connection) => connection.carry(release),
            Self::Stream { .. } => Carried::beside(release),
        }
    }
}

/// A response, and whose it is.
struct Taken {
    response: Response<Incoming>,
    lent: Option<Lent>,
    carried: Carried,
    admission: Admission,
}

/// Answers a request.
pub(super) async fn answer(routes: &Routes, client: &Client, request: Request<Incoming>) -> Answer {
    let (parts, body) = request.into_parts();
    if parts.method == Method::CONNECT {
        return answer::refuse(StatusCode::NOT_IMPLEMENTED, "this is no forward proxy");
    }
    if let Some(fault) = headers::fault(&parts) {
        return answer::last(answer::refuse(StatusCode::BAD_REQUEST, fault));
    }
    if let Some(page) = routes.challenges.page(parts.uri.path()) {
        return answer::whole(StatusCode::OK, "application/octet-stream", page);
    }
    if let Kind::Redirect(to) = &routes.kind {
        return redirect::answer(to, &parts);
    }
    let path = parts.uri.path();
    if let Some(maintenance) = &routes.maintenance
        && !maintenance.allow.iter().any(|prefix| routes::is_under(path, prefix))
    {
        return answer::maintenance(&maintenance.message);
    }
    let (service, behind_proxy) = match &routes.kind {
        Kind::Http { routes, behind_proxy } => (routes::find(routes, headers::host(&parts), path), *behind_proxy),
        Kind::Auto { service, behind_proxy, .. } => (Some(service), *behind_proxy),
        Kind::Tcp(_) | Kind::Redirect(_) => return answer::refuse(StatusCode::MISDIRECTED_REQUEST, "HTTP is no longer served here"),
    };
    let Some(service) = service else {
        return answer::refuse(StatusCode::NOT_FOUND, "no service has this host and path");
    };
    service.counters.requests.add(1);
    let answer = Exchange { service, client, behind_proxy }.run(parts, body).await;
    answer.unwrap_or_else(|turned| {
        if turned.status().is_server_error() {
            service.counters.failures.add(1);
        }
        turned
    })
}

/// A request and the service that it is for.
struct Exchange<'a> {
    service: &'a Arc<Service>,
    client: &'a Client,
    behind_proxy: bool,
}

impl Exchange<'_> {
    async fn run(&self, mut parts: Parts, mut body: Incoming) -> Result<Answer, Answer> {
        let upgrades = headers::upgrade(&parts.headers).is_some();
        let mut changing = None;
        if upgrades {
            let mut request = Request::from_parts(parts, body);
            changing = Some(hyper::upgrade::on(&mut request));
            (parts, body) = request.into_parts();
        }
        let session = mcp::session(&parts);
        headers::forward(&mut parts, &self.client.hop, self.behind_proxy);
        headers::mark_body(&mut parts, &body);
        let out = Outgoing { parts, body: Source::new(body, self.client.way.connection()), upgrades };
        let limits = self.service.limits();
        let mut taken = self.send(&out, session.as_deref(), &limits).await?;
        if taken.response.status() == StatusCode::SWITCHING_PROTOCOLS {
            let Some(changing) = changing else {
                return Err(answer::refuse(StatusCode::BAD_GATEWAY, "the service changed a protocol that nobody asked to change"));
            };
            let sides = (changing, hyper::upgrade::on(&mut taken.response));
            tokio::spawn(tunnel::upgraded(sides, taken.admission, Arc::clone(&self.client.place)));
            return Ok(changed(&taken.response));
        }
        self.note_session(&out.parts.method, session.as_deref(), &taken);
        let opens = (out.parts.method == Method::GET && session.is_none()).then(|| Arc::clone(self.service));
        Ok(self.streamed(taken, opens, &limits))
    }

    async fn send(&self, out: &Outgoing, mut session: Option<&str>, limits: &Limits) -> Result<Taken, Answer> {
        let has_session = session.is_some();
        let mut attempts = 0;
        loop {
            let asker = Asker { session, head: Some(&out.parts.headers), again: attempts > 0 };
            let mut admission = self.service.admit(&asker).await.map_err(turned)?;
            let trial = admission.trial.take();
            let release = Arc::clone(admission.visit.release());
            release.requests.add(1);
            let carried = self.client.way.carry(&release);
            let failure = match attempt::send(out, (&carried, admission.replica), limits, attempts > 0).await {
                Ok((mut response, lent)) => {
                    if let Some(trial) = trial {
                        trial.answered(&mut response);
                    }
                    release.errors.add(u64::from(response.status().is_server_error()));
                    return Ok(Taken { response, lent, carried, admission });
                }
                Err(failure) => failure,
            };
            if let Some(fault) = own_fault(&out.body, failure) {
                return Err(fault);
            }
            if let Some(trial) = trial {
                trial.failed();
            }
            attempts += 1;
            let most = if failure == Failure::Refused {
                // What nobody took is offered to the other replicas; a session's replica that is gone leaves it to those
                // of the active release, which tell the client that they do not know it.
                let replicas = release.replicas() + usize::from(session.take().is_some());
                (replicas + 1).min(MOST_ATTEMPTS)
            } else {
                2
            };
            if attempts >= most || !out.can_be_sent_again(failure) {
                release.errors.add(1);
                tracing::warn!(service = self.service.name, release = release.entry.name, ?failure, "a request failed");
                return Err(failed(failure, has_session));
            }
            self.service.counters.retries.add(1);
        }
    }

    /// Remembers a session that begins, forgets one that ends.
    fn note_session(&self, method: &Method, session: Option<&str>, taken: &Taken) {
        let response = &taken.response;
        let ended = response.status() == StatusCode::NOT_FOUND || (method == Method::DELETE && response.status().is_success());
        match (session, mcp::named(response.headers())) {
            (Some(id), _) if ended => self.service.sessions.end(id),
            (_, Some(id)) if response.status().is_success() => {
                self.service.open_session(id, &taken.admission);
            }
            _ => {}
        }
    }

    fn streamed(&self, taken: Taken, opens: Option<Arc<Service>>, limits: &Limits) -> Answer {
        let Taken { response, lent, carried, admission } = taken;
        let (mut parts, body) = response.into_parts();
        headers::strip(&mut parts.headers);
        let kind = parts.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let events = kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("text/event-stream"));
        let cut = carried.release().cut_token().clone();
        let ways = (carried, lent);
        let body = if events {
            ResponseBody::events(body, admission, ways, opens)
        } else {
            ResponseBody::new(body, admission, ways, Duration::from_millis(limits.idle_ms))
        };
        let body = match &self.client.way {
            Way::Connection(_) => body.boxed_unsync(),
            Way::Stream { occupied, unread } => Revocable::new(body, Arc::clone(occupied), cut, *unread).boxed_unsync(),
        };
        Response::from_parts(parts, body)
    }
}

/// The head that tells the client that its connection has changed its protocol.
fn changed(response: &Response<Incoming>) -> Answer {
    let mut answer = Response::new(http_body_util::Empty::new().map_err(|never| match never {}).boxed_unsync());
    *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let upgrade = response.headers().get(UPGRADE).cloned().unwrap_or(HeaderValue::from_static("websocket"));
    answer.headers_mut().clone_from(response.headers());
    headers::strip(answer.headers_mut());
    headers::mark_upgrade(answer.headers_mut(), Some(upgrade));
    answer
}

fn turned(turned: Turned) -> Answer {
    match turned {
        Turned::HoldLimit => answer::later(StatusCode::SERVICE_UNAVAILABLE, "the service is being switched and took too long", 5),
        Turned::HoldFull => answer::later(StatusCode::SERVICE_UNAVAILABLE, "the service is being switched and too many wait", 5),
        Turned::SessionCut => answer::session_gone(),
    }
}

/// What a client is told that did not send all of its request; the service has no part in it.
fn own_fault(body: &Source, failure: Failure) -> Option<Answer> {
    let (status, why) = if body.is_broken() {
        (StatusCode::BAD_REQUEST, "the body of the request broke off, or is none")
    } else if failure == Failure::Late && body.is_awaited() {
        (StatusCode::REQUEST_TIMEOUT, "the body of the request did not come in time")
    } else {
        return None;
    };
    Some(answer::last(answer::refuse(status, why)))
}

fn failed(failure: Failure, has_session: bool) -> Answer {
    match failure {
        Failure::Refused => answer::later(StatusCode::BAD_GATEWAY, "the service cannot be reached", 1),
        Failure::BrokeOff => answer::later(StatusCode::BAD_GATEWAY, "the service broke off before it answered", 1),
        Failure::Garbled => answer::later(StatusCode::BAD_GATEWAY, "the service did not answer in HTTP", 1),
        Failure::Late => answer::later(StatusCode::GATEWAY_TIMEOUT, "the service did not answer in time", 1),
        Failure::Cut if has_session => answer::session_gone(),
        Failure::Cut => answer::later(StatusCode::SERVICE_UNAVAILABLE, "the release that had the request has ended", 1),
    }
}
