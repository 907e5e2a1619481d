//! Pulls from a registry of the test's own, with and without a login.

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use bytes::Bytes;
use chora_core::ports::{Engine, EngineError};
use chora_docker::{DockerEngine, EndpointRequest};
use chora_testkit::engine_contract::run_case;
use chora_testkit::test_image::{TestImage, digest};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Serves one image in every repository; `busy`, `broken` and `absent` refuse in their way.
struct Registry {
    address: SocketAddr,
}

struct Shelf {
    manifest: Bytes,
    blobs: [Bytes; 2],
    /// `Authorization` that everything asks for.
    login: Option<String>,
}

impl Registry {
    async fn start(image: &TestImage, login: Option<&str>) -> Self {
        let (config, layer) = image.blobs();
        let kind = "application/vnd.docker.distribution.manifest.v2+json";
        let manifest = serde_json::json!({
            "schemaVersion": 2, "mediaType": kind,
            "config": {"mediaType": "application/vnd.docker.container.image.v1+json", "size": config.len(), "digest": digest(&config)},
            "layers": [{"mediaType": "application/vnd.docker.image.rootfs.diff.tar", "size": layer.len(), "digest": digest(&layer)}],
        });
        let login = login.map(|login| format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(login)));
        let shelf = Arc::new(Shelf { manifest: Bytes::from(manifest.to_string()), blobs: [config, layer], login });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&shelf)));
            }
        });
        Self { address }
    }
}

