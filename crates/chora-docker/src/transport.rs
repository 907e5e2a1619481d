//! Connections to an engine: a socket, TCP, TLS or the standard streams of `ssh`.

mod ssh;
mod tls;

use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::Uri;
use hyper::rt::ReadBufCursor;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

pub(crate) use ssh::SshTarget;
pub(crate) use tls::{TlsFiles, client_config};

/// Longest wait for a TCP connection.
const CONNECT_LIMIT: Duration = Duration::from_secs(20);

/// How an engine is reached.
#[derive(Clone)]
pub(crate) enum Transport {
    Unix(PathBuf),
    Tcp { host: String, port: u16 },
    Tls { host: String, port: u16, config: Arc<rustls::ClientConfig> },
    Ssh(SshTarget),
}

impl Transport {
    /// Opening a connection is cheap, so none is kept idle.
    pub(crate) const fn is_cheap(&self) -> bool {
        matches!(self, Self::Unix(_))
    }

    async fn open(self) -> io::Result<Stream> {
        Ok(match self {
            Self::Unix(path) => Stream::new(UnixStream::connect(path).await?),
            Self::Tcp { host, port } => Stream::new(tcp(&host, port).await?),
            Self::Tls { host, port, config } => Stream::new(tls::connect(&host, tcp(&host, port).await?, config).await?),
            Self::Ssh(target) => Stream::new(target.open()?),
        })
    }
}

async fn tcp(host: &str, port: u16) -> io::Result<TcpStream> {
    let stream = tokio::time::timeout(CONNECT_LIMIT, TcpStream::connect((host, port)))
        .await
        .map_err(|_| io::Error::new(io::ErrorKind::TimedOut, "no connection in 20 s"))??;
    stream.set_nodelay(true)?;
    Ok(stream)
}

trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// An open connection of any kind.
pub(crate) struct Stream(TokioIo<Box<dyn Duplex>>);

impl Stream {
    fn new(io: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> Self {
        Self(TokioIo::new(Box::new(io)))
    }
}

impl Connection for Stream {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl hyper::rt::Read for Stream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl hyper::rt::Write for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

impl tower_service::Service<Uri> for Transport {
    type Response = Stream;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Stream>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        Box::pin(self.clone().open())
    }
}
