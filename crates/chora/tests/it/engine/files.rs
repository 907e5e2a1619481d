//! Configs and secrets: they arrive as they are, and a secret's value is nowhere else.

use std::fs;

use super::site::Site;

const VALUE: &str = "correct-horse-battery";

const WITH_FILES: &str = r#"
services:
  web:
    image: ${IMAGE}
    environment: { VERSION: "${RELEASE}" }
    ports: ["127.0.0.1:${PORT}:8080"]
    read_only: true
    user: "65534:65534"
    configs: [{ source: settings, target: /etc/settings.toml }]
    secrets: [token]
configs:
  settings: { content: "release = '${RELEASE}'\n" }
secrets:
  token: { file: token.txt }
"#;

#[test]
fn configs_and_secrets_arrive_in_a_read_only_container() {
    let site = Site::new(WITH_FILES, "");
    site.chora.write("token.txt", VALUE);
    let deployed = site.chora.run(["deploy", "--version", "v1", "-vv"]);
    assert_eq!(deployed.code, 0, "{deployed}");
    assert_eq!(site.get("/file?path=/etc/settings.toml"), (200, "release = 'v1'\n".to_owned()));
    assert_eq!(site.get("/file?path=/run/secrets/token"), (200, VALUE.to_owned()));
    assert_eq!(site.running("web")["HostConfig"]["ReadonlyRootfs"], true);

    let spoken = [
        deployed.to_string(),
        site.chora.run(["health", "--json", "-vv"]).to_string(),
        site.chora.run(["config"]).to_string(),
        site.chora.run(["plan", "--recreate", "--json"]).to_string(),
        site.chora.run(["status", "--json"]).to_string(),
        site.chora.run(["history", "--json"]).to_string(),
        site.chora.run(["events", "--json"]).to_string(),
        site.running("web").to_string(),
    ];
    for text in spoken {
        assert!(!text.contains(VALUE), "{text}");
    }
    assert!(!contains(&site.chora.path().join(".chora"), VALUE), "the store holds the secret");
    let health = site.json(&["health"]);
    let configuration = health["checks"]
        .as_array()
        .unwrap()
        .iter()
        .find(|check| check["level"] == "configuration" && check["service"] == "web")
        .unwrap()
        .clone();
    assert_eq!(configuration["verdict"], "pass", "{health:#}");
}

#[test]
fn a_secret_may_come_from_a_variable_of_the_env_file() {
    let compose = WITH_FILES.replace("token: { file: token.txt }", "token: { environment: SEALED }");
    let site = Site::new(&compose, "");
    site.set(&[("RELEASE", "v1"), ("SEALED", VALUE)]);
    assert_eq!(site.deploy("v1").code, 0);
    assert_eq!(site.get("/file?path=/run/secrets/token"), (200, VALUE.to_owned()));
    assert!(!site.running("web").to_string().contains(VALUE));
}

#[test]
fn a_changed_secret_is_a_changed_service() {
    let site = Site::new(WITH_FILES, "");
    site.chora.write("token.txt", VALUE);
    site.release("v1");
    let before = site.running("web")["Id"].clone();
    site.chora.write("token.txt", "another value");
    assert_eq!(site.deploy("v2").code, 0);
    assert_ne!(site.running("web")["Id"], before);
    assert_eq!(site.get("/file?path=/run/secrets/token"), (200, "another value".to_owned()));
    // The retained container still holds the value that it was released with.
    let back = site.chora.run(["rollback"]);
    assert_eq!(back.code, 0, "{back}");
    assert_eq!(site.get("/file?path=/run/secrets/token"), (200, VALUE.to_owned()));
}

fn contains(folder: &std::path::Path, value: &str) -> bool {
    fs::read_dir(folder).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() {
            return contains(&path, value);
        }
        fs::read(&path).unwrap().windows(value.len()).any(|window| window == value.as_bytes())
    })
}
