//! `ssh://` engines: HTTP over the standard streams of `docker system dial-stdio` on the other machine.

use std::io;
use std::process::Stdio;

use tokio::io::{AsyncReadExt, Join, join};
use tokio::process::{ChildStdin, ChildStdout, Command};

/// Where `ssh` goes; an argument vector is made of it, never a shell line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SshTarget {
    user: Option<String>,
    host: String,
    port: Option<u16>,
    /// Socket on the other machine, when it is not the default one.
    socket: Option<String>,
}

impl SshTarget {
    /// Reads what follows `ssh://`: `[user@]host[:port][/socket]`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (authority, path) = text.split_once('/').map_or((text, ""), |(authority, path)| (authority, path));
        let (user, place) = authority.rsplit_once('@').map_or((None, authority), |(user, place)| (Some(user.to_owned()), place));
        let (host, port) = split_port(place)?;
        let plain = |text: &str| !text.is_empty() && !text.starts_with('-');
        let socket = (!path.is_empty()).then(|| format!("/{path}"));
        (plain(&host) && user.as_deref().is_none_or(plain)).then_some(Self { user, host, port, socket })
    }

    fn arguments(&self) -> Vec<String> {
        let mut arguments: Vec<String> = ["-o", "ConnectTimeout=30", "-T"].map(String::from).to_vec();
        if let Some(user) = &self.user {
            arguments.extend(["-l".to_owned(), user.clone()]);
        }
        if let Some(port) = self.port {
            arguments.extend(["-p".to_owned(), port.to_string()]);
        }
        arguments.extend(["--".to_owned(), self.host.clone(), "docker".to_owned()]);
        if let Some(socket) = &self.socket {
            // ssh joins its arguments into one line for the shell over there.
            arguments.extend(["--host".to_owned(), format!("'unix://{}'", socket.replace('\'', "'\\''"))]);
        }
        arguments.extend(["system", "dial-stdio"].map(String::from));
        arguments
    }

    /// Starts `ssh`; its complaints come out as the error of the first read.
    pub(super) fn open(&self) -> io::Result<Join<SshOutput, ChildStdin>> {
        let mut child = Command::new("ssh")
            .args(self.arguments())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| io::Error::new(error.kind(), format!("ssh cannot be started: {error}")))?;
        let missing = || io::Error::other("ssh was started without its streams");
        let output = child.stdout.take().ok_or_else(missing)?;
        let input = child.stdin.take().ok_or_else(missing)?;
        let mut complaints = child.stderr.take().ok_or_else(missing)?;
        let (sender, receiver) = tokio::sync::oneshot::channel();
        tokio::spawn(async move {
            let mut text = Vec::new();
            let _ = (&mut complaints).take(4096).read_to_end(&mut text).await;
            let _ = sender.send(String::from_utf8_lossy(&text).trim().to_owned());
            let _ = tokio::io::copy(&mut complaints, &mut tokio::io::sink()).await;
        });
        Ok(join(SshOutput { output, complaints: Some(receiver), seen: false, _child: child }, input))
    }
}

fn split_port(place: &str) -> Option<(String, Option<u16>)> {
    if let Some(rest) = place.strip_prefix('[') {
        let (host, port) = rest.split_once(']')?;
        let port = port.strip_prefix(':').map(str::parse).transpose().ok()?;
        return Some((host.to_owned(), port));
    }
    match place.split_once(':') {
        Some((host, port)) => Some((host.to_owned(), Some(port.parse().ok()?))),
        None => Some((place.to_owned(), None)),
    }
}

/// Standard output of `ssh`, which ends in its own words when nothing ever came.
pub(super) struct SshOutput {
    output: ChildStdout,
    complaints: Option<tokio::sync::oneshot::Receiver<String>>,
    seen: bool,
    _child: tokio::process::Child,
}

impl tokio::io::AsyncRead for SshOutput {
    fn poll_read(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
        buffer: &mut tokio::io::ReadBuf<'_>,
    ) -> std::task::Poll<io::Result<()>> {
        use std::future::Future;
        use std::task::{Poll, ready};
        let before = buffer.filled().len();
        ready!(std::pin::Pin::new(&mut self.output).poll_read(cx, buffer))?;
        if buffer.filled().len() > before {
            self.seen = true;
        }
        if self.seen || buffer.filled().len() > before {
            return Poll::Ready(Ok(()));
        }
        let Some(receiver) = self.complaints.as_mut() else { return Poll::Ready(Ok(())) };
        let words = ready!(std::pin::Pin::new(receiver).poll(cx)).unwrap_or_default();
        self.complaints = None;
        let words = if words.is_empty() { "the connection ended at once".to_owned() } else { words };
        Poll::Ready(Err(io::Error::new(io::ErrorKind::ConnectionRefused, format!("ssh: {words}"))))
    }
}

#[cfg(test)]
mod tests {
    use super::SshTarget;

    #[test]
    fn targets_become_argument_vectors() {
        for (text, arguments) in [
            ("host", "-o ConnectTimeout=30 -T -- host docker system dial-stdio"),
            ("me@host:2222", "-o ConnectTimeout=30 -T -l me -p 2222 -- host docker system dial-stdio"),
            ("[::1]:22/run/x.sock", "-o ConnectTimeout=30 -T -p 22 -- ::1 docker --host 'unix:///run/x.sock' system dial-stdio"),
        ] {
            assert_eq!(SshTarget::parse(text).unwrap().arguments().join(" "), arguments);
        }
        for bad in ["", "-oProxyCommand=x", "-lx@host", "host:many", "@host"] {
            assert_eq!(SshTarget::parse(bad), None, "{bad}");
        }
    }
}
