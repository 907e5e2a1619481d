//! Ports at which TLS ends.

use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use hyper::Method;
use rustls::pki_types::CertificateDer;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::secure::{Authority, Pair};
use super::stack::{Client, Folder, Got, Stack, http, service};
use super::upstream::Replica;
use crate::support::eventually;

const HTTP1: &[&[u8]] = &[b"http/1.1"];

/// Everything goes to `web`, over TLS.
fn table(replica: &Replica, certificates: &Value) -> Value {
    let mut listener = http(&json!([{ "service": "web" }]));
    listener["tls"] = json!({ "certificates": certificates });
    json!({ "version": 1, "listeners": [listener], "services": { "web": service(replica) } })
}

async fn stack_with(replica: &Replica, authority: &Authority, change: impl FnOnce(&mut Value)) -> Stack {
    let folder = Folder::new();
    let mut table = table(replica, &json!([authority.issue(&["a.example"]).entry(&folder, "a", &["a.example"])]));
    change(&mut table);
    Stack::empty(folder).await.taking(&table).await
}

async fn stack(replica: &Replica, authority: &Authority) -> Stack {
    stack_with(replica, authority, |_| {}).await
}

async fn client(stack: &Stack, authority: &Authority) -> Client {
    Client::on(authority.shake(&stack.address, "a.example", HTTP1).await.expect("TLS")).await
}

/// The certificate that one gets who asks for a host, whatever it is for.
async fn shown(stack: &Stack, authority: &Authority, host: &str) -> Result<CertificateDer<'static>, String> {
    let stream = authority.shake(&stack.address, host, HTTP1).await.map_err(|error| error.to_string())?;
    Ok(stream.get_ref().1.peer_certificates().expect("certificates")[0].clone())
}

async fn put(stack: &Stack, table: &Value) -> Got {
    stack.control(Method::PUT, "/v1/table", table).await
}

#[tokio::test]
async fn requests_over_tls_are_passed_on_as_such() {
    let (replica, authority) = (Replica::start("r1").await, Authority::new());
    let stack = stack(&replica, &authority).await;
    let mut client = client(&stack, &authority).await;
    let got = client.send(Method::GET, "/head", &[("x-forwarded-proto", "http")], "").await;
    assert_eq!(got.status, 200);
    for there in ["x-forwarded-proto: https\n", "forwarded: for=127.0.0.1;host=\"a.example\";proto=https\n", "host: a.example\n"] {
        assert!(got.body.contains(there), "{there}: {}", got.body);
    }
    assert!(!got.headers.contains_key("strict-transport-security"));
    let body = "0123456789abcdef".repeat(64 * 1024);
    assert!(client.send(Method::POST, "/echo", &[], &body).await.body == body);
    // What is no TLS gets nothing.
    assert!(!stack.raw("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n").await.contains("HTTP/1.1"));
    assert_eq!(replica.requests(), 2);
    assert_eq!(stack.state().await["listeners"][0]["failed_handshakes"], 1);
    let metrics = stack.control(Method::GET, "/metrics", &json!({})).await.body;
    assert!(metrics.contains("\nchora_gateway_failed_handshakes_total{listener=\"127.0.0.1:0\"} 1\n"), "{metrics}");
    stack.stop().await;
}

#[tokio::test]
async fn the_host_that_is_asked_for_chooses_the_certificate() {
    let (replica, authority, folder) = (Replica::start("r1").await, Authority::new(), Folder::new());
    let first = authority.issue(&["first.example"]);
    let exact = authority.issue(&["a.example"]);
    let star = authority.issue(&["*.b.example"]);
    let certificates = json!([
        first.entry(&folder, "first", &["first.example"]),
        star.entry(&folder, "star", &["*.b.example"]),
        exact.entry(&folder, "exact", &["A.example"]),
    ]);
    let stack = Stack::empty(folder).await.taking(&table(&replica, &certificates)).await;
    let first_shown = shown(&stack, &authority, "first.example").await.expect("a certificate");
    let exact_shown = shown(&stack, &authority, "a.example").await.expect("a certificate");
    let star_shown = shown(&stack, &authority, "x.b.example").await.expect("a certificate");
    assert!(first_shown != exact_shown && exact_shown != star_shown && first_shown != star_shown);
    assert_eq!(shown(&stack, &authority, "Y.b.example").await.expect("a certificate"), star_shown);
    // None is for these: they see the first, which they do not believe.
    for other in ["b.example", "x.y.b.example", "elsewhere.test"] {
        let refused = shown(&stack, &authority, other).await.expect_err("a doubt");
        assert!(refused.contains("first.example"), "{refused}");
    }
}

