//! A registry of a test's own: it serves one image in every repository, counts, and refuses in its ways.
#![expect(clippy::unwrap_used, reason = "a test's registry that cannot serve fails the test")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use crate::test_image::{TestImage, digest};

const MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";

/// Serves on loopback, in plain HTTP; the repositories `busy`, `broken` and `absent` refuse in their way.
pub struct Registry {
    /// Where.
    pub address: SocketAddr,
    shelf: Arc<Mutex<Shelf>>,
}

struct Shelf {
    manifest: Bytes,
    blobs: [Bytes; 2],
    /// `Authorization` that everything asks for.
    login: Option<String>,
    asked: usize,
}

impl Shelf {
    fn put(&mut self, image: &TestImage) {
        let (config, layer) = image.blobs();
        let manifest = serde_json::json!({
            "schemaVersion": 2, "mediaType": MANIFEST,
            "config": {"mediaType": "application/vnd.docker.container.image.v1+json", "size": config.len(), "digest": digest(&config)},
            "layers": [{"mediaType": "application/vnd.docker.image.rootfs.diff.tar", "size": layer.len(), "digest": digest(&layer)}],
        });
        self.manifest = Bytes::from(manifest.to_string());
        self.blobs = [config, layer];
    }
}

impl Registry {
    /// Starts it; `login` is the `Authorization` header that it wants.
    ///
    /// # Panics
    /// When no port can be listened on.
    #[must_use]
    pub fn start(image: &TestImage, login: Option<&str>) -> Self {
        let mut shelf = Shelf { manifest: Bytes::new(), blobs: [Bytes::new(), Bytes::new()], login: login.map(str::to_owned), asked: 0 };
        shelf.put(image);
        let shelf = Arc::new(Mutex::new(shelf));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::clone(&shelf);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shelf = Arc::clone(&shared);
                std::thread::spawn(move || serve(stream, &shelf));
            }
        });
        Self { address, shelf }
    }

    /// Serves another image from now on.
    pub fn put(&self, image: &TestImage) {
        self.shelf().put(image);
    }

    /// How often a manifest was asked for.
    #[must_use]
    pub fn asked(&self) -> usize {
        self.shelf().asked
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One request; whoever hangs up is not answered.
fn serve(mut stream: TcpStream, shelf: &Mutex<Shelf>) {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read_exact(&mut byte).is_err() {
            return;
        }
        // Engines try TLS first, and wait for an answer to that.
        if byte == [0x16] && head.is_empty() {
            let _ = stream.write_all(b"HTTP/1.0 400 Bad Request\r\n\r\n");
            let _ = stream.shutdown(std::net::Shutdown::Write);
            let _ = std::io::copy(&mut stream, &mut std::io::sink());
            return;
        }
        head.extend_from_slice(&byte);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let mut words = head.split(' ');
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let authorization = head.lines().filter_map(|line| line.split_once(": ")).find(|(name, _)| name.eq_ignore_ascii_case("authorization"));
    let (status, kind, body) = {
        let mut shelf = shelf.lock().unwrap_or_else(PoisonError::into_inner);
        shelf.asked += usize::from(path.contains("/manifests/"));
        answer(&shelf, path, authorization.map(|(_, value)| value))
    };
    let extra = match status {
        "401 Unauthorized" => "WWW-Authenticate: Basic realm=\"test\"\r\n".to_owned(),
        "200 OK" => format!("Docker-Content-Digest: {}\r\n", digest(&body)),
        _ => String::new(),
    };
    let length = body.len();
    let text = format!(
        "HTTP/1.1 {status}\r\nDocker-Distribution-Api-Version: registry/2.0\r\nContent-Type: {kind}\r\n{extra}Content-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    let _ = stream.write_all(text.as_bytes());
    if method != "HEAD" {
        let _ = stream.write_all(&body);
    }
}

fn answer(shelf: &Shelf, path: &str, authorization: Option<&str>) -> (&'static str, &'static str, Bytes) {
    let refuse = |status, code: &str| {
        let body = serde_json::json!({"errors": [{"code": code, "message": code.to_lowercase().replace('_', " ")}]});
        (status, "application/json", Bytes::from(body.to_string()))
    };
    if shelf.login.as_deref().is_some_and(|login| authorization != Some(login)) {
        return refuse("401 Unauthorized", "UNAUTHORIZED");
    }
    if path.contains("/busy/") {
        return refuse("429 Too Many Requests", "TOOMANYREQUESTS");
    }
    if path.contains("/broken/") {
        return ("503 Service Unavailable", "text/plain", Bytes::from_static(b"later"));
    }
    if path.contains("/manifests/") && !path.contains("/absent/") {
        return ("200 OK", MANIFEST, shelf.manifest.clone());
    }
    if let Some((_, wanted)) = path.split_once("/blobs/") {
        let found = shelf.blobs.iter().find(|blob| digest(blob) == wanted);
        return found.map_or_else(|| refuse("404 Not Found", "BLOB_UNKNOWN"), |blob| ("200 OK", "application/octet-stream", blob.clone()));
    }
    match path {
        "/v2/" => ("200 OK", "application/json", Bytes::from_static(b"{}")),
        _ => refuse("404 Not Found", "MANIFEST_UNKNOWN"),
    }
}