async fn serve(mut stream: TcpStream, shelf: Arc<Shelf>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            // Engines try TLS first, and wait for an answer to that.
            Ok(0x16) if head.is_empty() => {
                let _ = stream.write_all(b"HTTP/1.0 400 Bad Request\r\n\r\n").await;
                let _ = stream.shutdown().await;
                let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
                return;
            }
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let mut words = head.split(' ');
    let (method, path) = (words.next().unwrap(), words.next().unwrap());
    let header = |line: &str| line.to_ascii_lowercase().starts_with("authorization: ").then(|| line[15..].to_owned());
    let (status, kind, body) = answer(&shelf, path, head.lines().find_map(header).as_deref());
    let extra = match status {
        "401 Unauthorized" => "WWW-Authenticate: Basic realm=\"test\"\r\n".to_owned(),
        "200 OK" => format!("Docker-Content-Digest: {}\r\n", digest(&body)),
        _ => String::new(),
    };
    let length = body.len();
    let text = format!(
        "HTTP/1.1 {status}\r\nDocker-Distribution-Api-Version: registry/2.0\r\nContent-Type: {kind}\r\n{extra}Content-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    let _ = stream.write_all(text.as_bytes()).await;
    if method != "HEAD" {
        let _ = stream.write_all(&body).await;
    }
    let _ = stream.shutdown().await;
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
        return ("200 OK", "application/vnd.docker.distribution.manifest.v2+json", shelf.manifest.clone());
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

fn with_configuration(directory: &std::path::Path, configuration: &serde_json::Value) -> DockerEngine {
    std::fs::write(directory.join("config.json"), configuration.to_string()).unwrap();
    let request = EndpointRequest {
        explicit: Some(format!("unix://{}", crate::socket().display())),
        docker_config: Some(directory.to_owned()),
        ..EndpointRequest::default()
    };
    DockerEngine::connect(&request).unwrap()
}

#[tokio::test]
async fn an_image_is_pulled_and_refusals_are_told_apart() {
    run_case(crate::engine(), |bench| async move {
        let image = TestImage { tag: "unused:1".into(), labels: bench.labels(), environment: vec!["PULLED=1".into()], ..TestImage::default() };
        let registry = Registry::start(&image, None).await;
        let lines = Mutex::new(Vec::new());
        let progress = |line: &str| lines.lock().unwrap().push(line.to_owned());
        let reference = format!("{}/{}:1", registry.address, bench.unique);
        bench.engine.pull_image(&reference, None, &progress).await.unwrap();
        let pulled = bench.engine.image(&reference).await.unwrap().unwrap();
        assert_eq!(pulled.digests.len(), 1);
        assert!(pulled.digests[0].starts_with(&format!("{}/{}@sha256:", registry.address, bench.unique)), "{:?}", pulled.digests);
        assert!(!lines.lock().unwrap().is_empty());
        bench.engine.pull_image(&pulled.digests[0], None, &progress).await.unwrap();
        for (repository, is_bad_world) in [("absent", false), ("busy", true), ("broken", true)] {
            let reference = format!("{}/{repository}/{}:1", registry.address, bench.unique);
            let error = bench.engine.pull_image(&reference, None, &progress).await.unwrap_err();
            assert_eq!(error.is_bad_world(), is_bad_world, "{error:?}");
            let is_told = matches!(&error, EngineError::ImageUnavailable { image, .. } | EngineError::RegistryUnreachable { image, .. } if *image == reference);
            assert!(is_told, "{error:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn logins_come_from_the_configuration_and_from_helpers() {
    run_case(crate::engine(), |bench| async move {
        let image = TestImage { labels: bench.labels(), environment: vec!["LOCKED=1".into()], ..TestImage::default() };
        let registry = Registry::start(&image, Some("me:se:cret")).await;
        let reference = format!("{}/{}/locked:1", registry.address, bench.unique);
        let directory = tempfile::tempdir().unwrap();
        let host = registry.address.to_string();
        let pull = async |configuration: serde_json::Value| {
            let engine = with_configuration(directory.path(), &configuration);
            engine.pull_image(&reference, None, &|_| {}).await
        };
        let encoded = |login: &str| base64::engine::general_purpose::STANDARD.encode(login);
        let anonymous = pull(serde_json::json!({})).await.unwrap_err();
        assert!(matches!(anonymous, EngineError::ImageUnavailable { .. }), "{anonymous:?}");
        let wrong = pull(serde_json::json!({"auths": {&host: {"auth": encoded("me:hunter2")}}})).await.unwrap_err();
        assert!(matches!(wrong, EngineError::ImageUnavailable { .. }) && !format!("{wrong:?}").contains("hunter2"), "{wrong:?}");
        pull(serde_json::json!({"auths": {&host: {"auth": encoded("me:se:cret")}}})).await.unwrap();
        // A helper is found on PATH only, so its absence is what can be seen from here; `helper_answers_are_read` asks a real one.
        let missing = pull(serde_json::json!({"credHelpers": {&host: "chora-test-absent"}})).await.unwrap_err();
        assert!(
            matches!(&missing, EngineError::Invalid { reason } if reason.contains("docker-credential-chora-test-absent")),
            "{missing:?}"
        );
    })
    .await;
}

/// Run by the next test, in a process whose PATH has the helper.
#[tokio::test]
#[ignore = "run by helper_answers_are_read with a helper on its PATH"]
async fn with_a_helper_on_path() {
    let bench = chora_testkit::engine_contract::Workbench::new(crate::engine()).await;
    let image = TestImage { labels: bench.labels(), environment: vec!["HELPED=1".into()], ..TestImage::default() };
    let registry = Registry::start(&image, Some("me:se:cret")).await;
    let directory = tempfile::tempdir().unwrap();
    let engine = with_configuration(directory.path(), &serde_json::json!({"credsStore": "chora-test"}));
    let pulled = engine.pull_image(&format!("{}/{}/helped:1", registry.address, bench.unique), None, &|_| {}).await;
    bench.clean_up().await;
    pulled.unwrap();
}

#[test]
fn helper_answers_are_read() {
    let directory = tempfile::tempdir().unwrap();
    let helper = directory.path().join("docker-credential-chora-test");
    let script = "#!/bin/sh\n[ \"$1\" = get ] && server=$(cat) && echo '{\"ServerURL\":\"'\"$server\"'\",\"Username\":\"me\",\"Secret\":\"se:cret\"}'\n";
    std::fs::write(&helper, script).unwrap();
    std::fs::set_permissions(&helper, std::fs::Permissions::from_mode(0o755)).unwrap();
    crate::ssh::rerun("registry::with_a_helper_on_path", directory.path());
}
