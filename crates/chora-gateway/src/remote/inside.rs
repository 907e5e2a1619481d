//! A remote server as the other side of a conversation inside this program.

use tokio::io::{AsyncWriteExt as _, DuplexStream, duplex};
use tokio::sync::mpsc;

use super::{LONGEST_LINE, RemoteSettings, connect};
use crate::message::Message;
use crate::transport::lines::{Line, Lines};
use crate::transport::link::{Arrival, Part};
use crate::transport::stdio::Outgoing;

/// Bytes between the two sides.
const PIPE: usize = 64 * 1024;

/// Speaks with the server until it is to stop; how it ended.
pub(crate) async fn play(settings: RemoteSettings, part: Part) -> String {
    let Part { taken, said, stop } = part;
    let (input, theirs) = duplex(PIPE);
    let (ours, output) = duplex(PIPE);
    let mut connecting = std::pin::pin!(connect(settings, theirs, output));
    tokio::spawn(read(ours, said));
    let ended = tokio::select! {
        ended = &mut connecting => ended,
        // The input is closed with it: the session is ended as a client would.
        () = write(taken, input) => connecting.await,
        () = stop.cancelled() => connecting.await,
    };
    match ended {
        Ok(()) => "was left".to_owned(),
        Err(error) => format!("cannot be used: {error}"),
    }
}

async fn write(mut taken: mpsc::Receiver<Outgoing>, mut input: DuplexStream) {
    let mut line = Vec::with_capacity(1024);
    while let Some(message) = taken.recv().await {
        line.clear();
        message.write(&mut line);
        line.push(b'\n');
        if input.write_all(&line).await.is_err() {
            return;
        }
    }
}

async fn read(output: DuplexStream, said: mpsc::Sender<Arrival>) {
    let mut lines = Lines::new(output, LONGEST_LINE);
    loop {
        match lines.next().await {
            Ok(Line::Whole(line)) => match Message::parse(line) {
                Ok(message) => {
                    if said.send(message.into()).await.is_err() {
                        return;
                    }
                }
                Err(error) => tracing::warn!(bytes = line.len(), "a message of the server is skipped: {error}"),
            },
            Ok(Line::TooLong) => tracing::error!("a message of the server is longer than {LONGEST_LINE} bytes"),
            Ok(Line::End) | Err(_) => return,
        }
    }
}
