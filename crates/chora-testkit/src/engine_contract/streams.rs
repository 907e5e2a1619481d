//! Logs and events.

use chora_core::model::container::{LogChunk, LogQuery, LogStream};
use chora_core::model::ids::ContainerId;
use chora_core::ports::EngineError;
use chora_core::ports::engine::EngineEvent;
use futures_util::{Stream, StreamExt, TryStreamExt};

use super::{PATIENCE, Workbench};

async fn read(bench: &Workbench, id: &ContainerId, query: &LogQuery) -> Vec<LogChunk> {
    let stream = bench.engine.logs(id.as_str(), query).await.unwrap();
    tokio::time::timeout(PATIENCE, stream.try_collect()).await.expect("the log ends").unwrap()
}

fn text(chunks: &[LogChunk], stream: LogStream) -> String {
    chunks.iter().filter(|chunk| chunk.stream == stream).map(|chunk| String::from_utf8_lossy(&chunk.bytes)).collect()
}

/// Output and complaints are told apart; `tail` and `timestamps` do what they say.
pub async fn logs_keep_streams_apart(bench: &Workbench) {
    let variables = [("STDOUT_LINES", "3"), ("STDERR_LINES", "2"), ("EXIT_AFTER_MS", "1")];
    let id = bench.run(&bench.spec_with("logs", &variables)).await;
    bench.until_ended(&id).await;
    let all = read(bench, &id, &LogQuery::default()).await;
    assert_eq!(text(&all, LogStream::Stdout), "out 0\nout 1\nout 2\n");
    assert_eq!(text(&all, LogStream::Stderr), "err 0\nerr 1\n");
    let tail = read(bench, &id, &LogQuery { tail: Some(1), ..LogQuery::default() }).await;
    assert_eq!(tail.len(), 1);
    let stamped = read(bench, &id, &LogQuery { timestamps: true, ..LogQuery::default() }).await;
    let first = text(&stamped, LogStream::Stdout);
    let (stamp, line) = first.lines().next().unwrap().split_once(' ').unwrap();
    let stamp: jiff::Timestamp = stamp.parse().unwrap();
    assert_eq!(line, "out 0");
    let later = LogQuery { since: Some(stamp + jiff::SignedDuration::from_secs(60)), ..LogQuery::default() };
    assert!(read(bench, &id, &later).await.is_empty());
    let error = bench.engine.logs(&bench.name("gone"), &LogQuery::default()).await.err();
    assert!(matches!(error, Some(EngineError::NotFound { .. })), "{error:?}");
}

/// A followed log ends when the container does.
pub async fn logs_follow_to_the_end(bench: &Workbench) {
    let id = bench.engine.create_container(&bench.spec_with("follow", &[("STDOUT_LINES", "2"), ("EXIT_AFTER_MS", "300")])).await.unwrap();
    bench.engine.start_container(id.as_str()).await.unwrap();
    let all = read(bench, &id, &LogQuery { follow: true, ..LogQuery::default() }).await;
    assert_eq!(text(&all, LogStream::Stdout), "out 0\nout 1\n");
    assert_eq!(bench.engine.wait_container(id.as_str()).await, Ok(0));
}

/// With a terminal, everything is one stream without framing.
pub async fn a_terminal_has_one_stream(bench: &Workbench) {
    let mut spec = bench.spec_with("terminal", &[("STDOUT_LINES", "1"), ("STDERR_LINES", "1"), ("EXIT_AFTER_MS", "1")]);
    spec.service.tty = true;
    let id = bench.run(&spec).await;
    bench.until_ended(&id).await;
    let all = read(bench, &id, &LogQuery::default()).await;
    assert_eq!(text(&all, LogStream::Stdout), "out 0\r\nerr 0\r\n");
}

async fn next_of(events: &mut (impl Stream<Item = Result<EngineEvent, EngineError>> + Unpin), action: &str) -> EngineEvent {
    let find = async {
        while let Some(event) = events.next().await {
            let event = event.expect("the stream goes on");
            if event.action == action {
                return event;
            }
        }
        panic!("the stream ended before `{action}`")
    };
    tokio::time::timeout(PATIENCE, find).await.unwrap_or_else(|_| panic!("no `{action}`"))
}

/// Events of labelled containers arrive as they happen, and again when asked for by time.
pub async fn events_arrive_and_are_replayed(bench: &Workbench) {
    let mut live = bench.engine.events(&bench.labels(), None).await.unwrap();
    let mut spec = bench.spec_with("eventful", &[("EXIT_CODE", "4"), ("EXIT_AFTER_MS", "1500")]);
    let test = ["CMD", crate::test_image::SERVER, "echo"];
    spec.service.healthcheck = serde_json::from_value(serde_json::json!({ "test": test, "interval": "100ms" })).unwrap();
    let id = bench.run(&spec).await;
    let created = next_of(&mut live, "create").await;
    assert_eq!((&created.container, created.attributes.get("name")), (&id, Some(&spec.name)));
    assert_eq!(created.attributes.get(super::LABEL), Some(&bench.unique));
    next_of(&mut live, "start").await;
    assert_eq!(next_of(&mut live, "health_status").await.detail.as_deref(), Some("healthy"));
    let died = next_of(&mut live, "die").await;
    assert_eq!(died.attributes.get("exitCode").map(String::as_str), Some("4"));
    let mut replayed = bench.engine.events(&bench.labels(), created.at).await.unwrap();
    assert_eq!(next_of(&mut replayed, "create").await.at, created.at);
    assert_eq!(next_of(&mut replayed, "die").await.at, died.at);
}
