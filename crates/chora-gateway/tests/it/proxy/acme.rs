//! Certificates that the gateway gets by itself, from a real authority.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::time::Duration;

use hyper::Method;
use rustls::pki_types::CertificateDer;
use serde_json::{Value, json};

use super::pebble::{Pebble, Seen, free_port};
use super::secure;
use super::stack::{Client, Folder, Stack, service};
use super::upstream::Replica;

/// Longer than any test.
const LONG: u64 = 90 * 24 * 3600;

/// Waits until something holds that an authority has its part in, at most a minute.
async fn in_a_while(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    for _ in 0..1200 {
        if holds().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{what}: never within a minute");
}

struct Setup {
    replica: Replica,
    authority: Pebble,
    seen: Seen,
    stack: Stack,
}

async fn setup(seconds: u64, hosts: &[&str], challenge: &Value) -> Setup {
    let replica = Replica::start("r1").await;
    let seen = Seen { http: free_port().await, tls: free_port().await };
    let folder = Folder::new();
    let authority = Pebble::start(&folder, &seen, seconds).await;
    let stack = Stack::empty(folder).await;
    let setup = Setup { replica, authority, seen, stack };
    let table = setup.table(hosts, challenge);
    setup.stack.told(Method::PUT, "/v1/table", &table).await;
    setup
}

impl Setup {
    fn table(&self, hosts: &[&str], challenge: &Value) -> Value {
        let mut acme = json!({ "directory": self.authority.directory, "contact": ["mailto:ops@a.example"], "hosts": hosts });
        acme["ca"] = json!(self.authority.ca);
        if !challenge.is_null() {
            acme["challenge"] = challenge.clone();
        }
        let listeners = json!([
            { "bind": self.tls(), "http": { "routes": [{ "service": "web" }] }, "tls": { "acme": acme } },
            { "bind": format!("127.0.0.1:{}", self.seen.http), "http": { "redirect_to_https": {} } },
        ]);
        json!({ "version": 1, "listeners": listeners, "services": { "web": service(&self.replica) } })
    }

    fn tls(&self) -> String {
        format!("127.0.0.1:{}", self.seen.tls)
    }

    /// The certificate that is shown for a host, whoever signed it.
    async fn shown(&self, host: &str) -> Option<CertificateDer<'static>> {
        let stream = secure::shake_anyone(&self.tls(), host, &[b"http/1.1"]).await.ok()?;
        Some(stream.get_ref().1.peer_certificates()?[0].clone())
    }

    async fn is_served(&self, host: &str) {
        in_a_while("a certificate is served", async || self.shown(host).await.is_some()).await;
    }

    async fn answer(&self, host: &str) -> String {
        let stream = secure::shake_anyone(&self.tls(), host, &[b"http/1.1"]).await.expect("TLS");
        let mut client: Client = Client::on(stream).await;
        client.get("/").await.body
    }

    /// The files that are kept.
    fn files(&self) -> Vec<PathBuf> {
        let below = |folder: PathBuf| std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
        let mut files: Vec<PathBuf> = below(self.stack.folder.0.join("acme")).flat_map(below).collect();
        files.sort();
        files
    }
}

#[tokio::test]
async fn a_certificate_is_got_in_either_way() {
    for challenge in ["tls-alpn-01", "http-01"] {
        let setup = setup(LONG, &["a.example", "B.example"], &json!(challenge)).await;
        setup.is_served("a.example").await;
        setup.is_served("b.example").await;
        in_a_while("each host has its own", async || setup.shown("a.example").await != setup.shown("b.example").await).await;
        assert_eq!(setup.answer("a.example").await, "r1 /", "{challenge}");
        let files = setup.files();
        let names: Vec<_> = files.iter().map(|path| path.file_name().expect("a name").to_string_lossy().into_owned()).collect();
        assert_eq!(names, ["a.example.pem", "account.json", "b.example.pem"]);
        for file in &files {
            assert_eq!(std::fs::metadata(file).expect("a file").permissions().mode() & 0o777, 0o600, "{file:?}");
        }
        let until = setup.stack.state().await["listeners"][0]["certificates_until"].clone();
        assert!(until["a.example"].is_string() && until["b.example"].is_string(), "{until}");
        // What an authority looks for is there only while it looks.
        let page = setup.stack.state().await;
        assert!(page["table"]["listeners"][0]["tls"]["acme"]["hosts"].is_array());
        assert!(secure::shake_anyone(&setup.tls(), "a.example", &[b"acme-tls/1"]).await.is_err());
    }
}

