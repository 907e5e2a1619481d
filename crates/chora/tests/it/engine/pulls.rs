//! `pull_policy` with an age, and builds without `BuildKit`.

use std::time::Duration;

use chora_testkit::registry::Registry;
use chora_testkit::test_image::{TestImage, server_program};
use serde_json::Value;

use super::daemon::Daemon;
use super::site::Site;
use crate::support::Chora;

/// A project whose image is pulled; the policy is `${POLICY}`.
const PULLED: &str = r#"
services:
  web:
    image: ${PULLED}
    pull_policy: ${POLICY}
    environment: { CHANGED: "${CHANGED:-}" }
    ports: ["127.0.0.1:${PORT}:8080"]
    stop_grace_period: 1s
"#;

#[test]
fn an_image_is_pulled_again_when_it_is_older_than_its_policy_allows() {
    let site = Site::new(PULLED, "");
    let image = |version: &str| TestImage {
        tag: format!("{}:{version}", site.name),
        environment: vec![format!("VERSION={version}")],
        // Removed with what the project built.
        labels: [("com.docker.compose.project".to_owned(), site.project())].into(),
        ..TestImage::default()
    };
    let registry = Registry::start(&image("first"), None);
    let reference = format!("{}/{}:1", registry.address, site.name);
    let mut asked = 0;
    let mut deploy = |policy: &str, is_pulled: bool| {
        // Something else changes too, so that there is always something to deploy.
        site.set(&[("PULLED", &reference), ("POLICY", policy), ("CHANGED", policy)]);
        let ran = site.deploy(policy);
        assert_eq!(ran.code, 0, "{ran}");
        assert_eq!(registry.asked() > asked, is_pulled, "{policy}");
        asked = registry.asked();
    };
    let looked_at = || {
        let (status, answer) = Daemon::given().ask("GET", &format!("/images/{reference}/json"), &[]);
        assert_eq!(status, 200, "{answer}");
        serde_json::from_str::<Value>(&answer).unwrap()["Metadata"]["LastTagTime"].as_str().unwrap().to_owned()
    };
    let second = || std::thread::sleep(Duration::from_millis(1100));
    deploy("every_1h", true);
    let first = looked_at();
    second();
    deploy("daily", false);
    assert_eq!(looked_at(), first);
    deploy("every_1s", true);
    assert_ne!(looked_at(), first, "nothing was new, and yet it counts as looked at");
    registry.put(&image("second"));
    second();
    deploy("weekly", false);
    assert_eq!(site.get("/"), (200, "first".to_owned()));
    deploy("every_0m1s", true);
    assert_eq!(site.get("/"), (200, "second".to_owned()));
    deploy("always", true);
}

const BUILT: &str = r#"
services:
  web:
    build:
      context: context
      target: wanted
      args: { VERSION: "${RELEASE}" }
      labels: { from.section: "yes" }
    ports: ["127.0.0.1:${PORT}:8080"]
    stop_grace_period: 1s
"#;

const DOCKERFILE: &str = "FROM scratch AS base\nARG VERSION\nCOPY . /\nENV VERSION=$VERSION\nENTRYPOINT [\"/server\"]\n\
    FROM base AS wanted\nFROM base AS last\nENV VERSION=last\n";

#[test]
fn a_project_is_built_without_buildkit() {
    let mut site = Site::new(BUILT, "");
    site.chora = std::mem::replace(&mut site.chora, Chora::new()).env("DOCKER_BUILDKIT", "0");
    site.chora.write("context/Dockerfile", DOCKERFILE);
    site.chora.write("context/.dockerignore", "*.key\n!kept.key\n");
    site.chora.write("context/lost.key", "lost");
    site.chora.write("context/kept.key", "kept");
    std::fs::copy(server_program(), site.chora.path().join("context/server")).unwrap();
    site.release("v1");
    assert_eq!(site.get("/"), (200, "v1".to_owned()));
    assert_eq!(site.get("/file?path=/kept.key"), (200, "kept".to_owned()));
    assert_eq!(site.get("/file?path=/lost.key").0, 404);
    assert_eq!(site.get("/file?path=/.chora.Dockerfile").0, 404);
    assert_eq!(site.get("/file?path=/.dockerignore"), (200, "*.key\n!kept.key\n\n.chora.Dockerfile\n".to_owned()));
    let web = site.running("web");
    assert_eq!(web["Config"]["Labels"]["from.section"], "yes");

    site.chora.write("context/Dockerfile", DOCKERFILE.replace("COPY . /", "COPY absent /"));
    let failed = site.deploy("v2");
    assert_ne!(failed.code, 0, "{failed}");
    assert!(failed.stderr.contains("build of `web` failed") && failed.stderr.contains("absent"), "{failed}");
    site.chora.write(
        "compose.yaml",
        format!("name: {}\n{}", site.name, BUILT.replace("    ports", "      secrets: [token]\n    ports"))
            + "secrets: { token: { file: token.txt } }\n",
    );
    site.chora.write("token.txt", "correct-horse-battery");
    let refused = site.deploy("v2");
    assert_eq!(refused.code, 64, "{refused}");
    assert!(refused.stderr.contains("secrets (this engine has no BuildKit)"), "{refused}");
    assert_eq!(site.get("/"), (200, "v1".to_owned()));
}

/// The engine keeps what it has had of a context, and compares by size and time: a change of the same size is one, too.
#[test]
fn what_is_copied_is_the_context_as_it_is_now() {
    let site = Site::new(BUILT, "");
    site.chora.write("context/Dockerfile", DOCKERFILE);
    site.chora.write("context/.dockerignore", "*.key\n!kept/*.key\n");
    site.chora.write("context/lost.key", "lost");
    site.chora.write("context/kept/a.key", "kept");
    site.chora.write("context/note", "one");
    std::fs::copy(server_program(), site.chora.path().join("context/server")).unwrap();
    site.release("v1");
    let got = |path: &str| site.get(&format!("/file?path={path}"));
    assert_eq!((got("/note"), got("/kept/a.key")), ((200, "one".to_owned()), (200, "kept".to_owned())));
    assert_eq!([got("/lost.key").0, got("/.chora.Dockerfile").0], [404, 404]);
    assert_eq!(got("/Dockerfile").0, 200, "the context has one of its own");
    site.chora.write("context/note", "two");
    std::fs::remove_file(site.chora.path().join("context/kept/a.key")).unwrap();
    site.release("v2");
    assert_eq!((got("/note"), got("/kept/a.key").0), ((200, "two".to_owned()), 404));
}
