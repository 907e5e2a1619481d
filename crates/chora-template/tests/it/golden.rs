//! Golden outputs of every pattern; each stack resolves without a finding and keeps the rules, each Dockerfile parses.

use std::path::Path;

use chora_syntax::compose::{ResolveRequest, resolve};
use chora_syntax::{MemoryFiles, manifest};
use chora_template::{Answers, Catalogue, ProjectFile, Rendered};
use serde_json::{Value, json};

/// What is answered in each combination, beside the name.
const LANGUAGES: [(&str, &[(&str, &str)]); 6] = [
    ("python-pip", &[("language", "python")]),
    ("python-uv", &[("language", "python"), ("package_manager", "uv")]),
    ("python-poetry", &[("language", "python"), ("package_manager", "poetry")]),
    ("node", &[("language", "node")]),
    ("go", &[("language", "go")]),
    ("rust", &[("language", "rust")]),
];
/// One of each language.
const FOUR: [usize; 4] = [1, 3, 4, 5];
const ALL: [usize; 6] = [0, 1, 2, 3, 4, 5];

type Variant<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a [usize]);

/// A pattern, what is answered beside name and language, and the languages; none where it asks for none.
const VARIANTS: &[Variant<'_>] = &[
    ("minimal", &[], &ALL),
    ("minimal", &[("health_path", ""), ("secrets", "api_key db-password"), ("description", "\"quoted\" $HOME: #1")], &ALL),
    ("mcp-server", &[("transport", "http")], &ALL),
    ("mcp-server", &[("transport", "stdio"), ("secrets", "api_key")], &ALL),
    ("full-stack", &[("migrate", "/app/migrate up $ONE")], &ALL),
    ("full-stack", &[("redis", "no"), ("secrets", "postgres_password api_key")], &ALL),
    ("minimal", &[("ci", "github")], &FOUR),
    ("full-stack", &[("ci", "github"), ("secrets", "api_key"), ("migrate", "/app/migrate up")], &FOUR),
    ("mcp-server", &[("ci", "gitlab"), ("secrets", "api_key")], &FOUR),
    ("full-stack", &[("ci", "gitlab")], &[1]),
    ("github-actions", &[], &[]),
    ("github-actions", &[("environments", ""), ("deployed", "production"), ("test_command", "make test")], &[]),
    ("gitlab-ci", &[], &[]),
    ("gitlab-ci", &[("deployed", "production"), ("test_command", "make test")], &[]),
    ("hot-reload", &[], &FOUR),
    ("feature-branch", &[], &FOUR),
    ("production", &[("host", "shop.example"), ("acme_contact", "ops@shop.example")], &FOUR),
    ("project-scoped", &[("block", "20100")], &FOUR),
    ("hybrid", &[], &[]),
    ("hybrid", &[("redis", "no"), ("postgres_port", "15432")], &[]),
    ("shared-services", &[("databases", "shop crm")], &[]),
    ("shared-services", &[("redis", "no")], &[]),
    ("multi-mcp", &[], &FOUR),
    ("multi-mcp", &[("transport", "stdio"), ("secrets", "api_key"), ("ci", "github")], &[3]),
    ("codebase-mcp", &[], &FOUR),
    ("codebase-mcp", &[("migrations", ""), ("ci", "gitlab")], &[1]),
    ("worker", &[("ci", "github")], &FOUR),
    ("monitoring", &[], &[]),
    ("monitoring", &[("grafana", "no"), ("targets", "")], &[]),
    ("library", &[("ci", "github")], &FOUR),
    ("library", &[("ci", "gitlab")], &[1]),
    ("mcp-server", &[("transport", "stdio"), ("reload", "yes")], &[1]),
    ("codebase-mcp", &[("replicas", "3"), ("reload", "yes")], &FOUR),
    ("minimal", &[("dependencies", "pyproject.toml"), ("ci", "github"), ("tests", "yes")], &[0]),
];

struct Combination {
    name: String,
    files: Rendered,
}

fn text_of(file: &ProjectFile) -> &str {
    file.text().expect("a text")
}

fn combinations() -> Vec<Combination> {
    let catalogue = Catalogue::built_in().expect("the catalogue");
    let mut all = Vec::new();
    for (index, (pattern, variant, languages)) in VARIANTS.iter().enumerate() {
        let languages: Vec<(&str, &[(&str, &str)])> = match languages {
            [] => vec![("any", &[])],
            some => some.iter().map(|language| LANGUAGES[*language]).collect(),
        };
        for (language, answers) in languages {
            let pattern = catalogue.find(pattern).expect("the pattern");
            let given = [("name", "notes")].iter().chain(answers).chain(*variant);
            let given = given.map(|(name, answer)| ((*name).to_owned(), Value::from(*answer))).collect();
            let answers = catalogue.settle(pattern, &given, &Answers::new()).expect("answers");
            let files = catalogue.render(pattern, &answers).expect("files");
            all.push(Combination { name: format!("{}-{index}-{language}", pattern.name), files });
        }
    }
    assert!(all.len() >= 60, "{} combinations", all.len());
    all
}