#[tokio::test]
async fn what_was_got_is_served_again_without_asking() {
    let Setup { replica, authority, seen, stack } = setup(LONG, &["a.example"], &Value::Null).await;
    let setup = Setup { replica, authority, seen, stack };
    setup.is_served("a.example").await;
    let before = setup.shown("a.example").await;
    let Setup { replica, authority, seen, stack } = setup;
    let folder = stack.stop().await;
    let (directory, ca) = (authority.directory.clone(), authority.ca.clone());
    authority.stop().await;
    let stack = Stack::start(folder).await;
    let tls = format!("127.0.0.1:{}", seen.tls);
    let stream = secure::shake_anyone(&tls, "a.example", &[b"http/1.1"]).await.expect("TLS at once");
    assert_eq!(stream.get_ref().1.peer_certificates().map(|chain| chain[0].clone()), before);
    // Of another authority there is nothing yet: its hosts are not served with this one's.
    let acme = json!({ "directory": format!("{directory}/other"), "hosts": ["a.example"], "ca": ca });
    let listener = json!({ "bind": tls, "http": { "routes": [{ "service": "web" }] }, "tls": { "acme": acme } });
    let table = json!({ "version": 1, "listeners": [listener], "services": { "web": service(&replica) } });
    stack.told(Method::PUT, "/v1/table", &table).await;
    assert!(secure::shake_anyone(&tls, "a.example", &[b"http/1.1"]).await.is_err());
}

#[tokio::test]
async fn certificates_are_renewed_in_time_and_the_old_one_is_served_meanwhile() {
    let setup = setup(6, &["a.example"], &Value::Null).await;
    setup.is_served("a.example").await;
    let first = setup.shown("a.example").await;
    let mut kept: Client = Client::on(secure::shake_anyone(&setup.tls(), "a.example", &[]).await.expect("TLS")).await;
    let mut shown = 0;
    in_a_while("another one is served", async || {
        let now = setup.shown("a.example").await;
        assert!(now.is_some(), "there is always one");
        shown += 1;
        now != first
    })
    .await;
    assert!(shown > 10);
    assert_eq!(kept.get("/").await.body, "r1 /");
    // The authority goes: what is there is served, even after its end.
    let Setup { replica, authority, seen, stack } = setup;
    authority.stop().await;
    tokio::time::sleep(Duration::from_secs(7)).await;
    let stream = secure::shake_anyone(&format!("127.0.0.1:{}", seen.tls), "a.example", &[]).await.expect("TLS");
    let mut client: Client = Client::on(stream).await;
    assert_eq!(client.get("/").await.body, "r1 /");
    drop((stack, replica));
}

#[tokio::test]
async fn an_authority_that_has_forgotten_everything_is_asked_anew() {
    let setup = setup(LONG, &["a.example"], &Value::Null).await;
    setup.is_served("a.example").await;
    let files = setup.files();
    let Setup { replica, authority, seen, stack } = setup;
    let (folder, port) = (stack.stop().await, authority.port);
    authority.stop().await;
    let account = std::fs::read(&files[1]).expect("an account");
    std::fs::remove_file(&files[0]).expect("a certificate");
    let authority = Pebble::start_at(&folder, &seen, LONG, port).await;
    let setup = Setup { replica, authority, seen, stack: Stack::start(folder).await };
    setup.is_served("a.example").await;
    assert_ne!(std::fs::read(&files[1]).expect("an account"), account);
}

#[tokio::test]
async fn what_cannot_be_asked_for_is_refused() {
    let folder = Folder::new();
    let missing = folder.0.join("none.pem");
    let stack = Stack::empty(folder).await;
    for (acme, status, why) in [
        (json!({ "directory": "http://a.example", "hosts": ["a.example"] }), 400, "https://"),
        (json!({ "directory": "https://a.example", "hosts": [] }), 400, "needs a host"),
        (json!({ "directory": "https://a.example", "hosts": ["*.a.example"] }), 400, "no host"),
        (json!({ "directory": "https://a.example", "hosts": ["a.example/../b"] }), 400, "no host"),
        (json!({ "directory": "https://a.example", "hosts": ["a.example"], "ca": "ca.pem" }), 400, "slash"),
        (json!({ "directory": "https://a.example", "hosts": ["a.example"], "challenge": "dns-01" }), 400, "dns-01"),
        (json!({ "directory": "https://a.example", "hosts": ["a.example"], "ca": missing }), 409, "cannot be read"),
    ] {
        let listener = json!({ "bind": "127.0.0.1:0", "http": { "routes": [] }, "tls": { "acme": acme } });
        let got = stack.control(Method::PUT, "/v1/table", &json!({ "version": 1, "listeners": [listener] })).await;
        assert!(got.status == status && got.body.contains(why), "{why}: {got:?}");
    }
}
