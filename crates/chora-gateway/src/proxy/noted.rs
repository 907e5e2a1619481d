//! A client's connection whose writes are noted.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::cut::Cut;

pub(super) struct Noted<S> {
    stream: S,
    cut: Arc<Cut>,
}

impl<S> Noted<S> {
    pub(super) const fn new(stream: S, cut: Arc<Cut>) -> Self {
        Self { stream, cut }
    }

    fn note(&self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        self.cut.wrote(written.is_ready());
        written
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Noted<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Noted<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.note(written)
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, pieces: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, pieces);
        self.note(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        self.cut.flushed(flushed.is_ready());
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::time::{Instant, timeout};

    use super::Noted;
    use crate::proxy::cut::Cut;

    const LIMIT: Duration = Duration::from_secs(60);

    #[tokio::test(start_paused = true)]
    async fn who_still_takes_the_end_of_an_answer_is_not_forgotten() {
        let cut = Cut::new();
        let (mut client, server) = tokio::io::duplex(10);
        let mut server = Noted::new(server, Arc::clone(&cut));
        cut.asked();
        cut.answered();
        let writing = tokio::spawn(async move {
            server.write_all(&[0; 25]).await.expect("a write");
            server
        });
        timeout(LIMIT * 5, cut.forgotten(LIMIT)).await.expect_err("it has not taken all");
        client.read_exact(&mut [0; 25]).await.expect("all of it");
        let _server = writing.await.expect("a write");
        let begun = Instant::now();
        cut.forgotten(LIMIT).await;
        assert_eq!(begun.elapsed(), LIMIT);
    }
}
