//! Clients that never stop: plain HTTP, MCP sessions with long calls and open streams, MCP without sessions.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::json;

/// Longer than any request may wait, a hold included.
const PATIENCE: Duration = Duration::from_secs(60);

/// Between two requests of a client of plain HTTP.
const OFTEN: Duration = Duration::from_millis(5);
/// The same over many releases.
const SELDOM: Duration = Duration::from_millis(20);

/// What clients have seen.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) answered: usize,
    /// What went wrong, in words.
    pub(super) failed: Vec<String>,
    pub(super) longest: Duration,
    /// Releases that have answered.
    pub(super) releases: BTreeSet<String>,
    /// MCP sessions that came to their own end.
    pub(super) sessions: usize,
}

/// What a client does until it is told to stop.
type Client = Box<dyn FnOnce(&AtomicBool) -> Seen + Send>;

/// Clients at work.
pub(super) struct Load {
    stop: Arc<AtomicBool>,
    clients: Vec<JoinHandle<Seen>>,
}

/// An answer: status, headers in lower case, body.
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Load {
    /// Only plain HTTP, with connections kept and with new ones.
    pub(super) fn plain(port: u16) -> Self {
        Self::of(vec![Box::new(move |stop| plain(port, true, OFTEN, stop)), Box::new(move |stop| plain(port, false, OFTEN, stop))])
    }

    /// All kinds of clients.
    pub(super) fn every(port: u16) -> Self {
        Self::all(port, OFTEN)
    }

    /// The same, lighter: for what takes so long that each moment is met often enough.
    pub(super) fn light(port: u16) -> Self {
        Self::all(port, SELDOM)
    }

    fn all(port: u16, pause: Duration) -> Self {
        Self::of(vec![
            Box::new(move |stop| plain(port, true, pause, stop)),
            Box::new(move |stop| plain(port, false, pause, stop)),
            Box::new(move |stop| sessions(port, stop)),
            Box::new(move |stop| stateless(port, stop)),
        ])
    }

    fn of(clients: Vec<Client>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let start = |client: Client| {
            let stop = Arc::clone(&stop);
            std::thread::spawn(move || client(&stop))
        };
        Self { clients: clients.into_iter().map(start).collect(), stop }
    }

    /// Ends it; every client must have got every answer.
    pub(super) fn end(self) -> Seen {
        self.stop.store(true, Ordering::Relaxed);
        let mut all = Seen::default();
        for client in self.clients {
            let seen = client.join().expect("a client that ends");
            all.answered += seen.answered;
            all.failed.extend(seen.failed);
            all.longest = all.longest.max(seen.longest);
            all.releases.extend(seen.releases);
            all.sessions += seen.sessions;
        }
        all
    }
}

impl Seen {
    fn take(&mut self, what: &str, began: Instant, answer: std::io::Result<Answer>) -> Option<Answer> {
        self.longest = self.longest.max(began.elapsed());
        match answer {
            Ok(answer) if answer.status == 200 => {
                self.answered += 1;
                Some(answer)
            }
            Ok(answer) => {
                self.failed.push(format!("{what}: {} {} after {:?}", answer.status, answer.body.trim_end(), began.elapsed()));
                None
            }
            Err(error) => {
                self.failed.push(format!("{what}: {error} after {:?}", began.elapsed()));
                None
            }
        }
    }
}

fn connect(port: u16) -> std::io::Result<BufReader<TcpStream>> {
    let stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)?;
    Ok(BufReader::new(stream))
}

fn read_head(reader: &mut BufReader<TcpStream>) -> std::io::Result<(u16, String)> {
    let mut head = String::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Err(std::io::Error::other("the connection ended"));
        }
        if line == "\r\n" {
            break;
        }
        head += &line;
    }
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    Ok((status, head))
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().filter_map(|line| line.split_once(':')).find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}

