//! The engine, asked past the program: what is really there.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::OnceLock;

use chora_testkit::test_image::{TestImage, digest, server_program};
use serde_json::{Value, json};

/// Gives the test server's image, loaded once for every build of the server.
pub(super) fn image() -> &'static str {
    static TAG: OnceLock<String> = OnceLock::new();
    TAG.get_or_init(|| {
        let program = std::fs::read(server_program()).expect("the test server is built");
        let tag = format!("chora-test/server:{}", digest(&program).trim_start_matches("sha256:"));
        if ask("GET", &format!("/images/{tag}/json"), &[]).0 == 404 {
            let (status, answer) = ask("POST", "/images/load", &TestImage { tag: tag.clone(), ..TestImage::default() }.archive());
            assert_eq!(status, 200, "{answer}");
        }
        tag
    })
}

/// Gives every container of a Compose project, perhaps of one service only, as `inspect` shows it.
pub(super) fn containers(project: &str, service: Option<&str>) -> Vec<Value> {
    let mut labels = vec![format!("com.docker.compose.project={project}")];
    labels.extend(service.map(|service| format!("com.docker.compose.service={service}")));
    let found = list("/containers/json?all=1&filters=", &json!({ "label": labels }));
    found.iter().map(|line| get(&format!("/containers/{}/json", line["Id"].as_str().unwrap()))).collect()
}

/// Removes the images that were built for a project.
pub(super) fn forget_images(project: &str) {
    for image in list("/images/json?filters=", &json!({ "label": [format!("com.docker.compose.project={project}")] })) {
        ask("DELETE", &format!("/images/{}?force=1", image["Id"].as_str().unwrap_or_default()), &[]);
    }
}

fn list(path: &str, filters: &Value) -> Vec<Value> {
    let encoded: String = filters.to_string().bytes().map(|byte| format!("%{byte:02X}")).collect();
    get(&format!("{path}{encoded}")).as_array().cloned().unwrap_or_default()
}

fn get(path: &str) -> Value {
    let (status, answer) = ask("GET", path, &[]);
    assert_eq!(status, 200, "{path}: {answer}");
    serde_json::from_str(&answer).unwrap()
}

/// One request of its own; HTTP/1.0 ends answers by closing.
fn ask(method: &str, path: &str, body: &[u8]) -> (u16, String) {
    let host = std::env::var("DOCKER_HOST").unwrap_or_else(|_| "unix:///var/run/docker.sock".to_owned());
    let socket = host.strip_prefix("unix://").expect("these tests need an engine at a socket");
    let mut stream = UnixStream::connect(socket).unwrap_or_else(|error| panic!("no engine at {host}: {error}"));
    let kind = "Content-Type: application/x-tar";
    write!(stream, "{method} {path} HTTP/1.0\r\nHost: engine\r\n{kind}\r\nContent-Length: {}\r\n\r\n", body.len()).unwrap();
    stream.write_all(body).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    super::site::parse_answer(&answer)
}
