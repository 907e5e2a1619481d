//! An MCP server as a child process: one message a line on its standard input and output, its standard error told to the log.
//!
//! The process leads a group of its own and is started without a shell, so that ending it ends all it started.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::AsyncWriteExt as _;
use tokio::process::{Child as Process, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::sync::{Mutex, mpsc, watch};

use super::lines::{Line, Lines};
use super::link::Arrival;
use crate::message::{Fault, Message, Notification, Request, Response, code};

/// Longest line that is read from a process, in bytes.
const LONGEST_LINE: usize = 64 * 1024 * 1024;
/// Longest line of standard error that is told; the rest of it is cut.
const LONGEST_REMARK: usize = 4 * 1024;
/// How long a process that was told to end may take before it is killed, where nobody says.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// What to start.
#[derive(Clone)]
pub struct ChildCommand {
    /// Program and arguments; never empty.
    pub command: Vec<OsString>,
    /// Variables added to the environment that is inherited.
    pub environment: Vec<(String, OsString)>,
    /// Working directory; the present one where `None`.
    pub directory: Option<PathBuf>,
    /// How long it may take when it was told to end, before it is killed.
    pub patience: Duration,
}

impl fmt::Debug for ChildCommand {
    /// Values of variables are secrets more often than not, and arguments are now and then.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.environment.iter().map(|(name, _)| name).collect();
        f.debug_struct("ChildCommand")
            .field("program", &self.command.first())
            .field("environment", &names)
            .field("directory", &self.directory)
            .finish_non_exhaustive()
    }
}

/// A message for the process.
#[derive(Debug, Clone)]
pub(crate) enum Outgoing {
    Request(Request),
    Notification(Notification),
    Response(Response),
}

impl Outgoing {
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Request(request) => request.write(out),
            Self::Notification(notification) => notification.write(out),
            Self::Response(response) => response.write(out),
        }
    }
}

/// A process that runs, or ran.
#[derive(Debug)]
pub(crate) struct Child {
    pid: Pid,
    input: Arc<Mutex<Input>>,
    ended: watch::Receiver<Option<String>>,
    stop: watch::Sender<bool>,
}

#[derive(Debug)]
struct Input {
    pipe: Option<ChildStdin>,
    /// Kept between messages, so that a message needs one write and no allocation.
    buffer: Vec<u8>,
}

impl Input {
    /// Writes the rest of the buffer. After a failure half a line may be in the pipe: nothing can follow it.
    async fn write_from(&mut self, done: usize) -> bool {
        let Some(open) = self.pipe.as_mut() else { return false };
        let sent = open.write_all(self.buffer.get(done..).unwrap_or_default()).await.is_ok();
        if !sent {
            self.pipe = None;
        }
        if self.buffer.capacity() > 64 * 1024 {
            self.buffer = Vec::with_capacity(1024);
        }
        sent
    }
}

/// The process does not take messages any more.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the server's process {0}")]
pub(crate) struct Gone(pub(crate) String);

impl Child {
    /// Starts the process; what it says arrives at `messages`, which closes when it has ended.
    pub(crate) fn start(command: &ChildCommand, messages: mpsc::Sender<Arrival>) -> std::io::Result<Self> {
        let (program, arguments) =
            command.command.split_first().ok_or_else(|| std::io::Error::new(std::io::ErrorKind::InvalidInput, "no program is named"))?;
        let mut starting = Command::new(program);
        starting.args(arguments).envs(command.environment.iter().map(|(name, value)| (name, value)));
        if let Some(directory) = &command.directory {
            starting.current_dir(directory);
        }
        starting.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0).kill_on_drop(true);
        let mut process = starting.spawn()?;
        let pipes = (process.stdin.take(), process.stdout.take(), process.stderr.take());
        let pid = process.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        let ((Some(stdin), Some(stdout), Some(stderr)), Some(pid)) = (pipes, pid) else {
            return Err(std::io::Error::other("the process has no standard streams"));
        };
        let (ended_sender, ended) = watch::channel(None);
        let (stop, stopping) = watch::channel(false);
        tokio::spawn(remark(pid, stderr));
        tokio::spawn(attend(Attendance { process, pid, stdout, messages, ended: ended_sender, stopping, patience: command.patience }));
        Ok(Self { pid, input: Arc::new(Mutex::new(Input { pipe: Some(stdin), buffer: Vec::with_capacity(1024) })), ended, stop })
    }

    /// Id of the process.
    pub(crate) fn pid(&self) -> i32 {
        self.pid.as_raw_pid()
    }

    /// How it ended, where it has.
    pub(crate) fn end(&self) -> Option<String> {
        self.ended.borrow().clone()
    }

    /// Writes one message; waits while the process does not read. A caller that stops waiting leaves no half line behind.
    pub(crate) async fn send(&self, message: &Outgoing) -> Result<(), Gone> {
        let mut input = Arc::clone(&self.input).lock_owned().await;
        let Input { pipe, buffer } = &mut *input;
        let Some(open) = pipe.as_mut() else { return Err(self.gone()) };
        buffer.clear();
        message.write(buffer);
        buffer.push(b'\n');
        let sent = match open.write(buffer).now_or_never() {
            Some(Ok(all)) if all == buffer.len() => true,
            Some(Err(_)) => false,
            first => {
                let done = first.and_then(Result::ok).unwrap_or(0);
                tokio::spawn(async move { input.write_from(done).await }).await.unwrap_or(false)
            }
        };
        if sent { Ok(()) } else { Err(self.gone()) }
    }

    fn gone(&self) -> Gone {
        Gone(self.end().unwrap_or_else(|| "does not read any more".to_owned()))
    }

    /// Ends the process: its input is closed, then its group is asked, then killed. Waits until it is reaped.
    pub(crate) async fn stop(&self) {
        let mut ended = self.ended.clone();
        // Whoever writes to a process that does not read has the input until the process is killed.
        let closing = async {
            self.input.lock().await.pipe = None;
            std::future::pending::<()>().await;
        };
        _ = self.stop.send(true);
        tokio::select! {
            biased;
            () = closing => {}
            _ = ended.wait_for(Option::is_some) => {}
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        _ = self.stop.send(true);
    }
}

