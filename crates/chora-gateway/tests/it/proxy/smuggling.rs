//! Requests of which two readers could disagree where they end: what a replica gets of them, byte for byte.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::stack::{Stack, table};
use crate::support::eventually;

/// What somebody would smuggle.
const SMUGGLED: &str = "GET /smuggled HTTP/1.1\r\nHost: evil\r\n\r\n";

/// A replica that keeps what each of its connections brought.
struct Recording {
    address: String,
    connections: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Recording {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address").to_string();
        let connections = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&connections);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let index = {
                    let mut kept = kept.lock().expect("no panic");
                    kept.push(Vec::new());
                    kept.len() - 1
                };
                tokio::spawn(record(stream, Arc::clone(&kept), index));
            }
        });
        Self { address, connections }
    }

    /// What came since the last call, in the order of the connections.
    fn take(&self) -> Vec<String> {
        let mut kept = self.connections.lock().expect("no panic");
        kept.iter_mut()
            .map(std::mem::take)
            .filter(|bytes| !bytes.is_empty())
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .collect()
    }
}

async fn record(mut stream: TcpStream, kept: Arc<Mutex<Vec<Vec<u8>>>>, index: usize) {
    let (mut unanswered, mut piece) = (Vec::new(), vec![0; 16 * 1024]);
    while let Ok(read @ 1..) = stream.read(&mut piece).await {
        kept.lock().expect("no panic")[index].extend_from_slice(&piece[..read]);
        unanswered.extend_from_slice(&piece[..read]);
        while let Some(end) = end_of_request(&unanswered) {
            unanswered.drain(..end);
            _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
        }
    }
}

/// Where the first request ends, read as strictly as can be; a head that says nothing of a body has none.
fn end_of_request(bytes: &[u8]) -> Option<usize> {
    let text = String::from_utf8_lossy(bytes).into_owned();
    let head = text.find("\r\n\r\n")? + 4;
    let lower = text.split_at(head).0.to_ascii_lowercase();
    let lengths: Vec<&str> = lower.split("\r\n").filter_map(|line| line.strip_prefix("content-length: ")).collect();
    let codings: Vec<&str> = lower.split("\r\n").filter_map(|line| line.strip_prefix("transfer-encoding: ")).collect();
    match (lengths.as_slice(), codings.as_slice()) {
        ([], []) => Some(head),
        ([length], []) => Some(head + length.parse::<usize>().expect("a length")).filter(|end| *end <= bytes.len()),
        ([], ["chunked"]) => text.split_at(head).1.find("0\r\n\r\n").map(|at| head + at + 5),
        other => panic!("a replica got {other:?}: {text}"),
    }
}

/// What is to become of a request.
enum Fate {
    /// Refused with this status; the replica hears nothing of it.
    Refused(u16),
    /// One request to the replica, with all of the first texts in it and, in small letters, none of the second.
    One(&'static [&'static str], &'static [&'static str]),
    /// Not whole: the replica gets at most a part of it, and no end.
    Broken,
}

async fn sent(stack: &Stack, bytes: &str) -> String {
    let mut stream = TcpStream::connect(&stack.address).await.expect("a connection");
    stream.write_all(bytes.as_bytes()).await.expect("a write");
    let mut got = Vec::new();
    // Connections that are kept say nothing more.
    _ = tokio::time::timeout(Duration::from_millis(250), stream.read_to_end(&mut got)).await;
    String::from_utf8_lossy(&got).into_owned()
}

/// Final answers: `100 Continue` is none.
fn answers(got: &str) -> usize {
    got.matches("HTTP/1.1 ").count() - got.matches("HTTP/1.1 100 ").count()
}

async fn meets(name: &str, bytes: &str, fate: &Fate) {
    let replica = Recording::start().await;
    let web = json!({ "active": { "name": "r1", "addresses": [replica.address] } });
    let stack = Stack::with(&table(&web)).await;
    let got = sent(&stack, bytes).await;
    if let Fate::One(..) = fate {
        let came = async || !replica.connections.lock().expect("no panic").is_empty();
        eventually("the replica gets it", came).await;
    }
    let recorded = replica.take();
    println!("{name}\n  client: {got:?}\n  replica: {recorded:?}");
    let all = recorded.concat();
    match fate {
        Fate::Refused(status) => {
            assert!(got.starts_with(&format!("HTTP/1.1 {status} ")) && answers(&got) == 1, "{name}: {got}");
            assert!(recorded.is_empty(), "{name}: {recorded:?}");
        }
        Fate::One(with, without) => {
            assert_eq!((recorded.len(), answers(&got)), (1, 1), "{name}: {recorded:?} {got}");
            // Read strictly, it is one request with nothing behind it.
            assert_eq!(end_of_request(all.as_bytes()), Some(all.len()), "{name}: {all}");
            with.iter().for_each(|text| assert!(all.contains(text), "{name}: no {text:?} in {all}"));
            without.iter().for_each(|text| assert!(!all.to_ascii_lowercase().contains(text), "{name}: {text:?} in {all}"));
        }
        Fate::Broken => {
            assert!(answers(&got) == 1 && got.starts_with("HTTP/1.1 400 "), "{name}: {got}");
            assert!(recorded.len() <= 1 && end_of_request(all.as_bytes()).is_none(), "{name}: {all}");
        }
    }
}

