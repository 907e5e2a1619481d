//! HTTP and TCP conditions, against servers that misbehave.

use std::time::Duration;

use chora_core::model::health::{HttpProbe, Probe, ProbeAnswer, ProbeVerdict};
use chora_ops::probe::{ProbeRequest, Question, ask, run, run_blocking};
use serde_json::json;

use crate::server::{Server, Step, http, json as json_answer};

const LIMIT: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(200);

async fn ask_http(server: &Server, probe: HttpProbe, limit: Duration) -> ProbeAnswer {
    ask(server.address, &Probe::Http(HttpProbe { port: server.address.port(), path: "/health?token=abc".to_owned(), ..probe }), limit).await
}

#[tokio::test]
async fn verdicts_follow_status_body_and_health_document() {
    let contains = |text: &str| HttpProbe { body_contains: Some(text.to_owned()), ..HttpProbe::default() };
    let pointer = |path: &str, value| HttpProbe { body_json: [(path.to_owned(), value)].into_iter().collect(), ..HttpProbe::default() };
    let plain = HttpProbe::default();
    let cases = [
        (("200 OK", "text/plain", "fine"), plain.clone(), ProbeVerdict::Pass, "200 OK"),
        (("302 Found", "text/plain", ""), plain.clone(), ProbeVerdict::Pass, "302 Found"),
        (("404 Not Found", "text/plain", "no\nroute"), plain.clone(), ProbeVerdict::WrongAnswer, "404 Not Found: no route"),
        (("404 Not Found", "text/plain", ""), HttpProbe { status: vec![404], ..plain.clone() }, ProbeVerdict::Pass, "404 Not Found"),
        (("200 OK", "application/json", r#"{"status":"ok"}"#), plain.clone(), ProbeVerdict::Pass, "200 OK, status is `ok`"),
        (("200 OK", "application/json", r#"{"status":"degraded"}"#), plain.clone(), ProbeVerdict::Degraded, "status is `degraded`"),
        (("200 OK", "application/json", r#"{"status":"down"}"#), plain.clone(), ProbeVerdict::WrongAnswer, "status is `down`"),
        (("200 OK", "application/json", r#"{"status":"shipped"}"#), plain.clone(), ProbeVerdict::Pass, "200 OK"),
        (("200 OK", "text/plain", r#"{"status":"down"}"#), plain.clone(), ProbeVerdict::Pass, "200 OK"),
        (("503 Service Unavailable", "application/json", r#"{"status":"degraded"}"#), plain, ProbeVerdict::WrongAnswer, "503"),
        (("200 OK", "text/plain", "all is fine"), contains("is fine"), ProbeVerdict::Pass, "200 OK"),
        (("200 OK", "text/plain", "all is well"), contains("is fine"), ProbeVerdict::WrongAnswer, "does not contain `is fine`"),
        (("200 OK", "application/json", r#"{"a":{"b":[1]}}"#), pointer("/a/b/0", json!(1)), ProbeVerdict::Pass, "200 OK"),
        (("200 OK", "application/json", r#"{"a":2}"#), pointer("/a", json!(1)), ProbeVerdict::WrongAnswer, "`/a` is 2, not 1"),
        (("200 OK", "application/json", "{}"), pointer("/a", json!(1)), ProbeVerdict::WrongAnswer, "nothing at `/a`"),
        (("200 OK", "text/html", "<p>"), pointer("/a", json!(1)), ProbeVerdict::WrongAnswer, "the body is not JSON"),
    ];
    for ((status, kind, body), probe, verdict, words) in cases {
        let server = Server::start(move |_| http(status, kind, body)).await;
        let answer = ask_http(&server, probe, LIMIT).await;
        assert_eq!(answer.verdict, verdict, "{status} {body}: {}", answer.answered);
        assert!(answer.answered.contains(words), "{status} {body}: {}", answer.answered);
        assert!(!answer.asked.contains("abc"), "{}", answer.asked);
    }
}

#[tokio::test]
async fn hostile_answers_end_in_time_with_a_reason() {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n";
    let cases: [(&'static str, bool, ProbeVerdict, &str); 6] = [
        ("", true, ProbeVerdict::NoAnswer, "the service did not answer within 200ms"),
        ("", false, ProbeVerdict::NoAnswer, "closed without an answer"),
        ("SSH-2.0-OpenSSH\r\n\r\n", false, ProbeVerdict::WrongAnswer, "not HTTP"),
        ("HEAD content-length: 20\r\n\r\n{\"a\"", true, ProbeVerdict::NoAnswer, "the rest of the body did not answer within 200ms"),
        ("HEAD content-length: 20\r\n\r\n{\"a\"", false, ProbeVerdict::WrongAnswer, "broke in the middle"),
        ("HEAD transfer-encoding: chunked\r\n\r\n2\r\n{}\r\nzz\r\n", false, ProbeVerdict::WrongAnswer, "broke in the middle"),
    ];
    for (text, hang, verdict, words) in cases {
        let text = text.replace("HEAD ", head);
        let shown = text.clone();
        let server = Server::start(move |_| {
            let mut steps = vec![Step::Send(text.clone())];
            steps.extend(hang.then_some(Step::Hang));
            steps
        })
        .await;
        let answer = ask_http(&server, HttpProbe::default(), if hang { SHORT } else { LIMIT }).await;
        assert_eq!(answer.verdict, verdict, "{shown:?}: {}", answer.answered);
        assert!(answer.answered.contains(words), "{shown:?}: {}", answer.answered);
    }
}

#[tokio::test]
async fn endless_bodies_are_read_only_as_far_as_needed() {
    let huge = |kind: &'static str| {
        Server::start(move |_| {
            let mut steps = vec![Step::Send(format!("HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\n\r\n"))];
            steps.extend((0..20).map(|_| Step::Send("x".repeat(100_000))));
            steps.push(Step::Hang);
            steps
        })
    };
    let server = huge("text/event-stream").await;
    assert_eq!(ask_http(&server, HttpProbe::default(), LIMIT).await.verdict, ProbeVerdict::Pass);
    let wanted = HttpProbe { body_contains: Some("y".to_owned()), ..HttpProbe::default() };
    let answer = ask_http(&server, wanted, LIMIT).await;
    assert_eq!(answer.verdict, ProbeVerdict::WrongAnswer);
    assert!(answer.answered.len() < 400, "{}", answer.answered.len());
    let server = huge("application/json").await;
    let wanted = HttpProbe { body_json: [("/a".to_owned(), json!(1))].into_iter().collect(), ..HttpProbe::default() };
    assert!(ask_http(&server, wanted, LIMIT).await.answered.contains("longer than 1 MiB"));
}

#[tokio::test]
async fn what_was_sent_in_headers_never_comes_back_as_evidence() {
    let server =
        Server::start(|request| http("401 Unauthorized", "text/plain", &format!("bad {}", request.headers["authorization"]))).await;
    let headers = [("Authorization".to_owned(), "Bearer s3cr3t-token".to_owned())].into_iter().collect();
    let answer = ask_http(&server, HttpProbe { headers, ..HttpProbe::default() }, LIMIT).await;
    assert_eq!(answer.answered, "401 Unauthorized: bad [redacted]");
    assert_eq!(server.seen()[0].headers["authorization"], "Bearer s3cr3t-token");
    assert_eq!(server.seen()[0].headers["host"], format!("localhost:{}", server.address.port()));
    assert_eq!(server.seen()[0].line, "GET /health?token=abc HTTP/1.1");
}

#[tokio::test]
async fn localhost_means_both_addresses() {
    let server = Server::start_at("[::1]:0", |_| json_answer(r#"{"status":"ok"}"#)).await;
    let port = server.address.port();
    for url in [format!("http://localhost:{port}/h"), format!("http://[::1]:{port}/h"), format!("[::1]:{port}")] {
        let question = Question::Http { url: url.clone(), conditions: HttpProbe::default() };
        let outcome = run(&ProbeRequest { question, limit: LIMIT }).await.unwrap();
        assert!(outcome.ok, "{url}: {}", outcome.answer.answered);
    }
    assert_eq!(server.seen()[0].headers["host"], format!("localhost:{port}"));
    let outcome = run(&ProbeRequest { question: Question::Tcp { target: format!("[::1]:{port}") }, limit: LIMIT }).await.unwrap();
    assert_eq!(outcome.answer.answered, "connection accepted");
}

#[test]
fn targets_that_cannot_be_asked_are_errors_and_silent_ones_are_answers() {
    let ask = |question| run_blocking(&ProbeRequest { question, limit: LIMIT });
    let error = ask(Question::Http { url: "https://example.invalid/".to_owned(), conditions: HttpProbe::default() }).unwrap_err();
    assert!(error.to_string().contains("needs TLS"), "{error}");
    let error = ask(Question::Tcp { target: "udp://127.0.0.1:1".to_owned() }).unwrap_err();
    assert!(error.to_string().contains("should begin with `tcp://`"), "{error}");
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let outcome = ask(Question::Tcp { target: free.to_string() }).unwrap();
    assert!(!outcome.ok);
    assert_eq!((outcome.answer.verdict, outcome.answer.answered.as_str()), (ProbeVerdict::NoAnswer, "connection refused"));
}
