//! Ports for servers that are told where to listen.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU32, Ordering};

/// A port of 127.0.0.1 that nobody listens on and that this process was not given before. It lies below those that systems give to clients
/// and to whoever asks for any port, so that nobody takes it before its server does, or while that is restarted.
#[must_use]
pub fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    loop {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = u16::try_from(20_000 + (std::process::id() * 61 + number) % 10_000).unwrap_or(20_000);
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
