//! Services behind shared ports: by host and path, over TLS that ends at the gateway.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use chora_core::plan::gateway::GATEWAY;
use chora_testkit::free_port;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustix::process::{Pid, Signal, kill_process};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::site::{Site, parse_answer};

pub(super) const PAIR: &str = r#"
services:
  web:
    image: ${IMAGE}
    environment: { VERSION: "web ${RELEASE}" }
    expose: ["8080"]
    stop_grace_period: 1s
  api:
    image: ${IMAGE}
    environment: { VERSION: "api ${RELEASE}" }
    stop_grace_period: 1s
"#;

fn manifest(http: u16, tls: &str) -> String {
    format!(
        "
environments:
  production: {{ gate_timeout: 5s, releases_kept: 3, http_port: 127.0.0.1:{http}{tls} }}
services:
  web: {{ hosts: [shop.example], health: {{ endpoint: {{ http: /health, port: 8080 }} }} }}
  api:
    hosts: [shop.example, api.example]
    paths: [/health]
    port: 8080
    health: {{ endpoint: {{ http: /health, port: 8080 }} }}
"
    )
}

pub(super) struct Authority {
    root: CertificateDer<'static>,
    /// The same as a file.
    pub(super) pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub(super) fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut parameters = CertificateParams::new(Vec::new()).unwrap();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = parameters.self_signed(&key).unwrap();
        Self { root: certificate.der().clone(), pem: certificate.pem(), issuer: Issuer::new(parameters, key) }
    }

    /// A certificate for these hosts and its key, in PEM.
    pub(super) fn issue(&self, hosts: &[&str]) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let parameters = CertificateParams::new(hosts.iter().map(|host| (*host).to_owned()).collect::<Vec<_>>()).unwrap();
        (parameters.signed_by(&key, &self.issuer).unwrap().pem(), key.serialize_pem())
    }

    /// Writes a certificate and its key into the project; gives the key.
    fn write(&self, site: &Site) -> String {
        let (certificate, key) = self.issue(&["shop.example", "api.example"]);
        site.chora.write("shop.pem", certificate);
        site.chora.write("shop.key", &key);
        key
    }

    pub(super) fn client(&self) -> Arc<ClientConfig> {
        trusting(self.root.clone())
    }
}

/// A client that believes what leads to a certificate, and nothing else.
pub(super) fn trusting(root: CertificateDer<'static>) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(root).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    Arc::new(builder.with_root_certificates(roots).with_no_client_auth())
}

fn ask(stream: &mut impl io::Write, host: &str, path: &str, version: &str) -> io::Result<()> {
    write!(stream, "GET {path} HTTP/{version}\r\nhost: {host}\r\n\r\n")
}