#[tokio::test]
async fn the_same_table_again_reads_the_files_again_and_drops_nobody() {
    let (replica, authority) = (Replica::start("r1").await, Authority::new());
    let stack = stack(&replica, &authority).await;
    let before = shown(&stack, &authority, "a.example").await.expect("a certificate");
    let mut kept = client(&stack, &authority).await;
    assert_eq!(kept.get("/").await.body, "r1 /");
    let table = stack.state().await["table"].clone();
    authority.issue(&["a.example"]).write(&stack.folder, "a");
    assert_eq!(shown(&stack, &authority, "a.example").await.expect("a certificate"), before, "nothing is read in between");
    let got = put(&stack, &table).await;
    assert_eq!((got.status, &got.json()["switched"]), (200, &json!([])), "{got:?}");
    assert_ne!(shown(&stack, &authority, "a.example").await.expect("a certificate"), before);
    assert_eq!(kept.get("/kept").await.body, "r1 /kept");
    // A gateway that starts again reads them from where the state file says they are.
    let stack = Stack::start(stack.stop().await).await;
    assert_eq!(client(&stack, &authority).await.get("/").await.body, "r1 /");
    assert_eq!(stack.state().await["table"], table);
}

#[tokio::test]
async fn certificates_that_cannot_serve_are_refused_and_nothing_is_different() {
    let (replica, authority) = (Replica::start("r1").await, Authority::new());
    let stack = stack(&replica, &authority).await;
    let before = (stack.state().await, shown(&stack, &authority, "a.example").await);
    let (good, other) = (authority.issue(&["a.example"]), authority.issue(&["a.example"]));
    let pair = |certificate: &str, key: &str| Pair { certificate: certificate.to_owned(), key: key.to_owned() };
    let entry = |pair: &Pair| pair.entry(&stack.folder, "new", &["a.example"]);
    let refusals = [
        (pair(&good.certificate, &other.key), "is not the one of the certificate"),
        (pair("", &good.key), "holds no certificate"),
        (pair("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", &good.key), "certificate"),
        (pair(&good.certificate, ""), "holds no private key"),
        (authority.issue(&["b.example"]), "is not for a.example"),
        (authority.issue_until(&["a.example"], 2001), "ended on 2001-01-01"),
    ];
    for (pair, why) in refusals {
        let got = put(&stack, &table(&replica, &json!([entry(&pair)]))).await;
        assert!(got.status == 409 && got.body.contains(why), "{why}: {got:?}");
    }
    for missing in ["certificate", "key"] {
        let mut entry = entry(&good);
        entry[missing] = json!(stack.folder.0.join("none"));
        let got = put(&stack, &table(&replica, &json!([entry]))).await;
        assert!(got.status == 409 && got.body.contains("none cannot be read"), "{got:?}");
    }
    assert_eq!((stack.state().await, shown(&stack, &authority, "a.example").await), before);
    // What is no entry at all is told before a file is looked at.
    for (certificates, why) in [
        (json!([]), "needs a certificate"),
        (json!([{ "hosts": ["a b"], "certificate": "/a", "key": "/b" }]), "no host"),
        (json!([{ "hosts": [], "certificate": "a.pem", "key": "/b" }]), "slash"),
        (json!([{ "hosts": ["a", "A"], "certificate": "/a", "key": "/b" }]), "two certificates"),
    ] {
        let got = put(&stack, &table(&replica, &certificates)).await;
        assert!(got.status == 400 && got.body.contains(why), "{why}: {got:?}");
    }
}