async fn all_meet(cases: &[(&str, String, Fate)]) {
    futures_util::future::join_all(cases.iter().map(|(name, bytes, fate)| meets(name, bytes, fate))).await;
}

/// A request with these lines in its head and this body.
fn post(lines: &str, body: &str) -> String {
    format!("POST /first HTTP/1.1\r\nHost: a\r\n{lines}\r\n{body}")
}

/// The parser takes the chunked body, forgets the length and closes the connection after it (RFC 9112 §6.3).
#[tokio::test]
async fn two_ways_to_say_where_a_body_ends() {
    let chunked = format!("0\r\n\r\n{SMUGGLED}");
    let one = || Fate::One(&["transfer-encoding: chunked\r\n", "\r\n\r\n0\r\n\r\n"], &["content-length", "smuggled"]);
    all_meet(&[
        ("CL, TE", post("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", &chunked), one()),
        ("TE, CL", post("Transfer-Encoding: chunked\r\nContent-Length: 60\r\n", &chunked), one()),
        ("TE, CL that is none", post("Transfer-Encoding: chunked\r\nContent-Length: x\r\n", &chunked), one()),
        ("two that differ", post("Content-Length: 2\r\nContent-Length: 40\r\n", SMUGGLED), Fate::Refused(400)),
        ("two that are the same", post("Content-Length: 2\r\nContent-Length: 2\r\n", "hi"), Fate::One(&["\r\n\r\nhi"], &[])),
        (
            "TE of HTTP/1.0",
            post("Transfer-Encoding: chunked\r\n", &chunked).replace("HTTP/1.1\r\nHost: a", "HTTP/1.0\r\nHost: a"),
            Fate::Refused(400),
        ),
    ])
    .await;
}

#[tokio::test]
async fn lengths_and_codings_that_are_none() {
    let mut cases = Vec::new();
    for length in ["+38", "-38", "38, 38", "38,39", "0x26", "38 38", "", "38.0", "99999999999999999999999", "18446744073709551616"] {
        cases.push((format!("CL {length}"), post(&format!("Content-Length: {length}\r\n"), SMUGGLED)));
    }
    for coding in ["chunked, identity", "identity", "gzip, chunked", "xchunked", "chunked\x0b", "chunked;q=1", "\"chunked\"", ""] {
        cases.push((format!("TE {coding}"), post(&format!("Transfer-Encoding: {coding}\r\n"), &format!("0\r\n\r\n{SMUGGLED}"))));
    }
    cases.push(("two TE".into(), post("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", &format!("0\r\n\r\n{SMUGGLED}"))));
    let meeting = cases.iter().map(|(name, bytes)| meets(name, bytes, &Fate::Refused(400)));
    futures_util::future::join_all(meeting).await;
}

#[tokio::test]
async fn lines_that_are_none() {
    let cl = "Content-Length: 38\r\n";
    all_meet(&[
        ("folded line", post(&format!("X-Folded: a\r\n {cl}"), SMUGGLED), Fate::Refused(400)),
        ("folded first line", post(&format!(" X-Folded: a\r\n{cl}"), SMUGGLED).replace("Host: a\r\n", ""), Fate::Refused(400)),
        ("space before the colon", post("Content-Length : 38\r\n", SMUGGLED), Fate::Refused(400)),
        ("tab before the colon", post("Transfer-Encoding\t: chunked\r\n", "0\r\n\r\n"), Fate::Refused(400)),
        ("bare CR", post(&format!("X: a\r{cl}"), SMUGGLED), Fate::Refused(400)),
        ("bare CR, TE", post("X: a\rTransfer-Encoding: chunked\r\n", "0\r\n\r\n"), Fate::Refused(400)),
        ("NUL in a value", post("X: a\0b\r\n", ""), Fate::Refused(400)),
        ("NUL in a name", post("X\0: a\r\n", ""), Fate::Refused(400)),
        ("NUL in the target", post("", "").replace("/first", "/fir\0st"), Fate::Refused(400)),
        ("no name", post(": a\r\n", ""), Fate::Refused(400)),
        // A line that ends without CR is a line (RFC 9112 §2.2); the replica gets all lines with it.
        (
            "bare LF",
            post("X: a\nContent-Length: 2\r\n", "hi"),
            Fate::One(&["\r\nx: a\r\n", "\r\ncontent-length: 2\r\n", "\r\n\r\nhi"], &["x: a\n"]),
        ),
    ])
    .await;
}