/// The whole answer without TLS.
pub(super) fn plain(port: u16, host: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

type Secure = StreamOwned<ClientConnection, TcpStream>;

fn secure(client: &Arc<ClientConfig>, port: u16, host: &str) -> io::Result<Secure> {
    let socket = TcpStream::connect(("127.0.0.1", port))?;
    socket.set_read_timeout(Some(Duration::from_secs(60)))?;
    let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
    let connection = ClientConnection::new(Arc::clone(client), name).map_err(io::Error::other)?;
    Ok(StreamOwned::new(connection, socket))
}

/// The whole answer on a connection of its own.
pub(super) fn once(client: &Arc<ClientConfig>, port: u16, host: &str, path: &str) -> io::Result<String> {
    let mut stream = secure(client, port, host)?;
    write!(stream, "GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// The body of an answer on a connection that is kept.
fn next(stream: &mut BufReader<Secure>, host: &str) -> io::Result<String> {
    ask(stream.get_mut(), host, "/", "1.1")?;
    let mut length = 0;
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line)? == 0 {
            return Err(io::Error::other("the connection ended"));
        }
        if line == "\r\n" {
            break;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().map_err(io::Error::other)?;
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    Ok(String::from_utf8_lossy(&body).into_owned())
}

/// Asks without a pause until it is told to stop: what was answered, in order without repetitions, and what failed.
fn load(client: &Arc<ClientConfig>, port: u16, stop: &AtomicBool) -> (Vec<String>, Vec<String>, usize) {
    let (mut seen, mut failed, mut count) = (Vec::new(), Vec::new(), 0);
    let mut kept = BufReader::new(secure(client, port, "shop.example").unwrap());
    while !stop.load(Ordering::Relaxed) {
        let answers =
            [next(&mut kept, "shop.example"), once(client, port, "shop.example", "/").map(|answer| parse_answer(answer.as_bytes()).1)];
        for answer in answers {
            match answer {
                Ok(body) => {
                    count += 1;
                    if seen.last() != Some(&body) {
                        seen.push(body);
                    }
                }
                Err(error) => failed.push(error.to_string()),
            }
        }
    }
    (seen, failed, count)
}

#[test]
fn services_share_a_port_by_host_and_path() {
    let site = Site::new(PAIR, "");
    site.chora.write("chora.yaml", manifest(site.port, ""));
    site.release("v1");
    let body = |host: &str, path: &str| parse_answer(plain(site.port, host, path).as_bytes());
    assert!(body("shop.example", "/").1.contains("web v1"), "{:?}", body("shop.example", "/"));
    assert_eq!(body("shop.example", "/health").0, 200);
    assert_eq!((body("api.example", "/health").0, body("api.example", "/").0, body("other.example", "/").0), (200, 404, 404));
    let gateway = site.running(GATEWAY)["Id"].clone();
    site.release("v2");
    assert!(body("shop.example", "/").1.contains("web v2"));
    let other = manifest(site.port, "").replace("hosts: [shop.example],", "hosts: [shop.example, www.shop.example],");
    site.chora.write("chora.yaml", other);
    site.release("v2");
    assert!(body("www.shop.example", "/").1.contains("web v2"));
    assert_eq!(site.running(GATEWAY)["Id"], gateway, "hosts need no other gateway");
}

#[test]
fn releases_come_and_go_over_tls_and_no_request_is_lost() {
    let (site, https, authority) = (Site::new(PAIR, ""), free_port(), Authority::new());
    let tls = format!(
        ", https_port: 127.0.0.1:{https}, tls: {{ hsts: 1d, certificates: [{{ hosts: [shop.example, api.example], \
         certificate: shop.pem, key: shop.key }}] }}"
    );
    site.chora.write("chora.yaml", manifest(site.port, &tls));
    let key = authority.write(&site);
    site.release("v1");
    let client = authority.client();
    let answer = once(&client, https, "shop.example", "/").unwrap();
    assert!(answer.contains("web v1") && answer.to_ascii_lowercase().contains("strict-transport-security: max-age=86400"), "{answer}");
    let sent = plain(site.port, "shop.example", "/a?b=c");
    assert!(sent.starts_with("HTTP/1.1 301") && sent.contains(&format!("https://shop.example:{https}/a?b=c")), "{sent}");
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let loaded = scope.spawn(|| load(&client, https, &stop));
        std::thread::sleep(Duration::from_millis(500));
        site.release("v2");
        std::thread::sleep(Duration::from_millis(500));
        let back = site.chora.run(["rollback", "--quiet"]);
        stop.store(true, Ordering::Relaxed);
        assert_eq!(back.code, 0, "{back}");
        let (seen, failed, count) = loaded.join().unwrap();
        println!("{count} answers over TLS");
        assert_eq!(failed, Vec::<String>::new(), "of {count}");
        assert_eq!(seen, ["web v1", "web v2", "web v1"]);
    });
    let secret = key.lines().nth(1).unwrap();
    for words in [["config", "--json"], ["plan", "--json"], ["status", "--json"], ["history", "--json"], ["events", "--json"]] {
        assert!(!site.chora.run(words).to_string().contains(secret), "{words:?}");
    }
    assert!(!site.running(GATEWAY).to_string().contains(secret));
}

/// The certificate that a new connection is shown.
pub(super) fn shown(client: &Arc<ClientConfig>, port: u16) -> CertificateDer<'static> {
    let mut stream = secure(client, port, "shop.example").unwrap();
    ask(&mut stream, "shop.example", "/", "1.1").unwrap();
    stream.read_exact(&mut [0]).unwrap();
    stream.conn.peer_certificates().unwrap()[0].clone().into_owned()
}