#[tokio::test]
async fn a_certificate_that_has_ended_stops_neither_other_changes_nor_a_start() {
    let (replica, authority) = (Replica::start("r1").await, Authority::new());
    let stack = stack(&replica, &authority).await;
    let table = stack.state().await["table"].clone();
    authority.issue_until(&["a.example"], 2001).write(&stack.folder, "a");
    assert_eq!(put(&stack, &table).await.status, 409);
    let mut more = table.clone();
    more["services"]["more"] = service(&replica);
    let stack = Stack::start(stack.stop().await).await;
    let refused = shown(&stack, &authority, "a.example").await.expect_err("a doubt");
    assert!(refused.contains("xpired"), "{refused}");
    assert_eq!(put(&stack, &more).await.status, 200, "it is served already");
    // One that is gone leaves the gateway to start, and its port to serve what it can.
    std::fs::remove_file(stack.folder.0.join("a.pem")).expect("a file");
    let stack = Stack::start(stack.stop().await).await;
    assert!(shown(&stack, &authority, "a.example").await.is_err());
    assert_eq!(put(&stack, &more).await.status, 409);
    authority.issue(&["a.example"]).write(&stack.folder, "a");
    assert_eq!(put(&stack, &more).await.status, 200);
    assert_eq!(client(&stack, &authority).await.get("/").await.body, "r1 /");
}

#[tokio::test]
async fn a_handshake_that_is_not_done_in_time_is_cut() {
    let (replica, authority) = (Replica::start("r1").await, Authority::new());
    let limits = json!({ "head_ms": 200, "connections": 1 });
    let stack = stack_with(&replica, &authority, |table| table["listeners"][0]["limits"] = limits).await;
    for said in [&b""[..], b"\x16\x03\x01"] {
        let mut stream = TcpStream::connect(&stack.address).await.expect("a connection");
        stream.write_all(said).await.expect("a write");
        let mut got = Vec::new();
        // A reset is an end, too.
        _ = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut got)).await.expect("an end");
        assert!(got.is_empty(), "{got:?}");
    }
    assert_eq!(client(&stack, &authority).await.get("/").await.body, "r1 /");
    assert_eq!(stack.state().await["listeners"][0]["failed_handshakes"], 2);
}

#[tokio::test]
async fn an_auto_port_ends_tls_and_serves_the_rest_as_before() {
    let (replica, authority) = (Replica::start("r1").await, Authority::new());
    let stack = stack_with(&replica, &authority, |table| {
        let tls = table["listeners"][0]["tls"].clone();
        table["listeners"][0] = json!({ "bind": "127.0.0.1:0", "auto": { "service": "web" }, "tls": tls });
    })
    .await;
    let got = client(&stack, &authority).await.get("/head").await;
    assert!(got.body.contains("x-forwarded-proto: https\n"), "{got:?}");
    assert!(stack.get("/head").await.body.contains("x-forwarded-proto: http\n"));
    let other = super::tcp::echo("tcp ").await;
    let release = json!({ "name": "r2", "addresses": [other] });
    stack.told(Method::POST, "/v1/switch", &json!({ "service": "web", "release": release })).await;
    let mut stream = TcpStream::connect(&stack.address).await.expect("a connection");
    stream.write_all(b"PING\r\n").await.expect("a write");
    super::tcp::says(&mut stream, "tcp PING\r\n").await;
}

#[tokio::test]
async fn browsers_are_told_to_come_back_with_tls_only_over_tls() {
    let (replica, authority) = (Replica::start("r1").await, Authority::new());
    let stack = stack_with(&replica, &authority, |table| {
        let mut tls = table["listeners"][0]["tls"].clone();
        tls["hsts_seconds"] = json!(600);
        table["listeners"][0] = json!({ "bind": "127.0.0.1:0", "auto": { "service": "web" }, "tls": tls });
    })
    .await;
    let told = |got: &Got| got.headers.get("strict-transport-security").map(|value| value.to_str().expect("text").to_owned());
    assert_eq!(told(&client(&stack, &authority).await.get("/").await).as_deref(), Some("max-age=600"));
    assert_eq!(told(&stack.get("/").await), None);
    // What the gateway says itself is said over TLS, too; and who says it himself says more.
    stack.told(Method::POST, "/v1/maintenance", &json!({ "on": true, "allow": ["/hsts"] })).await;
    assert_eq!(told(&client(&stack, &authority).await.get("/").await).as_deref(), Some("max-age=600"));
    let own = client(&stack, &authority).await.get("/hsts").await;
    assert_eq!(told(&own).as_deref(), Some("max-age=1; includeSubDomains"));
    assert_eq!(own.headers.get_all("strict-transport-security").iter().count(), 1);
}

