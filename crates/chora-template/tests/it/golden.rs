//! Golden outputs of every pattern and language; each resolves without a finding, each Dockerfile parses.

use std::path::Path;

use chora_syntax::compose::{ResolveRequest, resolve};
use chora_syntax::{MemoryFiles, manifest};
use chora_template::{Answers, Catalogue, Rendered};
use serde_json::Value;

/// What is answered in each combination, beside the name.
const LANGUAGES: [(&str, &[(&str, &str)]); 6] = [
    ("python-pip", &[("language", "python")]),
    ("python-uv", &[("language", "python"), ("package_manager", "uv")]),
    ("python-poetry", &[("language", "python"), ("package_manager", "poetry")]),
    ("node", &[("language", "node")]),
    ("go", &[("language", "go")]),
    ("rust", &[("language", "rust")]),
];

fn given(pairs: &[(&str, &str)]) -> Answers {
    [("name", "notes")].iter().chain(pairs).map(|(name, answer)| ((*name).to_owned(), Value::from(*answer))).collect()
}

/// Every combination, by its name.
fn combinations() -> Vec<(String, Rendered)> {
    let catalogue = Catalogue::built_in().expect("the catalogue");
    let variants: [(&str, &[(&str, &str)]); 6] = [
        ("minimal", &[]),
        ("minimal", &[("health_path", ""), ("secrets", "api_key db-password"), ("description", "\"quoted\" $HOME: #1")]),
        ("mcp-server", &[("transport", "http")]),
        ("mcp-server", &[("transport", "stdio"), ("secrets", "api_key")]),
        ("full-stack", &[("migrate", "/app/migrate up $ONE")]),
        ("full-stack", &[("redis", "no"), ("secrets", "postgres_password api_key")]),
    ];
    let mut all = Vec::new();
    for (index, (pattern, variant)) in variants.into_iter().enumerate() {
        for (language, answers) in LANGUAGES {
            let pattern = catalogue.find(pattern).expect("the pattern");
            let given = given(&[answers, variant].concat());
            let answers = catalogue.settle(pattern, &given, &Answers::new()).expect("answers");
            all.push((format!("{}-{index}-{language}", pattern.name), catalogue.render(pattern, &answers).expect("files")));
        }
    }
    all
}

#[test]
fn every_combination_writes_what_it_wrote() {
    for (name, files) in combinations() {
        let text: String =
            files.iter().map(|(path, file)| format!("==> {path}{}\n{}", if file.executable { " +x" } else { "" }, file.text)).collect();
        insta::with_settings!({ snapshot_suffix => name, omit_expression => true }, { insta::assert_snapshot!("golden", text) });
    }
}

#[test]
fn texts_are_clean() {
    for (name, files) in combinations() {
        for (path, file) in files {
            assert!(file.text.ends_with('\n') && !file.text.ends_with("\n\n"), "{name} {path} ends with one line end:\n{}", file.text);
            for (number, line) in file.text.lines().enumerate() {
                assert_eq!(line.trim_end(), line, "{name} {path}:{} ends with a space", number + 1);
            }
            assert!(!file.text.contains("\n\n\n") && !file.text.contains("{%"), "{name} {path}:\n{}", file.text);
        }
    }
}

#[test]
fn every_stack_resolves_in_every_environment() {
    for (name, files) in combinations() {
        let root = Path::new("/project");
        let memory = files.iter().fold(MemoryFiles::default(), |memory, (path, file)| memory.with(root.join(path), file.text.clone()));
        let chora =
            manifest::parse(&files["chora.yaml"].text, "chora.yaml").unwrap_or_else(|found| panic!("{name}: {}", found.render(false)));
        assert_eq!(chora.environments.len(), 4);
        for (environment, settings) in &chora.environments {
            assert_eq!(settings.compose_files.len(), 2, "{name} {environment}");
            for file in &settings.compose_files {
                assert!(files.contains_key(file.as_str()), "{name} {environment}: {file}");
            }
            let compose_files = settings.compose_files.iter().map(|file| root.join(file)).collect();
            let request = ResolveRequest { project_dir: root.to_owned(), compose_files, ..ResolveRequest::default() };
            let resolved = resolve(&memory, &request).unwrap_or_else(|found| panic!("{name} {environment}: {}", found.render(false)));
            let service = &resolved.canonical["services"]["notes"];
            assert_eq!(service["cap_drop"], serde_json::json!(["ALL"]), "{name} {environment}");
            let is_careful = ["staging", "production"].contains(&environment.as_str());
            assert_eq!(service["deploy"]["resources"]["limits"]["memory"].is_string(), is_careful, "{name} {environment}: {service:#}");
            assert_eq!(service["ports"].is_array(), environment != "test", "{name} {environment}");
            for port in service["ports"].as_array().into_iter().flatten() {
                assert_eq!(port["host_ip"], "127.0.0.1", "{name} {environment}");
            }
            if name.starts_with("full-stack") {
                check_stores(&format!("{name} {environment}"), &resolved.canonical, is_careful, environment == "test");
            }
        }
    }
}

/// Stores are reached by the service alone, and keep their data wherever it is no test.
fn check_stores(name: &str, stack: &Value, is_careful: bool, is_test: bool) {
    let is_first = name.starts_with("full-stack-4");
    let at = |path: &str| stack.pointer(path).unwrap_or(&Value::Null);
    assert_eq!(at("/networks/data/internal"), true, "{name}");
    assert_eq!(at("/services/redis").is_object(), is_first, "{name}");
    assert_eq!(at("/services/notes/depends_on/postgres/condition"), "service_healthy", "{name}");
    assert_eq!(at("/services/notes/depends_on/migrate/condition") == "service_completed_successfully", is_first, "{name}");
    for store in ["postgres", "redis"].into_iter().filter(|store| is_first || *store == "postgres") {
        let of = |path: &str| at(&format!("/services/{store}/{path}"));
        assert!(of("ports").is_null() && of("healthcheck/test").is_array(), "{name} {store}");
        assert_eq!(of("networks"), &serde_json::json!({"data": null}), "{name} {store}");
        assert_eq!((of("volumes").is_array(), of("tmpfs").is_array()), (!is_test, is_test), "{name} {store}");
        assert_eq!(of("deploy/resources/limits/memory").is_string(), is_careful, "{name} {store}");
        assert_eq!(of("restart"), if is_careful { "unless-stopped" } else { "no" }, "{name} {store}");
    }
}

#[test]
fn every_dockerfile_keeps_the_rules() {
    for (name, files) in combinations() {
        let text = &files["Dockerfile"].text;
        parse_dockerfile::parse(text).unwrap_or_else(|error| panic!("{name}: {error}\n{text}"));
        let last = text.rsplit("\nFROM ").next().unwrap();
        assert_eq!(text.matches("FROM ").count(), 2, "{name}: two stages");
        assert!(last.contains("\nUSER 10001:10001\n") && last.contains("org.opencontainers.image.revision"), "{name}:\n{text}");
        assert!(!text.contains("curl") && !text.contains(":latest"), "{name}:\n{text}");
        assert_eq!(text.contains("HEALTHCHECK"), !name.contains("-3-"), "{name}: all but standard streams have one");
        let dependencies = text.find("--mount=type=cache").unwrap();
        assert!(dependencies < text.find("COPY . .").unwrap(), "{name}: dependencies come before the source");
    }
}
