//! Images on their way out: exported by the engine, pushed to a real registry, named anew there; with logins and tokens.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};

use base64::Engine as _;
use chora_core::model::digest::Digest;
use chora_core::ports::{Engine, EngineError};
use chora_docker::{DockerEngine, EndpointRequest};
use chora_testkit::docker_registry::{DockerRegistry, LOGIN};
use chora_testkit::engine_contract::run_case;
use futures_util::StreamExt as _;

fn with_login(directory: &std::path::Path, host: &str, login: &serde_json::Value) -> DockerEngine {
    std::fs::write(directory.join("config.json"), serde_json::json!({ "auths": { host: login } }).to_string()).unwrap();
    let request = EndpointRequest {
        explicit: Some(format!("unix://{}", crate::socket().display())),
        docker_config: Some(directory.to_owned()),
        ..EndpointRequest::default()
    };
    DockerEngine::connect(&request).unwrap()
}

fn encoded((name, password): (&str, &str)) -> serde_json::Value {
    let text = base64::engine::general_purpose::STANDARD.encode(format!("{name}:{password}"));
    serde_json::json!({ "auth": text })
}

#[tokio::test]
async fn an_image_is_pushed_and_named_anew_in_the_registry() {
    run_case(crate::engine(), |bench| async move {
        let registry = DockerRegistry::start();
        let name = format!("{}/a/{}", registry.address, bench.unique);
        let reference = format!("{name}:1");
        assert_eq!(bench.engine.published(&reference).await.unwrap(), None);
        bench.engine.tag_image(&bench.image, &reference).await.unwrap();
        let digest = bench.engine.push_image(&reference, &|_| {}).await.unwrap();
        assert_eq!(bench.engine.published(&reference).await.unwrap(), Some(digest.clone()));
        assert_eq!(bench.engine.push_image(&reference, &|_| {}).await.unwrap(), digest, "what is there is not another one");
        let pushed = bench.engine.image(&format!("{name}@{digest}")).await.unwrap().unwrap();
        assert_eq!(pushed.id, Some(bench.image.clone()));
        bench.engine.tag_published(&format!("{name}@{digest}"), "latest").await.unwrap();
        assert_eq!(bench.engine.published(&format!("{name}:latest")).await.unwrap(), Some(digest.clone()));
        let absent = format!("{name}@sha256:{}", "0".repeat(64));
        let refused = bench.engine.tag_published(&absent, "latest").await.unwrap_err();
        assert!(matches!(&refused, EngineError::PushRefused { image, .. } if *image == absent), "{refused:?}");
        let unknown = bench.engine.push_image(&format!("{name}:unknown"), &|_| {}).await.unwrap_err();
        assert!(matches!(unknown, EngineError::NotFound { .. } | EngineError::PushRefused { .. }), "{unknown:?}");
        let nobody = format!("127.0.0.1:1/{}:1", bench.unique);
        bench.engine.tag_image(&bench.image, &nobody).await.unwrap();
        let away = [bench.engine.push_image(&nobody, &|_| {}).await.unwrap_err(), bench.engine.published(&nobody).await.unwrap_err()];
        for error in away {
            assert!(matches!(&error, EngineError::RegistryUnreachable { image, .. } if *image == nobody), "{error:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn an_image_is_exported_with_all_of_its_layers() {
    run_case(crate::engine(), |bench| async move {
        let mut pieces = bench.engine.export_image(bench.image.as_str()).await.unwrap();
        let mut archive = Vec::new();
        while let Some(piece) = pieces.next().await {
            archive.extend_from_slice(&piece.unwrap());
        }
        let mut archive = tar::Archive::new(archive.as_slice());
        let names: Vec<String> = archive.entries().unwrap().map(|entry| entry.unwrap().path().unwrap().display().to_string()).collect();
        assert!(names.contains(&"manifest.json".to_owned()), "{names:?}");
        let absent = bench.engine.export_image("chora-test/absent:1").await.err().unwrap();
        assert!(matches!(absent, EngineError::NotFound { .. }), "{absent:?}");
    })
    .await;
}

#[tokio::test]
async fn a_registry_that_wants_a_login_is_shown_the_stored_one() {
    run_case(crate::engine(), |bench| async move {
        let (registry, directory) = (DockerRegistry::locked(), tempfile::tempdir().unwrap());
        let host = registry.address.to_string();
        let reference = format!("{host}/{}:1", bench.unique);
        bench.engine.tag_image(&bench.image, &reference).await.unwrap();
        let wrong = with_login(directory.path(), &host, &encoded(("me", "hunter2")));
        for engine in [&wrong as &dyn Engine, bench.engine.as_ref()] {
            for refused in [engine.push_image(&reference, &|_| {}).await.err(), engine.published(&reference).await.err()] {
                let refused = refused.unwrap();
                let is_told = matches!(&refused, EngineError::LoginNeeded { registry, .. } if *registry == host);
                assert!(is_told && !format!("{refused:?}").contains("hunter2"), "{refused:?}");
            }
        }
        let engine = with_login(directory.path(), &host, &encoded(LOGIN));
        let digest = engine.push_image(&reference, &|_| {}).await.unwrap();
        assert_eq!(engine.published(&reference).await.unwrap(), Some(digest));
    })
    .await;
}

/// A registry that wants tokens, and the authority that gives them for name and password, or for an identity.
fn token_registry(name_and_password: &str) -> SocketAddr {
    let basic = format!("authorization: basic {}", base64::engine::general_purpose::STANDARD.encode(name_and_password).to_lowercase());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut bytes = [0; 4096];
            let read = stream.read(&mut bytes).unwrap_or(0);
            let head = String::from_utf8_lossy(&bytes[..read]).to_lowercase();
            let (status, more, body) = match head.as_str() {
                head if head.starts_with("get /token?service=r&scope=repository%3aa%2fb%3apull ") && head.contains(&basic) => {
                    ("200 OK", "", "{\"token\": \"t1\"}")
                }
                head if head.starts_with("post /token ") && head.contains("refresh_token=identity") => {
                    ("200 OK", "", "{\"access_token\": \"t1\"}")
                }
                head if head.contains("/token") => ("401 Unauthorized", "", "{\"errors\": [{\"message\": \"who are you\"}]}"),
                head if head.contains("authorization: bearer t1") => ("200 OK", "Docker-Content-Digest: sha256:0\r\n", ""),
                _ => ("401 Unauthorized", "challenge", ""),
            };
            let challenge =
                format!("WWW-Authenticate: Bearer realm=\"http://{address}/token\",service=\"r\",scope=\"repository:a/b:pull\"\r\n");
            let more = if more == "challenge" { &challenge } else { more };
            let _ = write!(stream, "HTTP/1.1 {status}\r\n{more}Content-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len());
        }
    });
    address
}

#[tokio::test]
async fn an_authority_gives_tokens_for_logins_and_identities() {
    let (directory, address) = (tempfile::tempdir().unwrap(), token_registry("me:secret"));
    let (host, reference) = (address.to_string(), format!("{address}/a/b:1"));
    for login in [encoded(("me", "secret")), serde_json::json!({ "identitytoken": "identity" })] {
        let engine = with_login(directory.path(), &host, &login);
        assert_eq!(engine.published(&reference).await.unwrap().as_deref(), Some("sha256:0"));
    }
    let refused = with_login(directory.path(), &host, &encoded(("me", "wrong"))).published(&reference).await.unwrap_err();
    assert!(matches!(&refused, EngineError::LoginNeeded { reason, .. } if reason.ends_with("who are you")), "{refused:?}");
}

#[tokio::test]
async fn an_index_stands_for_manifests_that_are_there() {
    run_case(crate::engine(), |bench| async move {
        let registry = DockerRegistry::start();
        let name = format!("{}/{}", registry.address, bench.unique);
        bench.engine.tag_image(&bench.image, &format!("{name}:1-amd64")).await.unwrap();
        let digest = bench.engine.push_image(&format!("{name}:1-amd64"), &|_| {}).await.unwrap();
        let arch = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
        let manifests = [(format!("linux/{arch}"), digest.clone())];
        let index = bench.engine.publish_index(&format!("{name}:1"), &manifests).await.unwrap();
        assert_eq!(bench.engine.published(&format!("{name}:1")).await.unwrap(), Some(index.clone()));
        for reference in [format!("{name}:1"), format!("{name}@{index}")] {
            let found = bench.engine.published_index(&reference).await.unwrap().unwrap();
            assert_eq!((&found.digest, found.images.len(), &found.images[0].platform), (&index, 1, &manifests[0].0));
            assert_eq!(found.images[0].labels, bench.labels());
            // An engine may have pushed an index of its own, whose manifest it is then.
            assert!(bench.engine.published(&format!("{name}@{}", found.images[0].digest)).await.unwrap().is_some());
        }
        assert_eq!(bench.engine.published_index(&format!("{name}:2")).await.unwrap(), None);
        bench.engine.pull_image(&format!("{name}:1"), None, &|_| {}).await.unwrap();
        // Its id is that of the index where the engine has containerd's image store.
        assert_eq!(bench.engine.image(&format!("{name}:1")).await.unwrap().unwrap().labels, bench.labels());
        let absent = [("linux/arm64".to_owned(), format!("sha256:{}", "0".repeat(64)))];
        let refused = bench.engine.publish_index(&format!("{name}:2"), &absent).await.unwrap_err();
        assert!(matches!(refused, EngineError::PushRefused { .. }), "{refused:?}");
    })
    .await;
}

/// A registry that keeps its blobs elsewhere, where nobody is to be shown a login.
fn sending_on() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let image = r#"{"config": {"Labels": {"a": "b"}}}"#;
    let config = format!("sha256:{}", Digest::of(image.as_bytes()));
    let manifest = format!(r#"{{"schemaVersion": 2, "config": {{"digest": "{config}"}}, "layers": []}}"#);
    let entry = r#"{"digest": "sha256:m", "platform": {"os": "linux", "architecture": "arm", "variant": "v7"}}"#;
    let attestation = r#"{"digest": "sha256:x", "platform": {"os": "unknown", "architecture": "unknown"}}"#;
    let index = |entries: &[&str]| format!(r#"{{"schemaVersion": 2, "manifests": [{}]}}"#, entries.join(", "));
    let (index, attested) = (index(&[entry]), index(&[entry, attestation]));
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut bytes = [0; 4096];
            let read = stream.read(&mut bytes).unwrap_or(0);
            let head = String::from_utf8_lossy(&bytes[..read]).to_lowercase();
            let knows = head.contains("authorization:");
            let (status, more, body) = match head.split(' ').nth(1).unwrap_or_default() {
                "/elsewhere" if !knows => ("200 OK", String::new(), image),
                "/elsewhere" => ("400 Bad Request", String::new(), ""),
                _ if !knows => ("401 Unauthorized", "WWW-Authenticate: Basic realm=\"r\"\r\n".to_owned(), ""),
                "/v2/a/b/manifests/1" => ("200 OK", String::new(), index.as_str()),
                "/v2/a/b/manifests/2" | "/v2/a/b/manifests/sha256:m" => ("200 OK", String::new(), manifest.as_str()),
                "/v2/a/b/manifests/4" => ("200 OK", String::new(), attested.as_str()),
                path if path.strip_prefix("/v2/a/b/blobs/") == Some(config.as_str()) => {
                    ("307 Temporary Redirect", format!("Location: http://{address}/elsewhere\r\n"), "")
                }
                _ => ("404 Not Found", String::new(), ""),
            };
            let _ = write!(stream, "HTTP/1.1 {status}\r\n{more}Content-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len());
        }
    });
    address
}

#[tokio::test]
async fn an_index_is_read_from_where_a_registry_keeps_it() {
    let (directory, address) = (tempfile::tempdir().unwrap(), sending_on());
    let engine = with_login(directory.path(), &address.to_string(), &encoded(("me", "secret")));
    let named = |tag: u8| format!("{address}/a/b:{tag}");
    let index = engine.published_index(&named(1)).await.unwrap().unwrap();
    let image = &index.images[0];
    assert_eq!((image.platform.as_str(), image.digest.as_str(), image.labels["a"].as_str()), ("linux/arm/v7", "sha256:m", "b"));
    assert_eq!(engine.published_images(&named(1)).await.unwrap(), index.images);
    assert_eq!(engine.published_index(&named(2)).await.unwrap(), None, "a manifest is no index");
    assert_eq!(engine.published_index(&named(3)).await.unwrap(), None);
    // What is no image is in the index all the same; nobody looks into it.
    let attested = engine.published_index(&named(4)).await.unwrap().unwrap();
    assert_eq!((attested.images.len(), attested.images[1].platform.as_str()), (2, "unknown/unknown"));
    assert_eq!(engine.published_images(&named(4)).await.unwrap(), index.images);
}
