//! A command that runs: its output is collected, it can be signalled, killed and waited for, and it never outlives its test.

use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::Ran;

/// How often the end of a process is looked for.
const LOOK: Duration = Duration::from_millis(2);

/// A running command.
pub(crate) struct Running {
    child: Child,
    shown: String,
    limit: Duration,
    stdout: Collected,
    stderr: Collected,
    replaced: Vec<(String, &'static str)>,
}

impl Running {
    pub(super) fn start(mut command: Command, input: Option<&[u8]>, limit: Duration, replaced: Vec<(String, &'static str)>) -> Self {
        let shown = format!("{command:?}");
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{shown} cannot be started: {error}"));
        let mut stdin = child.stdin.take().unwrap();
        // A program that ends without reading is not at fault here.
        drop(stdin.write_all(input.unwrap_or_default()));
        drop(stdin);
        let (stdout, stderr) = (Collected::from(child.stdout.take().unwrap()), Collected::from(child.stderr.take().unwrap()));
        Self { child, shown, limit, stdout, stderr, replaced }
    }

    /// Process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until either stream holds a text.
    pub(crate) fn wait_for(&self, text: &str) {
        let deadline = Instant::now() + self.limit;
        while !(self.stdout.contains(text, LOOK) || self.stderr.contains(text, LOOK)) {
            assert!(Instant::now() < deadline, "`{text}` did not come from {}\n{}\n{}", self.shown, self.stdout.text(), self.stderr.text());
        }
    }

    /// Sends a signal by its name, such as `TERM`.
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").arg(format!("-{name}")).arg(self.pid().to_string()).status().unwrap();
        assert!(sent.success(), "{} could not be sent {name}", self.shown);
    }

    /// Kills it as a crash would, and waits until it is gone.
    pub(crate) fn kill(mut self) -> Ran {
        self.child.kill().unwrap();
        self.wait()
    }

    /// Tells whether it has ended.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits for its end, within its limit.
    pub(crate) fn wait(mut self) -> Ran {
        let deadline = Instant::now() + self.limit;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(
                Instant::now() < deadline,
                "{} did not end within {:?}\n{}\n{}",
                self.shown,
                self.limit,
                self.stdout.text(),
                self.stderr.text()
            );
            std::thread::sleep(LOOK);
        };
        let mut ran = Ran { code: code(status), stdout: self.stdout.finish(), stderr: self.stderr.finish() };
        for (from, to) in &self.replaced {
            ran = ran.replace(from, to);
        }
        ran
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Already ended is what is wanted.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn code(status: ExitStatus) -> i32 {
    status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(-1)
}

/// A stream that is read as it comes.
struct Collected {
    text: Arc<(Mutex<Vec<u8>>, Condvar)>,
    reader: Option<JoinHandle<()>>,
}

impl Collected {
    fn from(mut stream: impl Read + Send + 'static) -> Self {
        let text = Arc::new((Mutex::new(Vec::new()), Condvar::new()));
        let shared = Arc::clone(&text);
        let reader = std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = stream.read(&mut buffer) {
                shared.0.lock().unwrap().extend_from_slice(&buffer[..count]);
                shared.1.notify_all();
            }
        });
        Self { text, reader: Some(reader) }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.text.0.lock().unwrap()).into_owned()
    }

    /// Whether it holds a text, now or after a moment.
    fn contains(&self, wanted: &str, moment: Duration) -> bool {
        let bytes = self.text.0.lock().unwrap();
        let (bytes, _) = self.text.1.wait_timeout_while(bytes, moment, |bytes| !String::from_utf8_lossy(bytes).contains(wanted)).unwrap();
        String::from_utf8_lossy(&bytes).contains(wanted)
    }

    fn finish(&mut self) -> String {
        self.reader.take().unwrap().join().unwrap();
        self.text()
    }
}