pub(super) fn kill(site: &Site) {
    let pid = site.running(GATEWAY)["State"]["Pid"].as_i64().unwrap();
    kill_process(Pid::from_raw(pid.try_into().unwrap()).unwrap(), Signal::KILL).unwrap();
}

/// The files below a folder that have these bytes in them.
fn holding(folder: &Path, bytes: &[u8]) -> Vec<PathBuf> {
    let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let below = |path: PathBuf| if path.is_dir() { holding(&path, bytes) } else { vec![path] };
    let has = |path: &PathBuf| std::fs::read(path).unwrap().windows(bytes.len()).any(|part| part == bytes);
    paths.flat_map(below).filter(has).collect()
}

#[test]
fn another_certificate_is_taken_up_under_load_by_the_gateway_that_runs() {
    let (site, https, authority) = (Site::new(PAIR, ""), free_port(), Authority::new());
    let tls = format!(
        ", https_port: 127.0.0.1:{https}, tls: {{ certificates: [{{ hosts: [shop.example, api.example], certificate: shop.pem, \
         key: shop.key }}] }}"
    );
    site.chora.write("chora.yaml", manifest(site.port, &tls));
    let mut keys = vec![authority.write(&site)];
    site.release("v1");
    let client = authority.client();
    let (first, gateway) = (shown(&client, https), site.running(GATEWAY)["Id"].clone());
    keys.push(authority.write(&site));
    let plan = site.chora.run(["plan"]);
    assert!(plan.to_string().contains("certificates changed") && !plan.to_string().contains("stop-first"), "{plan}");
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let loaded = scope.spawn(|| load(&client, https, &stop));
        std::thread::sleep(Duration::from_millis(300));
        site.release("v1");
        std::thread::sleep(Duration::from_millis(300));
        stop.store(true, Ordering::Relaxed);
        let (seen, failed, count) = loaded.join().unwrap();
        println!("{count} answers over TLS");
        assert_eq!((seen, failed), (vec!["web v1".to_owned()], Vec::new()), "of {count}");
    });
    let second = shown(&client, https);
    assert_eq!((second != first, &site.running(GATEWAY)["Id"]), (true, &gateway));
    assert_eq!(site.chora.run(["deploy", "--quiet", "--json"]).json()["outcome"], "unchanged");

    kill(&site);
    let killed = Instant::now();
    while once(&client, https, "shop.example", "/").is_err() {
        assert!(killed.elapsed() < Duration::from_secs(30), "it does not serve again");
        std::thread::sleep(Duration::from_millis(10));
    }
    println!("it serves again after {:?}", killed.elapsed());
    assert_eq!(shown(&client, https), second, "it serves what it was sent last, with no command");

    keys.push(authority.write(&site));
    site.release("v2");
    let third = shown(&client, https);
    let back = site.chora.run(["rollback", "--quiet"]);
    assert_eq!(back.code, 0, "the certificate of then is not needed: {back}");
    let answer = once(&client, https, "shop.example", "/").unwrap();
    assert!(answer.contains("web v1") && shown(&client, https) == third, "a rollback keeps the certificates: {answer}");
    // The release gone back to never had its own certificates here: a refused one still finds its way back.
    keys.push(authority.write(&site));
    site.chora.write("chora.yaml", manifest(site.port, &tls.replace("shop.key", "other.key")));
    let other = KeyPair::generate().unwrap().serialize_pem();
    site.chora.write("other.key", &other);
    let refused = site.chora.run(["deploy", "--quiet"]);
    assert!(refused.code != 0 && refused.to_string().contains("is not the one of the certificate"), "{refused}");
    assert_eq!((shown(&client, https), &site.running(GATEWAY)["Id"]), (third, &gateway));
    keys.push(other);

    for key in &keys {
        let secret = key.lines().nth(1).unwrap();
        for words in [["config", "--json"], ["plan", "--json"], ["status", "--json"], ["history", "--json"], ["events", "--json"]] {
            assert!(!site.chora.run(words).to_string().contains(secret), "{words:?}");
        }
        assert!(!site.running(GATEWAY).to_string().contains(secret));
        assert_eq!(holding(&site.chora.path().join(".chora"), secret.as_bytes()), Vec::<PathBuf>::new());
    }
}
