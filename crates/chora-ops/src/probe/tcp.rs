//! Does a port accept connections?

use std::net::SocketAddr;

use tokio::net::TcpStream;

use super::answer::{Deadline, Passed, Trouble};

pub(crate) async fn ask(address: SocketAddr, deadline: Deadline) -> Result<Passed, Trouble> {
    connect(address, deadline).await?;
    Ok(Passed { answered: "connection accepted".to_owned(), ..Passed::default() })
}

/// Opens a connection that sends small writes at once.
pub(crate) async fn connect(address: SocketAddr, deadline: Deadline) -> Result<TcpStream, Trouble> {
    let stream = deadline
        .bound("the connection", async { TcpStream::connect(address).await.map_err(|error| Trouble::Silent(plain(&error))) })
        .await?;
    stream.set_nodelay(true).map_err(|error| Trouble::Silent(plain(&error)))?;
    Ok(stream)
}

/// The operating system's words without its error number.
pub(crate) fn plain(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
        std::io::ErrorKind::ConnectionReset => "connection reset".to_owned(),
        _ => error.to_string(),
    }
}
