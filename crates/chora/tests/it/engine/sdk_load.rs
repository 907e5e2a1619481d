//! The official Python SDK as clients that never stop, in sessions and without: `tests/clients/load_client.py` says what each does.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use crate::mcp::sdk::python;

/// The drain time where nothing else is asked for, in seconds.
const DRAIN: &str = "30";

/// What the clients have seen.
#[derive(Debug, serde::Deserialize)]
pub(super) struct Seen {
    pub(super) answered: usize,
    /// What went wrong, in words.
    pub(super) failed: Vec<String>,
    /// The longest wait for an answer, in seconds.
    pub(super) longest: f64,
    /// Releases that have answered.
    pub(super) releases: BTreeSet<String>,
    /// Sessions that their client has ended.
    pub(super) sessions: usize,
    /// Sessions that their release has ended, in the way that the protocol has for it.
    pub(super) gone: usize,
    /// Words of progress, and what streams have told.
    pub(super) progress: usize,
    pub(super) heard: usize,
}

/// Clients at work.
pub(super) struct SdkLoad {
    child: Child,
    orders: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl SdkLoad {
    /// Starts them, which takes a while; they do nothing until they are told to begin.
    pub(super) fn prepare(port: u16) -> Self {
        let mut command = Command::new(python());
        command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/load_client.py"));
        command.arg(format!("http://127.0.0.1:{port}/mcp")).arg(DRAIN);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the clients start");
        let (orders, output) = (child.stdin.take(), BufReader::new(child.stdout.take().expect("standard output")));
        Self { child, orders, output }
    }

    pub(super) fn begin(&mut self) {
        self.order("begin");
    }

    /// From now on a session stays until it is ended, which may happen when its release has drained for so many seconds.
    pub(super) fn stay(&mut self, seconds: u32) {
        self.order(&format!("stay {seconds}"));
    }

    /// Waits until the next session stays; gives its release.
    pub(super) fn stays_with(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).expect("a line");
        line.trim().strip_prefix("staying with ").unwrap_or_else(|| panic!("{line}")).to_owned()
    }

    /// Ends them.
    pub(super) fn end(mut self) -> Seen {
        drop(self.orders.take());
        let mut rest = String::new();
        self.output.read_to_string(&mut rest).expect("text");
        let seen = rest.lines().last().unwrap_or_default();
        serde_json::from_str(seen).unwrap_or_else(|error| panic!("{error}: {rest}"))
    }

    fn order(&mut self, words: &str) {
        writeln!(self.orders.as_mut().expect("they are not ended"), "{words}").expect("they read");
    }
}

impl Drop for SdkLoad {
    fn drop(&mut self) {
        // They have ended unless their test failed.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