struct Attendance {
    process: Process,
    pid: Pid,
    stdout: ChildStdout,
    messages: mpsc::Sender<Arrival>,
    ended: watch::Sender<Option<String>>,
    stopping: watch::Receiver<bool>,
    patience: Duration,
}

/// Reads what a process says until it ends, and sees to its end.
async fn attend(attendance: Attendance) {
    let Attendance { mut process, pid, stdout, messages, ended, mut stopping, patience } = attendance;
    let mut listening = std::pin::pin!(listen(pid, stdout, messages));
    let mut heard_all = false;
    let status = tokio::select! {
        status = process.wait() => status,
        // An output that is closed or spoilt is the end of the conversation, not always of the process.
        () = &mut listening => {
            heard_all = true;
            end(&mut process, pid, patience).await
        }
        () = told(&mut stopping) => end(&mut process, pid, patience).await,
    };
    // What it started does not outlive it.
    _ = kill_process_group(pid, Signal::KILL);
    let how = status.map_or_else(|error| format!("cannot be waited for: {error}"), describe);
    // What it said before it ended is still heard; a grandchild that kept the pipe is gone by now.
    if !heard_all {
        _ = tokio::time::timeout(Duration::from_millis(200), listening).await;
    }
    tracing::info!(target: "chora::child", pid = pid.as_raw_pid(), "the server's process {how}");
    _ = ended.send(Some(how));
}

/// Waits until the process is to be stopped.
async fn told(stopping: &mut watch::Receiver<bool>) {
    // Without anybody left who could say so, it is to be stopped as well.
    _ = stopping.wait_for(|stop| *stop).await;
}

/// Asks the group to end, waits, kills.
async fn end(process: &mut Process, pid: Pid, patience: Duration) -> std::io::Result<ExitStatus> {
    if let Ok(status) = tokio::time::timeout(Duration::from_millis(100), process.wait()).await {
        return status;
    }
    _ = kill_process_group(pid, Signal::TERM);
    if let Ok(status) = tokio::time::timeout(patience, process.wait()).await {
        return status;
    }
    _ = kill_process_group(pid, Signal::KILL);
    process.wait().await
}

fn describe(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt as _;
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("ended with exit code {code}"),
        (None, Some(signal)) => format!("was ended by signal {signal}"),
        (None, None) => "ended".to_owned(),
    }
}

/// Passes on what a process says, until it stops talking or talks nonsense that cannot be skipped.
async fn listen(pid: Pid, stdout: ChildStdout, messages: mpsc::Sender<Arrival>) {
    let mut lines = Lines::new(stdout, LONGEST_LINE);
    loop {
        match lines.next().await {
            Ok(Line::Whole(line)) if line.iter().all(u8::is_ascii_whitespace) => {}
            Ok(Line::Whole(line)) => match Message::parse(line).or_else(|error| garbled(line).ok_or(error)) {
                Ok(message) => {
                    if messages.send(message.into()).await.is_err() {
                        return;
                    }
                }
                // Servers that print to standard output are common; their words are no messages.
                Err(error) => {
                    tracing::warn!(target: "chora::child", pid = pid.as_raw_pid(), bytes = line.len(), "a line of the server is skipped: {error}")
                }
            },
            Ok(Line::TooLong) => {
                tracing::error!(target: "chora::child", pid = pid.as_raw_pid(), "a line of the server is longer than {LONGEST_LINE} bytes");
                return;
            }
            Ok(Line::End) | Err(_) => return,
        }
    }
}

/// What is said in the place of an answer that is not UTF-8: whose it is can mostly be read all the same.
fn garbled(line: &[u8]) -> Option<Message> {
    std::str::from_utf8(line).err()?;
    let Message::Response(answer) = Message::parse(String::from_utf8_lossy(line).as_bytes()).ok()? else { return None };
    Some(Message::Response(Response::error(answer.id, &Fault::new(code::INTERNAL, "the server's answer is not valid UTF-8"))))
}

/// Tells what a process writes to standard error.
async fn remark(pid: Pid, stderr: ChildStderr) {
    let mut lines = Lines::new(stderr, LONGEST_REMARK);
    loop {
        match lines.next().await {
            Ok(Line::Whole(line)) => {
                tracing::info!(target: "chora::child::stderr", pid = pid.as_raw_pid(), "{}", String::from_utf8_lossy(line).trim_end());
            }
            Ok(Line::TooLong) => {
                tracing::info!(target: "chora::child::stderr", pid = pid.as_raw_pid(), "(a line longer than {LONGEST_REMARK} bytes)")
            }
            Ok(Line::End) | Err(_) => return,
        }
    }
}
