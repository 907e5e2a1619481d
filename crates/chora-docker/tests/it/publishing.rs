//! Images on their way out: exported by the engine, pushed to a real registry, named anew there; with logins and tokens.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};

use base64::Engine as _;
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
        assert_eq!(bench.engine.published(&format!("{name}:1")).await.unwrap(), Some(index));
        bench.engine.pull_image(&format!("{name}:1"), None, &|_| {}).await.unwrap();
        // Its id is that of the index where the engine has containerd's image store.
        assert_eq!(bench.engine.image(&format!("{name}:1")).await.unwrap().unwrap().labels, bench.labels());
        let absent = [("linux/arm64".to_owned(), format!("sha256:{}", "0".repeat(64)))];
        let refused = bench.engine.publish_index(&format!("{name}:2"), &absent).await.unwrap_err();
        assert!(matches!(refused, EngineError::PushRefused { .. }), "{refused:?}");
    })
    .await;
}
