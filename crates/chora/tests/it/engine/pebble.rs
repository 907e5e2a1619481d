//! A real authority of ACME (Pebble) beside the engine: containers reach it, and every name leads it to this machine.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use chora_testkit::free_port;
use rustls::ClientConfig;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::{Value, json};

use super::daemon::Daemon;
use super::edge::{Authority, once, trusting};
use super::site::Site;

pub(super) struct Pebble {
    /// Its directory, as containers name it.
    pub(super) directory: String,
    management: u16,
    /// Of its own certificate; in the project as `ca.pem`.
    signer: Authority,
    process: Child,
}

impl Pebble {
    /// Looks for what it wants to see at the site's port, and at one with TLS.
    pub(super) fn start(site: &Site, https: u16) -> Self {
        let (signer, port, management, address) = (Authority::new(), free_port(), free_port(), host_of_containers(&site.daemon));
        let (certificate, key) = signer.issue(&["localhost", &address]);
        site.chora.write("ca.pem", &signer.pem);
        site.chora.write("pebble.pem", certificate);
        site.chora.write("pebble.key", key);
        let file = |name: &str| site.chora.path().join(name);
        let config = json!({ "pebble": {
            "listenAddress": format!("{address}:{port}"), "managementListenAddress": format!("127.0.0.1:{management}"),
            "certificate": file("pebble.pem"), "privateKey": file("pebble.key"), "httpPort": site.port, "tlsPort": https,
            "ocspResponderURL": "", "externalAccountBindingRequired": false,
            "profiles": { "default": { "description": "for tests", "validityPeriod": 90 * 24 * 3600 } },
        } });
        site.chora.write("pebble.json", config.to_string());
        let process = Command::new(program())
            .args(["-strict", "-dnsserver", &names(), "-config"])
            .arg(file("pebble.json"))
            .env("PEBBLE_VA_NOSLEEP", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let started = Instant::now();
        while TcpStream::connect((address.as_str(), port)).is_err() || TcpStream::connect(("127.0.0.1", management)).is_err() {
            assert!(started.elapsed() < Duration::from_secs(30), "Pebble does not answer");
            std::thread::sleep(Duration::from_millis(20));
        }
        Self { directory: format!("https://{address}:{port}/dir"), management, signer, process }
    }

    /// A client that believes what it issues.
    pub(super) fn client(&self) -> Arc<ClientConfig> {
        let answer = once(&self.signer.client(), self.management, "localhost", "/roots/0").unwrap();
        trusting(CertificateDer::from_pem_slice(answer.as_bytes()).unwrap())
    }
}

impl Drop for Pebble {
    fn drop(&mut self) {
        // Already ended is what is wanted.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// Where the program is; it is built when it is asked for the first time.
fn program() -> String {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/pebble.sh");
    let output = Command::new(script).stderr(Stdio::inherit()).output().unwrap();
    assert!(output.status.success(), "scripts/pebble.sh says why");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// The address of this machine that containers have a way to.
fn host_of_containers(daemon: &Daemon) -> String {
    let (status, answer) = daemon.ask("GET", "/networks/bridge", &[]);
    assert_eq!(status, 200, "{answer}");
    let network: Value = serde_json::from_str(&answer).unwrap();
    network["IPAM"]["Config"][0]["Gateway"].as_str().unwrap().to_owned()
}

/// Where it is said of every name that it is this machine, over TCP, which Pebble asks by.
fn names() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            std::thread::spawn(move || while answer_name(&mut stream).is_some() {});
        }
    });
    address
}

fn answer_name(stream: &mut TcpStream) -> Option<()> {
    let mut length = [0; 2];
    stream.read_exact(&mut length).ok()?;
    let mut asked = vec![0; u16::from_be_bytes(length).into()];
    stream.read_exact(&mut asked).ok()?;
    let end = 12 + asked.get(12..)?.iter().position(|byte| *byte == 0)?;
    let question = asked.get(12..end + 5)?;
    let is_address = asked[end + 1..end + 3] == [0, 1];
    let mut answer = asked[..2].to_vec();
    answer.extend([0x81, 0x80, 0, 1, 0, u8::from(is_address), 0, 0, 0, 0]);
    answer.extend(question);
    if is_address {
        // The name asked for, an address of the internet, for a second: 127.0.0.1.
        answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4, 127, 0, 0, 1]);
    }
    let length = u16::try_from(answer.len()).ok()?.to_be_bytes();
    stream.write_all(&[&length[..], &answer].concat()).ok()
}