fn ask(reader: &mut BufReader<TcpStream>, head: &str, body: &str) -> std::io::Result<Answer> {
    write!(reader.get_mut(), "{head}\r\nHost: shop\r\nContent-Length: {}\r\n\r\n{body}", body.len())?;
    let (status, head) = read_head(reader)?;
    let length = header(&head, "content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok(Answer { status, head, body: String::from_utf8_lossy(&body).into_owned() })
}

fn plain(port: u16, keeps: bool, pause: Duration, stop: &AtomicBool) -> Seen {
    let (mut seen, mut kept) = (Seen::default(), None);
    while !stop.load(Ordering::Relaxed) {
        let began = Instant::now();
        let asked = kept.take().map_or_else(|| connect(port), Ok).and_then(|mut connection| {
            let answer = ask(&mut connection, "GET / HTTP/1.1", "")?;
            let closes = header(&answer.head, "connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
            kept = Some(connection).filter(|_| keeps && !closes);
            Ok(answer)
        });
        if let Some(answer) = seen.take(if keeps { "kept connection" } else { "new connection" }, began, asked) {
            seen.releases.insert(answer.body);
        }
        std::thread::sleep(pause);
    }
    seen
}

fn call(port: u16, headers: &str, message: &serde_json::Value) -> std::io::Result<Answer> {
    let head = format!("POST /mcp HTTP/1.1\r\nContent-Type: application/json\r\nAccept: application/json, text/event-stream{headers}");
    ask(&mut connect(port)?, &head, &message.to_string())
}

fn slow_call(id: u32) -> serde_json::Value {
    json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": { "name": "slow", "arguments": { "ms": 150 } } })
}

/// The release that answered a call.
fn text(answer: &Answer) -> String {
    let body: serde_json::Value = serde_json::from_str(&answer.body).unwrap_or_default();
    body.pointer("/result/content/0/text").and_then(serde_json::Value::as_str).unwrap_or_default().to_owned()
}

/// Sessions of the 2025 revisions: each stays with the release that opened it until its client ends it.
fn sessions(port: u16, stop: &AtomicBool) -> Seen {
    let mut seen = Seen::default();
    while !stop.load(Ordering::Relaxed) {
        let hello = json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
            "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": { "name": "load", "version": "1" } } });
        let Some(greeting) = seen.take("initialize", Instant::now(), call(port, "", &hello)) else { continue };
        let Some(session) = header(&greeting.head, "mcp-session-id").map(str::to_owned) else {
            seen.failed.push(format!("initialize: no session in {}", greeting.head));
            continue;
        };
        let release = session.split('-').next().unwrap_or_default().to_owned();
        let named = format!("\r\nMcp-Session-Id: {session}\r\nMCP-Protocol-Version: 2025-06-18");
        let stream = open_stream(port, &named);
        for id in 1..=6 {
            let began = Instant::now();
            if let Some(answer) = seen.take(&format!("call {id} of session {session}"), began, call(port, &named, &slow_call(id))) {
                let other = text(&answer);
                if other != release {
                    seen.failed.push(format!("session {session} was answered by {other}"));
                }
            }
        }
        match stream.and_then(|reader| still_told(reader, &release)) {
            Ok(()) => {}
            Err(error) => seen.failed.push(format!("stream of session {session}: {error}")),
        }
        let ended = connect(port).and_then(|mut connection| ask(&mut connection, &format!("DELETE /mcp HTTP/1.1{named}"), ""));
        if seen.take("end of a session", Instant::now(), ended).is_some() {
            seen.sessions += 1;
        }
        seen.releases.insert(release);
    }
    seen
}

fn open_stream(port: u16, named: &str) -> std::io::Result<BufReader<TcpStream>> {
    let mut reader = connect(port)?;
    write!(reader.get_mut(), "GET /mcp HTTP/1.1\r\nHost: shop\r\nAccept: text/event-stream{named}\r\n\r\n")?;
    let (status, head) = read_head(&mut reader)?;
    if status == 200 { Ok(reader) } else { Err(std::io::Error::other(head)) }
}

/// A stream goes on, and is told by the release of its session.
fn still_told(mut reader: BufReader<TcpStream>, release: &str) -> std::io::Result<()> {
    let mut told = 0;
    while told < 3 {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Err(std::io::Error::other("it ended"));
        }
        let Some(said) = line.strip_prefix("data: ") else { continue };
        let said: serde_json::Value = serde_json::from_str(said)?;
        if said["params"]["data"] != release {
            return Err(std::io::Error::other(format!("it was told by {said}")));
        }
        told += 1;
    }
    Ok(())
}

/// Requests of the 2026-07-28 revision.
fn stateless(port: u16, stop: &AtomicBool) -> Seen {
    let mut seen = Seen::default();
    let mut id = 0;
    while !stop.load(Ordering::Relaxed) {
        id += 1;
        let headers = "\r\nMCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\nMcp-Name: slow";
        if let Some(answer) = seen.take("stateless call", Instant::now(), call(port, headers, &slow_call(id))) {
            seen.releases.insert(text(&answer));
        }
    }
    seen
}
