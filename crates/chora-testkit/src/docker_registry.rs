//! The real registry (Debian's `docker-registry`), on a port and a disk of a test's own, and a way to it that can be cut.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::free_port;

/// Who may use a registry that wants a login.
pub const LOGIN: (&str, &str) = ("me", "correct-horse");
/// The same as the registry reads it: a password by bcrypt.
const PASSWORDS: &str = "me:$2b$04$qqJXBNH0PR0h6YBCrj3rj.U79ECwJMQI5HRxmiZytImGSFJD9ZMMi\n";
/// Manifests of one platform and of many, Docker's and OCI's.
const ACCEPTED: &str = "application/vnd.docker.distribution.manifest.v2+json, application/vnd.oci.image.manifest.v1+json, \
                        application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.oci.image.index.v1+json, \
                        application/octet-stream";
/// How long it may take to start.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running registry; it goes with the value.
pub struct DockerRegistry {
    /// Where it listens, in plain HTTP unless it was given a certificate.
    pub address: SocketAddr,
    process: Child,
    folder: PathBuf,
}

impl DockerRegistry {
    /// Starts one that takes everything from everybody.
    ///
    /// # Panics
    /// When `docker-registry` is not there or does not start.
    #[must_use]
    pub fn start() -> Self {
        Self::run("", None)
    }

    /// Starts one that speaks TLS, with a certificate and its key, both in PEM.
    ///
    /// # Panics
    /// As [`DockerRegistry::start`].
    #[must_use]
    pub fn with_tls(certificate: &str, key: &str) -> Self {
        Self::run("", Some((certificate, key)))
    }

    /// Starts one that wants [`LOGIN`].
    ///
    /// # Panics
    /// As [`DockerRegistry::start`].
    #[must_use]
    pub fn locked() -> Self {
        Self::run("auth: { htpasswd: { realm: test, path: passwords } }\n", None)
    }

    fn run(more: &str, identity: Option<(&str, &str)>) -> Self {
        let port = free_port();
        let folder = std::env::temp_dir().join(format!("chora-registry-{}-{port}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder for the registry");
        std::fs::write(folder.join("passwords"), PASSWORDS).expect("passwords are written");
        let tls = identity.map_or("", |(certificate, key)| {
            std::fs::write(folder.join("certificate.pem"), certificate).expect("its certificate is written");
            std::fs::write(folder.join("key.pem"), key).expect("its key is written");
            ", tls: { certificate: certificate.pem, key: key.pem }"
        });
        let config = format!(
            "version: 0.1\nlog: {{ level: error, accesslog: {{ disabled: true }} }}\nstorage: {{ filesystem: {{ rootdirectory: images }} }}\n\
             http: {{ addr: '127.0.0.1:{port}'{tls} }}\n{more}"
        );
        std::fs::write(folder.join("config.yml"), config).expect("its configuration is written");
        let process = Command::new("docker-registry")
            .args(["serve", "config.yml"])
            .current_dir(&folder)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let process = process.expect("docker-registry is there: apt-get install docker-registry");
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let began = Instant::now();
        while TcpStream::connect(address).is_err() {
            assert!(began.elapsed() < PATIENCE, "docker-registry does not start");
            std::thread::sleep(Duration::from_millis(20));
        }
        Self { address, process, folder }
    }

    /// Asks it for a manifest with this name; gives the status and the digest.
    ///
    /// # Panics
    /// When it does not answer.
    #[must_use]
    pub fn manifest(&self, repository: &str, named: &str) -> (u16, Option<String>) {
        let answer = self.ask("HEAD", &format!("{repository}/manifests/{named}"));
        let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        let digest = answer.lines().find_map(|line| line.strip_prefix("Docker-Content-Digest: ")).map(|digest| digest.trim().to_owned());
        (status, digest)
    }

    /// Reads a document that it has: `manifests/…` or `blobs/…` of a repository.
    ///
    /// # Panics
    /// When it is not there.
    #[must_use]
    pub fn document(&self, repository: &str, named: &str) -> Value {
        let answer = self.ask("GET", &format!("{repository}/{named}"));
        let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        serde_json::from_str(body).expect("the registry has the document")
    }

    fn ask(&self, method: &str, path: &str) -> String {
        let mut stream = TcpStream::connect(self.address).expect("the registry listens");
        write!(stream, "{method} /v2/{path} HTTP/1.0\r\nAccept: {ACCEPTED}\r\n\r\n").expect("it is asked");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers");
        answer
    }
}

impl Drop for DockerRegistry {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Tells by a request's first line whether it is cut off.
type Cut = Box<dyn FnMut(&str) -> bool + Send>;

/// A way to a registry: what is asked is passed on, request by request, until one is cut.
pub struct CutWay {
    /// Where it listens.
    pub address: SocketAddr,
    cut: Arc<Mutex<Cut>>,
}

impl CutWay {
    /// Opens a way on which requests are cut whose first line `cut` says yes to.
    ///
    /// # Panics
    /// When no port can be listened on.
    #[must_use]
    pub fn to(target: SocketAddr, cut: impl FnMut(&str) -> bool + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let cut: Arc<Mutex<Cut>> = Arc::new(Mutex::new(Box::new(cut)));
        let shared = Arc::clone(&cut);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let cut = Arc::clone(&shared);
                // Whoever hangs up is not served.
                std::thread::spawn(move || drop(pass(client, target, &cut)));
            }
        });
        Self { address, cut }
    }

    /// Cuts nothing any more.
    pub fn mend(&self) {
        *self.cut.lock().unwrap_or_else(PoisonError::into_inner) = Box::new(|_| false);
    }
}

/// One request to a connection, so that each begins with its head.
fn pass(mut client: TcpStream, target: SocketAddr, cut: &Mutex<Cut>) -> io::Result<()> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        client.read_exact(&mut byte)?;
        // Engines try TLS first.
        if byte == [0x16] && head.is_empty() {
            client.write_all(b"HTTP/1.0 400 Bad Request\r\n\r\n")?;
            client.shutdown(Shutdown::Write)?;
            return io::copy(&mut client, &mut io::sink()).map(drop);
        }
        head.extend_from_slice(&byte);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let first = head.lines().next().unwrap_or_default();
    if (*cut.lock().unwrap_or_else(PoisonError::into_inner))(first) {
        return client.shutdown(Shutdown::Both);
    }
    let mut server = TcpStream::connect(target)?;
    let lines = head.lines().filter(|line| !line.is_empty() && !line.to_ascii_lowercase().starts_with("connection:"));
    let lines: Vec<&str> = lines.collect();
    write!(server, "{}\r\nConnection: close\r\n\r\n", lines.join("\r\n"))?;
    let (mut from, mut to) = (client.try_clone()?, server.try_clone()?);
    std::thread::spawn(move || io::copy(&mut from, &mut to));
    io::copy(&mut server, &mut client)?;
    client.shutdown(Shutdown::Both)
}
