//! Clients of the bridge that send a byte now and then. The clock is the test's own: a second passes when nobody has
//! anything to do.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::{Served, Setup};

/// Sends a beginning and then a byte a second, until the other side ends it; what it said.
async fn trickle(served: &Served, beginning: &str) -> String {
    let mut stream = TcpStream::connect(&served.address).await.expect("a connection");
    stream.write_all(beginning.as_bytes()).await.expect("a write");
    let (mut reader, mut writer) = stream.into_split();
    let trickling = async {
        for _ in 0..1000 {
            tokio::time::sleep(Duration::from_secs(1)).await;
            if writer.write_all(b"x").await.is_err() {
                return std::future::pending().await;
            }
        }
    };
    let mut got = Vec::new();
    tokio::select! {
        // A reset is an end, too.
        _ = reader.read_to_end(&mut got) => {}
        () = trickling => panic!("after 1000 bytes it is still read: {beginning:?}"),
    }
    String::from_utf8_lossy(&got).into_owned()
}

#[tokio::test(start_paused = true)]
async fn heads_and_bodies_that_trickle_end_and_others_are_served() {
    let served = Setup { max_connections: 3, ..Setup::default() }.serve().await;
    let head = "POST /mcp HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 5000\r\n";
    let body = format!("{head}\r\n");
    let others = async {
        for _ in 0..10 {
            tokio::time::sleep(Duration::from_secs(1)).await;
            assert_eq!(served.client().get("/health").await.status, 200);
        }
    };
    let (of_head, of_body, ()) = tokio::join!(trickle(&served, head), trickle(&served, &body), others);
    assert!(of_head.is_empty() || of_head.starts_with("HTTP/1.1 408 "), "{of_head}");
    assert!(of_body.starts_with("HTTP/1.1 408 "), "{of_body}");
    served.stop().await;
}
