//! Waiting, against servers that come up late; the clock moves only when somebody waits.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use chora_ops::wait::{WaitRequest, wait_for};
use chora_testkit::steady::SteadyClock;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::server::{Server, http};

fn request(target: &str) -> WaitRequest {
    WaitRequest { targets: vec![target.to_owned()], limit: Duration::from_secs(10) }
}

#[tokio::test]
async fn pauses_double_up_to_two_seconds_and_end_with_the_limit() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let outcome = wait_for(&SteadyClock::default(), &request(&format!("tcp://{free}"))).await.unwrap();
    let target = &outcome.targets[0];
    assert!(!outcome.ok);
    // 50 100 200 400 800 1600 2000 2000 2000 and what is left of ten seconds.
    assert_eq!((target.attempts, target.took_ms, target.answered.as_str()), (11, 10_000, "connection refused"));
}

#[tokio::test]
async fn a_target_is_asked_until_it_is_ready() {
    let asked = AtomicUsize::new(0);
    let server = Server::start(move |_| match asked.fetch_add(1, Ordering::SeqCst) {
        0 => http("503 Service Unavailable", "text/plain", "warming up"),
        1 => http("200 OK", "application/json", r#"{"status":"down"}"#),
        _ => http("200 OK", "text/plain", "fine"),
    })
    .await;
    let outcome = wait_for(&SteadyClock::default(), &request(&format!("http://{}/health", server.address))).await.unwrap();
    assert!(outcome.ok);
    assert_eq!((outcome.targets[0].attempts, outcome.targets[0].took_ms), (3, 150));
}

#[tokio::test]
async fn postgres_is_ready_when_it_takes_logins_and_not_when_its_port_is_open() {
    let error = |code: &str| {
        let body = format!("SFATAL\0C{code}\0Mwords\0\0");
        [&[b'E'][..], &u32::try_from(body.len() + 4).unwrap().to_be_bytes(), body.as_bytes()].concat()
    };
    let login = vec![b'R', 0, 0, 0, 8, 0, 0, 0, 3];
    let cases = [
        (vec![Vec::new(), error("57P03"), login], 3, "accepts logins"),
        (vec![b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(), error("28P01")], 2, "accepts connections (28P01: words)"),
    ];
    for (answers, attempts, words) in cases {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(async move {
            let mut packets = Vec::new();
            for answer in answers {
                let (mut stream, _) = listener.accept().await.unwrap();
                let length = stream.read_u32().await.unwrap();
                let mut packet = vec![0; usize::try_from(length).unwrap() - 4];
                stream.read_exact(&mut packet).await.unwrap();
                stream.write_all(&answer).await.unwrap();
                packets.push(packet);
            }
            packets
        });
        let target = format!("postgresql+asyncpg://shop:secret@{address}/orders");
        let outcome = wait_for(&SteadyClock::default(), &request(&target)).await.unwrap();
        let found = &outcome.targets[0];
        assert_eq!((outcome.ok, found.attempts, found.answered.as_str()), (true, attempts, words));
        assert_eq!(found.target, format!("postgresql+asyncpg://shop@{address}/orders"));
        for packet in server.await.unwrap() {
            assert!(packet.starts_with(b"\0\x03\0\0user\0shop\0database\0orders\0"), "{packet:?}");
            assert!(!packet.windows(6).any(|window| window == b"secret"));
        }
    }
}
