//! The transports behind one set of requests.

use hyper::StatusCode;
use hyper::header::{HeaderName, HeaderValue};
use serde_json::Value;

use super::legacy::Legacy;
use super::stdio::Stdio;
use super::streamable::Streamable;
use crate::probe::answer::{Trouble, excerpt};

/// Offered in `initialize`: the newest revision that has it.
pub(super) const OFFERED: &str = "2025-11-25";
/// The revision without handshake and sessions.
pub(super) const STATELESS: &str = "2026-07-28";
/// All published revisions.
pub(super) const REVISIONS: [&str; 5] = ["2024-11-05", "2025-03-26", "2025-06-18", OFFERED, STATELESS];

/// Why a request has no result.
#[derive(Debug)]
pub(super) enum Fault {
    /// The transport failed.
    Trouble(Trouble),
    /// The server answered with a JSON-RPC error.
    Rpc { code: i64, message: String },
    /// The server answered with an HTTP status and no JSON-RPC.
    Status { status: StatusCode, body: String },
}

impl From<Trouble> for Fault {
    fn from(trouble: Trouble) -> Self {
        Self::Trouble(trouble)
    }
}

impl Fault {
    /// Puts it into words; `step` is the method that was asked for.
    pub(super) fn into_trouble(self, step: &str) -> Trouble {
        match self {
            Self::Trouble(trouble) => trouble,
            Self::Rpc { code, message } => Trouble::Wrong(format!("{step} answered error {code}: {}", excerpt(&message, 200))),
            Self::Status { status, body } if body.is_empty() => Trouble::Wrong(format!("{step} answered {status}")),
            Self::Status { status, body } => Trouble::Wrong(format!("{step} answered {status}: {}", excerpt(&body, 200))),
        }
    }

    /// Tells whether the server may only speak the other era (revision 2026-07-28, Transports, era detection).
    pub(super) fn is_era_signal(&self) -> bool {
        match self {
            Self::Trouble(_) => false,
            Self::Rpc { code, .. } => matches!(code, -32_601 | -32_600 | -32_602 | -32_000 | -32_022..=-32_020),
            Self::Status { status, .. } => matches!(status.as_u16(), 400 | 404 | 405 | 406 | 415 | 422 | 501),
        }
    }

    pub(super) const fn is_method_not_found(&self) -> bool {
        matches!(self, Self::Rpc { code: -32_601, .. })
    }
}

/// A conversation.
pub(super) enum Wire<'a> {
    Streamable(Streamable<'a>),
    Legacy(Legacy<'a>),
    Stdio(&'a mut Stdio),
}

impl Wire<'_> {
    pub(super) async fn request(&mut self, method: &str, params: Value) -> Result<Value, Fault> {
        match self {
            Self::Streamable(wire) => wire.request(method, params, Vec::new()).await,
            Self::Legacy(wire) => wire.request(method, params).await,
            Self::Stdio(wire) => wire.request(method, params).await,
        }
    }

    /// Calls a tool; the stateless era repeats its name and some arguments in headers.
    pub(super) async fn call(&mut self, params: Value, tool: &str, extra: Vec<(HeaderName, HeaderValue)>) -> Result<Value, Fault> {
        match self {
            Self::Streamable(wire) => {
                let mut headers = extra;
                headers.extend(HeaderValue::from_str(tool).ok().map(|name| (HeaderName::from_static("mcp-name"), name)));
                wire.request("tools/call", params, headers).await
            }
            Self::Legacy(wire) => wire.request("tools/call", params).await,
            Self::Stdio(wire) => wire.request("tools/call", params).await,
        }
    }

    pub(super) async fn notify(&mut self, method: &str) -> Result<(), Fault> {
        match self {
            Self::Streamable(wire) => wire.notify(method).await,
            Self::Legacy(wire) => wire.notify(method).await,
            Self::Stdio(wire) => wire.notify(method).await,
        }
    }

    /// Tells the transport which revision was agreed on.
    pub(super) fn agree(&mut self, revision: &str) {
        match self {
            Self::Streamable(wire) => wire.agree(revision),
            Self::Stdio(wire) => wire.agree(revision),
            Self::Legacy(_) => {}
        }
    }

    /// Goes back to where no revision is agreed on.
    pub(super) fn disagree(&mut self) {
        match self {
            Self::Streamable(wire) => wire.disagree(),
            Self::Stdio(wire) => wire.disagree(),
            Self::Legacy(_) => {}
        }
    }

    pub(super) const fn can_be_stateless(&self) -> bool {
        !matches!(self, Self::Legacy(_))
    }

    /// Ends the session, so that probing leaves nothing behind.
    pub(super) async fn close(&mut self) {
        match self {
            Self::Streamable(wire) => wire.close().await,
            // Their session ends with the event stream, or the server itself.
            Self::Legacy(_) | Self::Stdio(_) => {}
        }
    }
}
