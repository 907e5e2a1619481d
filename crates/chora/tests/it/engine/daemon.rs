//! The engine, asked past the program: what is really there.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::OnceLock;
use std::time::Duration;

use chora_testkit::test_image::{TestImage, digest, server_program};
use serde_json::{Value, json};

use crate::support::given_engine;

/// An engine at a socket.
#[derive(Debug, Clone)]
pub(super) struct Daemon {
    pub(super) host: String,
}

impl Daemon {
    /// The one that the tests were given.
    pub(super) fn given() -> Self {
        Self { host: given_engine() }
    }

    /// Gives the test server's image, loaded where it is not there yet.
    pub(super) fn image(&self) -> &'static str {
        static TAG: OnceLock<String> = OnceLock::new();
        let tag = TAG.get_or_init(|| {
            let program = std::fs::read(server_program()).expect("the test server is built");
            format!("chora-test/server:{}", digest(&program).trim_start_matches("sha256:"))
        });
        if self.ask("GET", &format!("/images/{tag}/json"), &[]).0 == 404 {
            let (status, answer) = self.ask("POST", "/images/load", &TestImage { tag: tag.clone(), ..TestImage::default() }.archive());
            assert_eq!(status, 200, "{answer}");
        }
        tag
    }

    /// Gives every container of a Compose project, perhaps of one service only, as `inspect` shows it.
    pub(super) fn containers(&self, project: &str, service: Option<&str>) -> Vec<Value> {
        let mut labels = vec![format!("com.docker.compose.project={project}")];
        labels.extend(service.map(|service| format!("com.docker.compose.service={service}")));
        let found = self.list("/containers/json?all=1&filters=", &json!({ "label": labels }));
        // One that was just listed may be gone when it is asked about.
        found.iter().filter_map(|line| self.find(&format!("/containers/{}/json", line["Id"].as_str().unwrap()))).collect()
    }

    /// Removes the images that were built for a project.
    pub(super) fn forget_images(&self, project: &str) {
        for image in self.list("/images/json?filters=", &json!({ "label": [format!("com.docker.compose.project={project}")] })) {
            self.ask("DELETE", &format!("/images/{}?force=1", image["Id"].as_str().unwrap_or_default()), &[]);
        }
    }

    /// Tells whether it answers.
    pub(super) fn is_up(&self) -> bool {
        self.try_ask("GET", "/_ping", &[]).is_ok_and(|(status, _)| status == 200)
    }

    fn list(&self, path: &str, filters: &Value) -> Vec<Value> {
        let encoded: String = filters.to_string().bytes().map(|byte| format!("%{byte:02X}")).collect();
        self.get(&format!("{path}{encoded}")).as_array().cloned().unwrap_or_default()
    }

    fn get(&self, path: &str) -> Value {
        self.find(path).unwrap_or_else(|| panic!("{path} not found"))
    }

    fn find(&self, path: &str) -> Option<Value> {
        let (status, answer) = self.ask("GET", path, &[]);
        assert!(matches!(status, 200 | 404), "{path}: {answer}");
        (status == 200).then(|| serde_json::from_str(&answer).unwrap())
    }

    pub(super) fn ask(&self, method: &str, path: &str, body: &[u8]) -> (u16, String) {
        self.try_ask(method, path, body).unwrap_or_else(|error| panic!("no engine at {}: {error}", self.host))
    }

    /// What the engine tells of a container while something is done; it remembers little of what it told before.
    pub(super) fn events_during(&self, container: &str, work: impl FnOnce()) -> String {
        let socket = self.host.strip_prefix("unix://").expect("these tests need an engine at a socket");
        let mut stream = UnixStream::connect(socket).unwrap();
        write!(stream, "GET /events?filters=%7B%22container%22%3A%5B%22{container}%22%5D%7D HTTP/1.0\r\nHost: engine\r\n\r\n").unwrap();
        // It listens once it has begun to answer.
        let mut told = vec![0];
        stream.read_exact(&mut told).unwrap();
        work();
        stream.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
        let ended = stream.read_to_end(&mut told);
        assert!(ended.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock), "the engine ended its events");
        String::from_utf8_lossy(&told).into_owned()
    }

    /// One request of its own; HTTP/1.0 ends answers by closing.
    fn try_ask(&self, method: &str, path: &str, body: &[u8]) -> io::Result<(u16, String)> {
        let socket = self.host.strip_prefix("unix://").expect("these tests need an engine at a socket");
        let mut stream = UnixStream::connect(socket)?;
        let kind = "Content-Type: application/x-tar";
        write!(stream, "{method} {path} HTTP/1.0\r\nHost: engine\r\n{kind}\r\nContent-Length: {}\r\n\r\n", body.len())?;
        stream.write_all(body)?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        Ok(super::site::parse_answer(&answer))
    }
}