#[test]
fn every_combination_writes_what_it_wrote() {
    for Combination { name, files } in combinations() {
        let text: String =
            files.iter().map(|(path, file)| format!("==> {path}{}\n{}", if file.executable { " +x" } else { "" }, text_of(file))).collect();
        insta::with_settings!({ snapshot_suffix => name, omit_expression => true }, { insta::assert_snapshot!("golden", text) });
    }
}

#[test]
fn every_pattern_is_among_them() {
    let catalogue = Catalogue::built_in().expect("the catalogue");
    for pattern in catalogue.patterns() {
        assert!(VARIANTS.iter().any(|(name, ..)| *name == pattern.name), "{}", pattern.name);
    }
}

#[test]
fn texts_are_clean() {
    for Combination { name, files } in combinations() {
        for (path, file) in files {
            let text = text_of(&file);
            assert!(text.ends_with('\n') && !text.ends_with("\n\n"), "{name} {path} ends with one line end:\n{text}");
            for (number, line) in text.lines().enumerate() {
                assert_eq!(line.trim_end(), line, "{name} {path}:{} ends with a space", number + 1);
            }
            assert!(!text.contains("\n\n\n") && !text.contains("{%"), "{name} {path}:\n{text}");
            assert_eq!(file.executable, path.ends_with(".sh"), "{name} {path}");
        }
    }
}

/// The stacks of a combination, each with the name of its environment.
fn stacks(Combination { name, files }: &Combination) -> Vec<(String, Value)> {
    let Some(chora) = files.get("chora.yaml") else { return Vec::new() };
    let root = Path::new("/project");
    let memory = files.iter().fold(MemoryFiles::default(), |memory, (path, file)| memory.with(root.join(path), text_of(file).to_owned()));
    let chora = manifest::parse(text_of(chora), "chora.yaml").unwrap_or_else(|found| panic!("{name}: {}", found.render(false)));
    let stack = |(environment, settings): (&String, &manifest::Environment)| {
        assert_eq!(settings.compose_files.len(), 2, "{name} {environment}");
        for file in &settings.compose_files {
            assert!(files.contains_key(file.as_str()), "{name} {environment}: {file}");
        }
        let compose_files = settings.compose_files.iter().map(|file| root.join(file)).collect();
        let profiles = vec!["tests".to_owned()];
        let request = ResolveRequest { project_dir: root.to_owned(), compose_files, profiles, ..ResolveRequest::default() };
        let resolved = resolve(&memory, &request).unwrap_or_else(|found| panic!("{name} {environment}: {}", found.render(false)));
        assert!(chora.services.keys().all(|service| resolved.canonical["services"][service].is_object()), "{name} {environment}");
        (environment.clone(), resolved.canonical)
    };
    chora.environments.iter().map(stack).collect()
}

#[test]
fn every_stack_resolves_and_keeps_the_rules() {
    for combination in combinations() {
        let name = &combination.name;
        for (environment, stack) in stacks(&combination) {
            let is_careful = ["staging", "production"].contains(&environment.as_str());
            for (service, settings) in stack["services"].as_object().unwrap() {
                let name = format!("{name} {environment} {service}");
                assert_eq!(settings["cap_drop"], json!(["ALL"]), "{name}");
                assert_eq!(settings["security_opt"], json!(["no-new-privileges:true"]), "{name}");
                assert_eq!(settings["logging"]["options"]["max-size"], "10m", "{name}");
                assert_eq!(settings["deploy"]["resources"]["limits"]["memory"].is_string(), is_careful, "{name}: {settings:#}");
                for port in settings["ports"].as_array().into_iter().flatten() {
                    assert_eq!(port["host_ip"], "127.0.0.1", "{name}");
                }
                let image = settings["image"].as_str().unwrap();
                assert!(image.contains(':') && !image.ends_with(":latest"), "{name} {image}");
            }
            let service = &stack["services"]["notes"];
            if service.is_object() {
                let is_published = environment != "test" && !name.starts_with("worker") && !(is_careful && name.starts_with("production"));
                assert_eq!(service["ports"].is_array(), is_published, "{name} {environment}");
                assert_eq!(service["read_only"] == true, is_careful, "{name} {environment}");
            }
            assert_eq!(stack["services"]["tests"].is_object(), environment == "test" && combination.files.contains_key("Dockerfile.test"));
            if name.starts_with("full-stack") || name.starts_with("project-scoped") {
                check_stores(&format!("{name} {environment}"), &stack, is_careful, environment == "test");
            }
        }
    }
}

