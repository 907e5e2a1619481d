//! Bodies, read up to a bound and never further.

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Incoming;

use super::Connection;
use crate::probe::answer::Trouble;

/// A body that is still arriving, with the connection that carries it.
#[derive(Debug)]
pub(crate) struct Body {
    incoming: Incoming,
    _connection: Connection,
}

/// A body, or its beginning.
#[derive(Debug, Default)]
pub(crate) struct Text {
    pub(crate) bytes: Vec<u8>,
    /// Whether there was more than was wanted.
    pub(crate) cut: bool,
}

impl Body {
    pub(crate) const fn new(incoming: Incoming, connection: Connection) -> Self {
        Self { incoming, _connection: connection }
    }

    /// The next piece; `None` at the end.
    pub(crate) async fn piece(&mut self) -> Result<Option<Bytes>, Trouble> {
        loop {
            match self.incoming.frame().await {
                None => return Ok(None),
                Some(Err(_)) => return Err(Trouble::Wrong("the connection broke in the middle of the answer".to_owned())),
                Some(Ok(frame)) => {
                    if let Ok(bytes) = frame.into_data() {
                        return Ok(Some(bytes));
                    }
                }
            }
        }
    }

    /// Reads to the end, or until `limit` bytes are there.
    pub(crate) async fn read(mut self, limit: usize) -> Result<Text, Trouble> {
        let mut text = Text::default();
        while let Some(piece) = self.piece().await? {
            let room = limit.saturating_sub(text.bytes.len());
            text.bytes.extend(piece.iter().take(room));
            if piece.len() > room {
                text.cut = true;
                break;
            }
        }
        Ok(text)
    }
}

impl Text {
    pub(crate) fn lossy(&self) -> std::borrow::Cow<'_, str> {
        String::from_utf8_lossy(&self.bytes)
    }
}