#[tokio::test]
async fn what_is_passed_through_has_no_certificates() {
    let (replica, authority) = (Replica::start("r1").await, Authority::new());
    let stack = stack(&replica, &authority).await;
    let mut table = stack.state().await["table"].clone();
    let tls = table["listeners"][0]["tls"].clone();
    table["listeners"][0] = json!({ "bind": "127.0.0.1:0", "tcp": { "service": "web" }, "tls": tls });
    let got = put(&stack, &table).await;
    assert!(got.status == 400 && got.body.contains("its own TLS"), "{got:?}");
}

#[tokio::test]
async fn connections_with_tls_end_with_their_request_when_the_port_goes() {
    let (replica, authority) = (Replica::start("r1").await, Authority::new());
    let stack = stack(&replica, &authority).await;
    let mut under_way = client(&stack, &authority).await;
    let asked = tokio::spawn(async move { under_way.get("/slow").await.body });
    eventually("it is under way", async || replica.requests() == 1).await;
    let mut idle = authority.shake(&stack.address, "a.example", HTTP1).await.expect("TLS");
    let table = json!({ "version": 1, "listeners": [], "services": { "web": service(&replica) } });
    assert_eq!(put(&stack, &table).await.status, 200);
    assert_eq!(idle.read(&mut [0]).await.expect("an end that TLS tells"), 0);
    replica.open_gate();
    assert_eq!(asked.await.expect("an answer"), "r1");
}

#[tokio::test]
async fn files_that_are_sent_are_kept_for_the_owner_alone_until_no_table_names_them() {
    let (replica, authority) = (Replica::start("r1").await, Authority::new());
    let stack = Stack::empty(Folder::new()).await;
    let send = async |text: &str| {
        let sha256: String = Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
        let got = stack.control(Method::PUT, "/v1/files", &json!({ "sha256": sha256, "text": text })).await;
        assert_eq!(got.status, 200, "{got:?}");
        let path = got.json()["path"].as_str().expect("a path").to_owned();
        let mode = std::fs::metadata(&path).expect("a file").permissions().mode();
        assert_eq!((mode & 0o777, std::fs::read_to_string(&path).expect("a text").as_str()), (0o600, text));
        path
    };
    let put_pair = async |name: &str| {
        let (certificate, key) = authority.issue(&["a.example"]).write(&stack.folder, name);
        let read = |path: &std::path::Path| std::fs::read_to_string(path).expect("PEM");
        let (certificate, key) = (send(&read(certificate.as_ref())).await, send(&read(key.as_ref())).await);
        let mut table = table(&replica, &json!([{ "hosts": ["a.example"], "certificate": certificate, "key": key }]));
        table["listeners"][0]["bind"] = json!("127.0.0.1:0");
        assert_eq!(put(&stack, &table).await.status, 200);
        [certificate, key]
    };
    let first = put_pair("first").await;
    let second = put_pair("second").await;
    assert!(first.iter().all(|path| std::path::Path::new(path).exists()), "there is a way back");
    let forgotten = stack.control(Method::DELETE, "/v1/files", &json!({})).await.json();
    assert_eq!(forgotten, json!({ "forgotten": 2 }));
    assert!(!first.iter().any(|path| std::path::Path::new(path).exists()));
    let kept = stack.control(Method::GET, "/v1/files", &json!({})).await.json()["files"].as_array().expect("hashes").len();
    assert_eq!(kept, second.len());
    let other = stack.control(Method::PUT, "/v1/files", &json!({ "sha256": "0".repeat(64), "text": "hunter2" })).await;
    assert!(other.status == 400 && !other.body.contains("hunter2"), "{other:?}");
    let odd = stack.control(Method::PUT, "/v1/files", &json!({ "sha256": "../a", "text": "hunter2", "more": 1 })).await;
    assert!(odd.status == 400 && !odd.body.contains("hunter2"), "{odd:?}");
    // One that starts again serves what it was sent.
    let stack = Stack::start(stack.stop().await).await;
    assert!(shown(&stack, &authority, "a.example").await.is_ok());
}
