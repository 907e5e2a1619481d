//! Clients that do not keep to what was agreed, or do nothing.

use std::time::Duration;

use hyper::Method;
use hyper::client::conn::http2::Builder;
use hyper_util::rt::TokioExecutor;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::super::stack::Stack;
use super::super::upstream::Replica;
use super::{Client, stack};
use crate::support::eventually;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a short payload").to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// `GET /` for `a`, with more fields, each written out.
fn head(more: &[(&str, &str)]) -> Vec<u8> {
    let mut block = vec![0x82, 0x86, 0x84, 0x41, 1, b'a'];
    for (name, value) in more {
        for text in [name, value] {
            if text == name {
                block.push(0);
            }
            block.push(u8::try_from(text.len()).expect("a short text"));
            block.extend(text.as_bytes());
        }
    }
    block
}

/// Sends bytes after the greeting, and gives back the frames that come until the end: kind, stream, payload.
async fn exchange(stack: &Stack, bytes: Vec<u8>) -> Vec<(u8, u32, Vec<u8>)> {
    let stream = TcpStream::connect(&stack.address).await.expect("a connection");
    let (mut reader, mut writer) = stream.into_split();
    let writing = tokio::spawn(async move {
        // What is not taken any more is no failure.
        _ = writer.write_all(&[PREFACE, &frame(SETTINGS, 0, 0, &[]), &bytes].concat()).await;
        writer
    });
    let mut got = Vec::new();
    _ = tokio::time::timeout(Duration::from_secs(20), reader.read_to_end(&mut got)).await.expect("an end");
    drop(writing.await);
    let (mut frames, mut rest) = (Vec::new(), got.as_slice());
    while let Some((head, more)) = rest.split_at_checked(9) {
        let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
        let Some((payload, more)) = more.split_at_checked(length) else { break };
        frames.push((head[3], u32::from_be_bytes([head[5], head[6], head[7], head[8]]), payload.to_vec()));
        rest = more;
    }
    frames
}

fn reason(frames: &[(u8, u32, Vec<u8>)], kind: u8) -> Option<u8> {
    let (_, _, payload) = frames.iter().rfind(|(other, _, _)| *other == kind)?;
    payload.get(if kind == GOAWAY { 7 } else { 3 }).copied()
}

#[tokio::test]
async fn a_flood_of_resets_ends_its_connection_and_reaches_nobody() {
    let replica = Replica::start("r1").await;
    let stack = stack(&replica, &json!({})).await;
    let flood = (0..5000u32).flat_map(|index| {
        let stream = index * 2 + 1;
        [frame(HEADERS, END_STREAM | END_HEADERS, stream, &head(&[])), frame(RST_STREAM, 0, stream, &8u32.to_be_bytes())].concat()
    });
    let frames = exchange(&stack, flood.collect()).await;
    // ENHANCE_YOUR_CALM
    assert_eq!(reason(&frames, GOAWAY), Some(11), "{frames:?}");
    assert!(replica.requests() < 1000, "{}", replica.requests());
    eventually("nothing of it is under way", async || stack.state().await["services"]["web"]["active"]["in_flight"] == 0).await;
    assert_eq!(stack.get("/").await.body, "r1 /");
}

#[tokio::test]
async fn a_head_that_never_ends_or_is_too_large_is_not_kept() {
    let replica = Replica::start("r1").await;
    let stack = stack(&replica, &json!({ "head_ms": 1000 })).await;
    let mut endless = frame(HEADERS, END_STREAM, 1, &head(&[]));
    for _ in 0..10_000 {
        endless.extend(frame(CONTINUATION, 0, 1, &head(&[("x-large", &"x".repeat(100))])[6..]));
    }
    let frames = exchange(&stack, endless).await;
    assert!(frames.iter().any(|(kind, _, _)| *kind == GOAWAY || *kind == RST_STREAM) || frames.len() < 3, "{frames:?}");
    assert_eq!(replica.requests(), 0);
    let mut client = Client::to(&stack.address).await;
    let large = "x".repeat(8 * 1024);
    let fits: Vec<(&str, &str)> = (0..4).map(|_| ("x-large", large.as_str())).collect();
    assert_eq!(client.send(Method::GET, "/", &fits, "").await.status, 200);
    let too_large: Vec<(&str, &str)> = (0..9).map(|_| ("x-large", large.as_str())).collect();
    assert_eq!(client.send(Method::GET, "/", &too_large, "").await.status, 431);
    assert_eq!(client.get("/").await.body, "r1 /");
}

#[tokio::test]
async fn connections_without_requests_end() {
    let replica = Replica::start("r1").await;
    let stack = stack(&replica, &json!({ "head_ms": 300, "connections": 1 })).await;
    // One that says half of its greeting, one that says no more, and one that has its answer.
    for said in [&PREFACE[..5], PREFACE] {
        let mut stream = TcpStream::connect(&stack.address).await.expect("a connection");
        stream.write_all(said).await.expect("a write");
        _ = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut Vec::new())).await.expect("an end");
    }
    let stream = TcpStream::connect(&stack.address).await.expect("a connection");
    let (mut client, end) = Client::on(stream, &Builder::new(TokioExecutor::new())).await;
    assert_eq!(client.get("/").await.body, "r1 /");
    let mut asking = client.clone();
    let slow = tokio::spawn(async move { asking.get("/slow").await.body });
    tokio::time::sleep(Duration::from_millis(900)).await;
    assert!(!end.is_finished(), "a request is under way");
    replica.open_gate();
    assert_eq!(slow.await.expect("an answer"), "r1");
    end.await.expect("a task").expect("a clean end");
    assert_eq!(stack.get("/").await.body, "r1 /", "its place is free");
}

#[tokio::test]
async fn heads_of_which_two_readers_could_disagree_are_refused() {
    let replica = Replica::start("r1").await;
    let stack = stack(&replica, &json!({ "head_ms": 300 })).await;
    for (more, answered) in [
        (&[("host", "a")][..], true),
        (&[("host", "b")], false),
        (&[("host", "a"), ("host", "a")], false),
        (&[("transfer-encoding", "chunked")], false),
        (&[("connection", "close")], false),
        (&[("upgrade", "websocket")], false),
        (&[("content-length", "1")], false),
        (&[("x", "a\r\nb: c")], false),
        (&[(":path", "/evil")], false),
    ] {
        let before = replica.requests();
        let frames = exchange(&stack, frame(HEADERS, END_STREAM | END_HEADERS, 1, &head(more))).await;
        assert_eq!(replica.requests() - before, usize::from(answered), "{more:?}: {frames:?}");
        // A protocol of another kind can not be asked for (SETTINGS_ENABLE_CONNECT_PROTOCOL).
        let settings = &frames.iter().find(|(kind, _, _)| *kind == SETTINGS).expect("settings").2;
        assert!(settings.chunks(6).all(|setting| setting[1] != 8), "{settings:?}");
    }
}
