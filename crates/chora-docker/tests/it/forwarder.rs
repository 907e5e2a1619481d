//! A way to the engine under test that listens elsewhere and remembers what was asked.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};

pub(crate) struct Forwarder {
    pub(crate) address: SocketAddr,
    asked: Arc<Mutex<Vec<u8>>>,
}

impl Forwarder {
    pub(crate) async fn plain() -> Self {
        Self::start(|stream| async move { Some(stream) }).await
    }

    pub(crate) async fn tls(config: rustls::ServerConfig) -> Self {
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
        Self::start(move |stream| {
            let acceptor = acceptor.clone();
            async move { acceptor.accept(stream).await.ok() }
        })
        .await
    }

    async fn start<S, F>(open: impl Fn(TcpStream) -> F + Send + 'static) -> Self
    where
        S: AsyncRead + AsyncWrite + Send + 'static,
        F: Future<Output = Option<S>> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&asked);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (opened, seen) = (open(stream), Arc::clone(&seen));
                tokio::spawn(async move {
                    if let Some(stream) = opened.await {
                        forward(stream, &seen).await;
                    }
                });
            }
        });
        Self { address, asked }
    }

    /// Request lines such as `GET /v1.41/info HTTP/1.1`.
    pub(crate) fn request_lines(&self) -> Vec<String> {
        let asked = self.asked.lock().unwrap();
        String::from_utf8_lossy(&asked).lines().filter(|line| line.ends_with(" HTTP/1.1")).map(str::to_owned).collect()
    }
}

async fn forward(stream: impl AsyncRead + AsyncWrite, seen: &Mutex<Vec<u8>>) {
    let engine = UnixStream::connect(crate::socket()).await.unwrap();
    let (mut from_engine, mut to_engine) = engine.into_split();
    let (mut from_client, mut to_client) = tokio::io::split(stream);
    let up = async {
        let mut piece = vec![0; 16 * 1024];
        while let Ok(length @ 1..) = from_client.read(&mut piece).await {
            seen.lock().unwrap().extend_from_slice(&piece[..length]);
            if to_engine.write_all(&piece[..length]).await.is_err() {
                break;
            }
        }
        let _ = to_engine.shutdown().await;
    };
    let down = async {
        let _ = tokio::io::copy(&mut from_engine, &mut to_client).await;
        let _ = to_client.shutdown().await;
    };
    tokio::join!(up, down);
}