#[tokio::test]
async fn targets_and_what_is_for_one_hop() {
    let absolute = post("Content-Length: 2\r\n", "hi").replace("/first", "http://b.example/first");
    all_meet(&[
        ("absolute form", absolute, Fate::One(&["POST /first HTTP/1.1\r\n", "host: b.example\r\n"], &["host: a\r\n"])),
        ("two hosts", post("Host: b\r\n", ""), Fate::Refused(400)),
        (
            "Connection: content-length",
            post("Connection: content-length\r\nContent-Length: 38\r\n", SMUGGLED),
            Fate::One(&["\r\ncontent-length: 38\r\n", SMUGGLED], &["connection:"]),
        ),
        (
            "Connection: content-length, of a GET",
            post("Connection: content-length\r\nContent-Length: 38\r\n", SMUGGLED).replace("POST", "GET"),
            Fate::One(&[SMUGGLED], &["connection:"]),
        ),
        (
            "Connection: transfer-encoding",
            post("Connection: transfer-encoding\r\nTransfer-Encoding: chunked\r\n", "2\r\nhi\r\n0\r\n\r\n"),
            Fate::One(&["transfer-encoding: chunked\r\n", "2\r\nhi\r\n0\r\n\r\n"], &["connection:"]),
        ),
        ("Connection: host", post("Connection: host\r\nContent-Length: 2\r\n", "hi"), Fate::One(&["host: a\r\n"], &["connection:"])),
        (
            "Expect",
            post("Expect: 100-continue\r\nContent-Length: 38\r\n", SMUGGLED),
            Fate::One(&["\r\ncontent-length: 38\r\n", SMUGGLED], &["expect"]),
        ),
        (
            "a body of a GET",
            post("Content-Length: 38\r\n", SMUGGLED).replace("POST", "GET"),
            Fate::One(&["\r\ncontent-length: 38\r\n"], &[]),
        ),
    ])
    .await;
}

#[tokio::test]
async fn chunks_and_trailers() {
    let chunked = |body: &str| post("Transfer-Encoding: chunked\r\n", body);
    let hello = || Fate::One(&["5\r\nhello\r\n"], &["x=y"]);
    let trailers = "Content-Length: 5\r\nTransfer-Encoding: identity\r\nHost: b\r\nX-Kept: 1\r\n";
    let named =
        post("Transfer-Encoding: chunked\r\nTrailer: content-length, host, x-kept\r\n", &format!("5\r\nhello\r\n0\r\n{trailers}\r\n"));
    all_meet(&[
        ("extension", chunked("5;x=y\r\nhello\r\n0;x=y\r\n\r\n"), hello()),
        ("leading zeros", chunked("0005\r\nhello\r\n0\r\n\r\n"), hello()),
        (
            "trailers",
            chunked(&format!("5\r\nhello\r\n0\r\n{trailers}\r\n")),
            Fate::One(&["hello\r\n0\r\n\r\n"], &["host: b", "identity", "content-length"]),
        ),
        ("trailers that are named", named, Fate::One(&["hello\r\n0\r\n\r\n"], &["host: b", "identity", "content-length", "trailer"])),
        ("overflow", chunked(&format!("FFFFFFFFFFFFFFFFF\r\n{SMUGGLED}")), Fate::Broken),
        ("size that is none", chunked(&format!("0x5\r\nhello\r\n0\r\n\r\n{SMUGGLED}")), Fate::Broken),
        ("negative size", chunked(&format!("-5\r\nhello\r\n0\r\n\r\n{SMUGGLED}")), Fate::Broken),
        ("no line break after a chunk", chunked(&format!("5\r\nhelloX0\r\n\r\n{SMUGGLED}")), Fate::Broken),
        ("LF in an extension", chunked(&format!("5;x\ny\r\nhello\r\n0\r\n\r\n{SMUGGLED}")), Fate::Broken),
        ("no size", chunked(&format!("\r\nhello\r\n0\r\n\r\n{SMUGGLED}")), Fate::Broken),
    ])
    .await;
}
