//! `ssh://` engines: HTTP over the standard streams of `docker system dial-stdio` on the other machine.

use std::io;
use std::pin::Pin;
use std::process::Stdio;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::oneshot;

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

    /// Starts `ssh`.
    pub(super) fn open(&self) -> io::Result<SshStream> {
        let mut command = Command::new("ssh");
        command.args(self.arguments());
        SshStream::of(command)
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

/// The standard streams of `ssh`. As long as nothing ever came, they fail in its own words.
pub(super) struct SshStream {
    output: ChildStdout,
    input: ChildStdin,
    complaints: oneshot::Receiver<String>,
    seen: bool,
    _child: Child,
}

impl SshStream {
    fn of(mut command: Command) -> io::Result<Self> {
        let mut child = command
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
        let (sender, receiver) = oneshot::channel();
        tokio::spawn(async move {
            let mut text = Vec::new();
            let _ = (&mut complaints).take(4096).read_to_end(&mut text).await;
            let _ = sender.send(String::from_utf8_lossy(&text).trim().to_owned());
            let _ = tokio::io::copy(&mut complaints, &mut tokio::io::sink()).await;
        });
        Ok(Self { output, input, complaints: receiver, seen: false, _child: child })
    }

    /// Why it ended before anything came. It is asked once: a stream that failed is not used again.
    fn poll_words(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        let words = ready!(Pin::new(&mut self.complaints).poll(cx)).unwrap_or_default();
        self.seen = true;
        let words = if words.is_empty() { "the connection ended at once".to_owned() } else { words };
        Poll::Ready(io::Error::new(io::ErrorKind::ConnectionRefused, format!("ssh: {words}")))
    }

    /// A write meets the end of `ssh` as soon as a read does, but it meets a broken pipe.
    fn poll_written<T>(&mut self, written: io::Result<T>, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        match written {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe && !self.seen => self.poll_words(cx).map(Err),
            other => Poll::Ready(other),
        }
    }
}

impl AsyncRead for SshStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.output).poll_read(cx, buffer))?;
        self.seen |= buffer.filled().len() > before;
        if self.seen { Poll::Ready(Ok(())) } else { self.poll_words(cx).map(Err) }
    }
}

impl AsyncWrite for SshStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.input).poll_write(cx, bytes));
        self.poll_written(written, cx)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = ready!(Pin::new(&mut self.input).poll_flush(cx));
        self.poll_written(flushed, cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.input).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;
    use std::time::Duration;

    use tokio::io::AsyncWriteExt as _;
    use tokio::process::Command;

    use super::{SshStream, SshTarget};

    #[tokio::test]
    async fn a_write_that_meets_the_end_of_ssh_fails_in_its_words() {
        let mut command = Command::new("sh");
        command.args(["-c", "exec <&- >&-; sleep 0.2; echo 'connect to host: Connection refused' >&2; exit 255"]);
        let mut stream = SshStream::of(command).unwrap();
        let error = loop {
            match stream.write_all(b"GET / HTTP/1.1\r\n\r\n").await {
                Ok(()) => tokio::time::sleep(Duration::from_millis(10)).await,
                Err(error) => break error,
            }
        };
        assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::ConnectionRefused, "ssh: connect to host: Connection refused"));
    }

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