/// Stores are reached by the service alone, and keep their data wherever it is no test.
fn check_stores(name: &str, stack: &Value, is_careful: bool, is_test: bool) {
    let has_redis = !name.starts_with("full-stack-5");
    let at = |path: &str| stack.pointer(path).unwrap_or(&Value::Null);
    assert_eq!(at("/networks/data/internal"), true, "{name}");
    assert_eq!(at("/services/redis").is_object(), has_redis, "{name}");
    let migrates = at("/services/migrate").is_object();
    for client in ["notes", "tests"].into_iter().filter(|client| at(&format!("/services/{client}")).is_object()) {
        let of = |path: &str| at(&format!("/services/{client}/depends_on/{path}/condition"));
        assert_eq!(of("postgres"), "service_healthy", "{name} {client}");
        assert_eq!(of("migrate") == "service_completed_successfully", migrates, "{name} {client}");
    }
    for store in ["postgres", "redis"].into_iter().filter(|store| has_redis || *store == "postgres") {
        let of = |path: &str| at(&format!("/services/{store}/{path}"));
        assert!(of("ports").is_null() && of("healthcheck/test").is_array(), "{name} {store}");
        assert_eq!(of("networks"), &json!({"data": null}), "{name} {store}");
        let data = if store == "redis" { "/data" } else { "/var/lib/postgresql/data" };
        let is_in_memory = of("tmpfs").as_array().is_some_and(|paths| paths.iter().any(|path| path == data));
        assert_eq!((of("volumes").is_array(), is_in_memory), (!is_test, is_test), "{name} {store}");
        assert_eq!(of("restart"), if is_careful { "unless-stopped" } else { "no" }, "{name} {store}");
    }
}

/// The environments of one combination publish no port twice, so that all can run on one machine.
#[test]
fn environments_with_a_block_of_ports_stand_side_by_side() {
    for combination in combinations().iter().filter(|combination| combination.name.starts_with("project-scoped")) {
        let published = |stack: &Value| stack["services"]["notes"]["ports"][0]["published"].as_str().map(str::to_owned);
        let ports: Vec<String> = stacks(combination).iter().filter_map(|(_, stack)| published(stack)).collect();
        assert_eq!(ports, ["20100", "20101", "20102"], "{}", combination.name);
    }
}

#[test]
fn what_the_guide_of_shared_stores_tells_a_project_resolves() {
    for combination in combinations().iter().filter(|combination| combination.name.starts_with("shared-services")) {
        let guide = text_of(&combination.files["docs/DOCKER_SETUP.md"]);
        let told = guide.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next()).expect("an example");
        let root = Path::new("/project");
        let memory = MemoryFiles::default().with(root.join("a.yaml"), "services: {app: {image: 'app:1'}}\n".to_owned());
        let memory = memory.with(root.join("b.yaml"), told.to_owned());
        let compose_files = vec![root.join("a.yaml"), root.join("b.yaml")];
        let request = ResolveRequest { project_dir: root.to_owned(), compose_files, ..ResolveRequest::default() };
        let resolved = resolve(&memory, &request).unwrap_or_else(|found| panic!("{}: {}", combination.name, found.render(false)));
        let stack = |wanted: &str| stacks(combination).into_iter().find(|(name, _)| name == wanted).expect("the environment").1;
        assert_eq!(resolved.canonical["networks"]["shared"]["name"], stack("production")["networks"]["shared"]["name"]);
        assert_eq!(stack("production")["services"]["postgres"]["networks"]["shared"]["aliases"], json!(["shared-postgres"]));
    }
}

#[test]
fn every_dockerfile_keeps_the_rules() {
    for Combination { name, files } in combinations() {
        let Some(text) = files.get("Dockerfile").map(text_of) else { continue };
        parse_dockerfile::parse(text).unwrap_or_else(|error| panic!("{name}: {error}\n{text}"));
        let last = text.rsplit("\nFROM ").next().unwrap();
        assert_eq!(text.matches("FROM ").count(), 2, "{name}: two stages");
        assert!(last.contains("\nUSER 10001:10001\n") && last.contains("org.opencontainers.image.revision"), "{name}:\n{text}");
        assert!(!text.contains("curl") && !text.contains(":latest"), "{name}:\n{text}");
        let listens = !name.starts_with("worker") && !text_of(&files["chora.yaml"]).contains("bridge: true");
        assert_eq!(text.contains("HEALTHCHECK"), listens, "{name}: all have one but workers and standard streams");
        let dependencies = text.find("--mount=type=cache").unwrap();
        assert!(dependencies < text.find("COPY . .").unwrap(), "{name}: dependencies come before the source");
        let Some(tests) = files.get("Dockerfile.test").map(text_of) else { continue };
        parse_dockerfile::parse(tests).unwrap_or_else(|error| panic!("{name}: {error}\n{tests}"));
        assert!(tests.contains("\nUSER 10001:10001\n"), "{name}:\n{tests}");
    }
}
