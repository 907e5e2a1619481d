//! The control API for those who reach a gateway only over standard streams: a call is a line, and so is its answer.

use std::io;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::time::Instant;

use super::control::BODY_BYTES;
use crate::transport::lines::{Line, Lines};

/// Longest line: the largest body with its method and path.
const LINE_BYTES: usize = BODY_BYTES + 64 * 1024;
/// How long a gateway may take to answer on its socket: it may only just begin.
const BEGINNING: Duration = Duration::from_secs(5);
/// How long it is left alone between two attempts.
const PAUSE: Duration = Duration::from_millis(50);
/// How long a connection is kept without a call. The gateway closes those that are silent for long, and a call that is
/// sent into that is lost.
const IDLE: Duration = Duration::from_secs(10);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Call {
    method: String,
    path: String,
    body: Option<Box<RawValue>>,
}

#[derive(Serialize)]
struct Answer {
    status: u16,
    body: Value,
}

/// A gateway's control socket, and the connection to it once there is one.
struct Control<'a> {
    socket: &'a Path,
    kept: Option<(SendRequest<Full<Bytes>>, Instant)>,
}

/// Makes the calls that are read, each a line `{"method":"POST","path":"/v1/switch","body":{…}}`, and writes one line
/// `{"status":200,"body":{…}}` for each, until there is nothing more to read. A line that is no call is answered with 400,
/// and one for a gateway that does not answer within 5 s with 503.
///
/// # Errors
/// When the calls cannot be read, or the answers cannot be written.
pub async fn attend(socket: &Path, calls: impl AsyncRead + Unpin, mut answers: impl AsyncWrite + Unpin) -> io::Result<()> {
    let mut lines = Lines::new(calls, LINE_BYTES);
    let mut control = Control { socket, kept: None };
    loop {
        let request = match lines.next().await? {
            Line::Whole(line) => request(line),
            Line::TooLong => Err(format!("the line is longer than {LINE_BYTES} bytes")),
            Line::End => return Ok(()),
        };
        let answer = match request {
            Ok(request) => control.call(request).await.unwrap_or_else(|why| Answer::refusal(StatusCode::SERVICE_UNAVAILABLE, &why)),
            Err(why) => Answer::refusal(StatusCode::BAD_REQUEST, &why),
        };
        let mut line = serde_json::to_vec(&answer)?;
        line.push(b'\n');
        answers.write_all(&line).await?;
        answers.flush().await?;
    }
}

fn request(line: &[u8]) -> Result<Request<Full<Bytes>>, String> {
    let told = |why: &dyn std::fmt::Display| format!("the line is no call: {why}");
    let call: Call = serde_json::from_slice(line).map_err(|error| told(&error))?;
    if !call.path.starts_with('/') {
        return Err(told(&"its path does not start with a slash"));
    }
    let body = call.body.map(|body| Bytes::from(body.get().to_owned())).unwrap_or_default();
    let request = Request::builder().method(call.method.as_str()).uri(call.path);
    let request = request.header(HOST, "gateway").header(CONTENT_TYPE, "application/json").body(Full::new(body));
    request.map_err(|error| told(&error))
}

impl Answer {
    fn refusal(status: StatusCode, why: &str) -> Self {
        Self { status: status.as_u16(), body: json!({ "error": why }) }
    }
}

impl Control<'_> {
    async fn call(&mut self, mut request: Request<Full<Bytes>>) -> Result<Answer, String> {
        let begun = Instant::now();
        loop {
            let failure = match self.connection().await {
                Err(error) => error.to_string(),
                Ok(mut sender) => match sender.try_send_request(request).await {
                    Ok(response) => {
                        let status = response.status().as_u16();
                        let body = response.into_body().collect().await.map_err(|error| unknown(&error))?.to_bytes();
                        self.kept = Some((sender, Instant::now()));
                        let body = serde_json::from_slice(&body).unwrap_or_else(|_| String::from_utf8_lossy(&body).into());
                        return Ok(Answer { status, body });
                    }
                    Err(mut error) => match error.take_message() {
                        Some(unsent) => {
                            request = unsent;
                            error.error().to_string()
                        }
                        // What was sent may have been done: whether it can be made again is for the caller to say.
                        None => return Err(unknown(error.error())),
                    },
                },
            };
            if begun.elapsed() >= BEGINNING {
                return Err(format!("the gateway does not answer on {}: {failure}", self.socket.display()));
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn connection(&mut self) -> io::Result<SendRequest<Full<Bytes>>> {
        if let Some((mut sender, since)) = self.kept.take()
            && since.elapsed() < IDLE
            && sender.ready().await.is_ok()
        {
            return Ok(sender);
        }
        let stream = UnixStream::connect(self.socket).await?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
        // How it ends is told to the call that it carries.
        tokio::spawn(connection);
        Ok(sender)
    }
}

fn unknown(error: &hyper::Error) -> String {
    format!("the gateway broke off, and what was asked may or may not be done: {error}")
}
