//! An end for connections whose other side takes nothing.

use std::time::Duration;

use tokio::net::TcpStream;

/// Breaks a connection off when nothing that is sent is taken for `limit`; never where it is zero.
///
/// The kernel does it: only it can tell a slow reader from one that stopped, for it takes megabytes before a write waits.
#[cfg(target_os = "linux")]
pub(crate) fn limit(stream: &TcpStream, limit: Duration) {
    let millis = u32::try_from(limit.as_millis()).unwrap_or(u32::MAX);
    // A connection that is gone already needs no limit.
    _ = rustix::net::sockopt::set_tcp_user_timeout(stream, millis);
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn limit(_: &TcpStream, _: Duration) {}

/// The same, where the listener had no limit of its own, which its connections inherit.
#[cfg(target_os = "linux")]
pub(crate) fn limit_unless_set(stream: &TcpStream, usual: Duration) {
    if rustix::net::sockopt::tcp_user_timeout(stream) == Ok(0) {
        limit(stream, usual);
    }
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn limit_unless_set(_: &TcpStream, _: Duration) {}
