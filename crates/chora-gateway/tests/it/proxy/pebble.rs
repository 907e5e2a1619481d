//! A real authority of ACME (Pebble) that runs beside the test, with names that all lead here.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};
use tokio::task::AbortHandle;

use super::secure::Authority;
use super::stack::Folder;
use crate::support::eventually;

pub(crate) struct Pebble {
    pub(crate) directory: String,
    pub(crate) port: u16,
    /// Of whoever signed its own certificate.
    pub(crate) ca: std::path::PathBuf,
    process: Child,
    names: AbortHandle,
}

/// Where the gateway is, as the authority sees it.
pub(crate) struct Seen {
    pub(crate) http: u16,
    pub(crate) tls: u16,
}

/// A port that nobody listens on and no other test has. It lies below those that systems give to clients and to whoever asks for any.
pub(crate) async fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    loop {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = u16::try_from(20_000 + (std::process::id() * 61 + number) % 10_000).expect("a port");
        if TcpListener::bind(("127.0.0.1", port)).await.is_ok() {
            return port;
        }
    }
}

/// Where the program is; it is built when it is asked for the first time.
async fn program() -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/pebble.sh");
    let output = Command::new(script).stderr(Stdio::inherit()).output().await.expect("scripts/pebble.sh");
    assert!(output.status.success(), "scripts/pebble.sh says why");
    String::from_utf8(output.stdout).expect("a path").trim().to_owned()
}

impl Pebble {
    /// Its certificates last so many seconds.
    pub(crate) async fn start(folder: &Folder, seen: &Seen, seconds: u64) -> Self {
        Self::start_at(folder, seen, seconds, free_port().await).await
    }

    /// At a port that is known already, with nothing that another one there knew.
    pub(crate) async fn start_at(folder: &Folder, seen: &Seen, seconds: u64, port: u16) -> Self {
        let signer = Authority::new();
        let (certificate, key) = signer.issue(&["localhost"]).write(folder, "pebble");
        let ca = signer.write(folder, "pebble-ca");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let resolver = listener.local_addr().expect("an address");
        let names = tokio::spawn(answer_names(listener)).abort_handle();
        let config = json!({ "pebble": {
            "listenAddress": format!("127.0.0.1:{port}"), "managementListenAddress": "",
            "certificate": certificate, "privateKey": key, "httpPort": seen.http, "tlsPort": seen.tls,
            "ocspResponderURL": "", "externalAccountBindingRequired": false,
            "profiles": { "default": { "description": "for tests", "validityPeriod": seconds } },
        } });
        let file = folder.0.join("pebble.json");
        std::fs::write(&file, config.to_string()).expect("a file");
        let process = Command::new(program().await)
            .args(["-strict", "-config", &file.to_string_lossy(), "-dnsserver", &resolver.to_string()])
            .env("PEBBLE_VA_NOSLEEP", "1")
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("pebble");
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        eventually("the authority answers", async || TcpStream::connect(address).await.is_ok()).await;
        Self { directory: format!("https://localhost:{port}/dir"), port, ca, process, names }
    }

    pub(crate) async fn stop(mut self) {
        self.process.kill().await.expect("an end");
    }
}

impl Drop for Pebble {
    fn drop(&mut self) {
        self.names.abort();
    }
}

/// Says of every name that it is this machine, over TCP, which Pebble asks by.
async fn answer_names(listener: TcpListener) {
    while let Ok((mut stream, _)) = listener.accept().await {
        tokio::spawn(async move {
            while let Ok(length) = stream.read_u16().await {
                let mut asked = vec![0; usize::from(length)];
                if stream.read_exact(&mut asked).await.is_err() {
                    return;
                }
                let Some(answer) = named(&asked) else { return };
                let length = u16::try_from(answer.len()).expect("a short answer").to_be_bytes();
                _ = stream.write_all(&[&length[..], &answer].concat()).await;
            }
        });
    }
}

fn named(asked: &[u8]) -> Option<Vec<u8>> {
    let question = asked.get(12..)?;
    let end = question.iter().position(|byte| *byte == 0)?;
    let question = question.get(..end + 5)?;
    let is_address = question[end + 1..end + 3] == [0, 1];
    let mut answer = asked[..2].to_vec();
    answer.extend([0x81, 0x80, 0, 1, 0, u8::from(is_address), 0, 0, 0, 0]);
    answer.extend(question);
    if is_address {
        // The name asked for, an address of the internet, for a second: 127.0.0.1.
        answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4, 127, 0, 0, 1]);
    }
    Some(answer)
}
