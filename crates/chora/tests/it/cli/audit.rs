//! `chora audit`: what `init` writes, a bad project, a project in the founding style, nothing at all; as text, JSON and Markdown.

use std::path::Path;

use crate::support::Chora;
use insta::assert_snapshot;

/// Files of a project, one after the other: `==> PATH`, then its text.
fn project(files: &str) -> Chora {
    files.split("==> ").skip(1).fold(Chora::new(), |project, file| {
        let (path, text) = file.split_once('\n').unwrap();
        project.file(path, text)
    })
}

/// Nearly everything wrong.
const BAD: &str = r#"==> Dockerfile
FROM python
ARG GITHUB_TOKEN
ENV DB_PASSWORD=hunter2
WORKDIR /app
COPY . .
RUN apt-get update && apt-get install -y gcc curl
RUN pip install -r requirements.txt
HEALTHCHECK CMD curl -f http://localhost:8000/ || exit 1
CMD python app.py
==> docker-compose.yml
version: "3.8"
services:
  web:
    build: .
    privileged: true
    ports:
      - "8000:8000"
    volumes:
      - .:/app
      - /var/run/docker.sock:/var/run/docker.sock
    environment:
      - DATABASE_URL=postgres://app:hunter2@db:5432/app
      - LOG_LEVEL=${LOG_LEVEL}
    depends_on:
      - db
  db:
    image: postgres
    environment:
      POSTGRES_PASSWORD: hunter2
    ports:
      - "5432:5432"
==> requirements.txt
flask
"#;

/// As the first projects were set up: a stack of three, one file for tests, the server's health asked by `pgrep`.
const FOUNDING: &str = r#"==> Dockerfile
# Builder
FROM python:3.12-slim AS builder
WORKDIR /build
RUN apt-get update && apt-get install -y --no-install-recommends build-essential && rm -rf /var/lib/apt/lists/*
COPY requirements.txt .
RUN pip install --no-cache-dir --prefix=/install -r requirements.txt

# Runtime
FROM python:3.12-slim
RUN groupadd -r mcp && useradd -r -g mcp mcp
WORKDIR /app
COPY --from=builder /install /usr/local
COPY --chown=mcp:mcp . .
USER mcp
HEALTHCHECK --interval=30s --timeout=10s --retries=3 CMD pgrep -f "python.*server" || exit 1
ENTRYPOINT ["/app/scripts/docker/entrypoint.sh"]
CMD ["python", "-m", "server"]
==> docker-compose.yml
services:
  postgresql:
    image: postgres:14
    environment:
      POSTGRES_USER: mcp
      POSTGRES_PASSWORD: mcp_password
    ports:
      - "5432:5432"
    volumes:
      - postgres_data:/var/lib/postgresql/data
    healthcheck:
      test: ["CMD-SHELL", "pg_isready -U mcp"]
      interval: 5s
      timeout: 5s
      retries: 5
  ollama:
    image: ollama/ollama:latest
    ports:
      - "11434:11434"
    volumes:
      - ollama_data:/root/.ollama
    healthcheck:
      test: ["CMD", "curl", "-f", "http://localhost:11434/"]
      interval: 10s
      timeout: 5s
      retries: 5
      start_period: 30s
  codebase-mcp:
    build: .
    environment:
      DATABASE_URL: postgresql+asyncpg://mcp:mcp_password@postgresql:5432/mcp
      OLLAMA_HOST: http://ollama:11434
    volumes:
      - .:/workspace:cached
    depends_on:
      postgresql:
        condition: service_healthy
      ollama:
        condition: service_healthy
volumes:
  postgres_data:
  ollama_data:
==> docker-compose.test.yml
services:
  test-postgresql:
    image: postgres:14
    tmpfs: [/var/lib/postgresql/data]
    environment:
      POSTGRES_PASSWORD: test
    networks: [test-network]
  test-mcp:
    build: .
    networks: [test-network]
networks:
  test-network:
==> .dockerignore
.git
.env
.env.*
!.env.example
__pycache__
==> .env.example
REQUIRED=
==> .gitignore
.env
==> docs/deployment/DOCKER_SETUP.md
# Quick start
==> .github/workflows/test.yml
on: push
jobs:
  test:
    runs-on: ubuntu-latest
    steps:
      - run: pytest
==> requirements.txt
fastmcp
asyncpg
"#;

#[test]
fn what_init_writes_is_near_100_percent() {
    let cases: [(&str, &[&str]); 4] = [
        ("minimal", &[]),
        ("mcp-http", &["--pattern", "mcp-server"]),
        ("mcp-stdio", &["--pattern", "mcp-server", "--set", "transport=stdio"]),
        ("full-stack", &["--pattern", "full-stack", "--set", "migrate=/app/migrate up"]),
    ];
    for (name, pattern) in cases {
        for language in ["python", "node", "go", "rust"] {
            let project = Chora::new();
            let language_is = format!("language={language}");
            let ran = project.run([&["init", "--set", "name=notes", "--set", &language_is], pattern].concat());
            assert_eq!(ran.code, 0, "{ran}");
            let audit = project.run(["audit", "--json"]).json();
            assert!(audit["percent"].as_u64().unwrap() >= 90, "{name} {language}: {:#}", audit["plan"]);
            if language == "python" {
                insta::with_settings!({ snapshot_suffix => name }, { assert_snapshot!("init", project.run(["audit"])) });
            }
        }
    }
}

#[test]
fn a_bad_project_hears_all_of_it_and_no_secret_is_shown() {
    let project = project(BAD);
    let text = project.run(["audit"]);
    assert_snapshot!(text);
    let markdown = project.run(["audit", "--markdown"]);
    assert_snapshot!(markdown);
    let json = project.run(["audit", "--json"]);
    for ran in [&text, &markdown, &json] {
        assert!(!ran.stdout.contains("hunter2") && ran.stderr.is_empty() && ran.code == 0, "{ran}");
    }
    let document = json.json();
    assert_eq!(document["plan"]["phases"].as_array().unwrap().last().unwrap()["percent"], 100);
    let first = &document["features"].as_array().unwrap().iter().find(|feature| feature["id"] == "image.secrets").unwrap()["evidence"][0];
    assert_snapshot!(first, @r#"{"file":"Dockerfile","line":2,"note":"ARG GITHUB_TOKEN stays in the history of the image"}"#);
}

#[test]
fn a_project_in_the_founding_style_is_judged_without_chora_yaml() {
    let project = project(FOUNDING);
    assert_snapshot!(project.run(["audit", "-v"]));
    assert_eq!(project.run(["audit", "--fail-under", "10"]).code, 0);
}

#[test]
fn an_empty_directory_is_told_what_to_do() {
    assert_snapshot!(Chora::new().run(["audit"]));
    assert_snapshot!(Chora::new().file("package.json", "{}").run(["audit", "--json"]));
}

#[test]
fn what_does_not_resolve_is_a_finding_and_the_rest_is_judged() {
    let broken = project(BAD).file("docker-compose.yml", "services:\n  web:\n    biuld: .\n  db:\n    image: ${IMAGE:?name one}\n");
    assert_snapshot!(broken.run(["audit"]));
    let manifest = project(BAD).file("chora.yaml", "environmnets: {}\n");
    let audit = manifest.run(["audit", "--json"]).json();
    let features = audit["features"].as_array().unwrap();
    let state = |id: &str| features.iter().find(|feature| feature["id"] == id).unwrap()["state"].clone();
    assert_eq!(
        (state("project.manifest"), state("project.environments"), state("stack.resolves")),
        ("missing".into(), "unknown".into(), "adopted".into())
    );
}

#[test]
fn a_threshold_decides_the_exit_code() {
    let project = project(FOUNDING);
    let ran = project.run(["audit", "--fail-under", "90"]);
    assert_eq!(ran.code, 1);
    assert!(ran.stdout.contains("too little: 90 % is asked for"), "{ran}");
    let document = project.run(["audit", "--fail-under", "90", "--json"]);
    assert_eq!((document.code, &document.json()["ok"]), (1, &false.into()));
    assert_eq!(project.run(["audit", "--fail-under", "101"]).code, 64);
}

#[test]
fn files_of_the_environments_are_told_by_their_names() {
    let base = "services:\n  web:\n    image: a:1\n";
    let over = "services:\n  web:\n    restart: always\n    mem_limit: 1g\n    cpus: 1\n    pids_limit: 9\n";
    let project = Chora::new().file("compose.yaml", base).file("compose.prod.yaml", over).file("compose.dev.yaml", base);
    let audit = project.run(["audit", "--json"]).json();
    let features = audit["features"].as_array().unwrap();
    let of = |id: &str| features.iter().find(|feature| feature["id"] == id).unwrap();
    assert_eq!((&of("stack.limits")["state"], &of("stack.restart")["state"]), (&"adopted".into(), &"adopted".into()));
    assert_eq!(of("stack.restart")["evidence"][0]["file"], "compose.prod.yaml");
    let tasks = audit["plan"]["phases"].as_array().unwrap().iter().flat_map(|phase| phase["tasks"].as_array().unwrap().clone());
    let first = tasks.into_iter().find(|task| task["feature"] == "project.environments").unwrap();
    assert_snapshot!(first["snippet"]["text"].as_str().unwrap(), @"
    environments:
      production:
        compose_files: [compose.yaml, compose.prod.yaml]
      development:
        compose_files: [compose.yaml, compose.dev.yaml]
    ");
}

#[test]
fn a_project_in_a_repository_of_many_is_kept_out_by_its_top() {
    let base = Chora::new().file(".git/HEAD", "").file(".gitignore", "*.local\n.env\n").file("part/Dockerfile", "FROM a:1\n");
    let audit = base.run(["audit", "--project", "part", "--json"]).json();
    let features = audit["features"].as_array().unwrap();
    let ignored = features.iter().find(|feature| feature["id"] == "project.env-ignored").unwrap();
    assert_eq!((&ignored["state"], &ignored["evidence"][0]["file"]), (&"adopted".into(), &"../.gitignore".into()));
    let commands = audit["plan"]["phases"][0]["rollback"].as_array().unwrap();
    assert!(commands[0].as_str().unwrap().starts_with("git stash push"), "{commands:?}");
    let own = base.file("part/.gitignore", "!.env\n").run(["audit", "--project", "part", "--json"]).json();
    let ignored = own["features"].as_array().unwrap().iter().find(|feature| feature["id"] == "project.env-ignored").unwrap().clone();
    assert_eq!(ignored["state"], "partly");
}

#[test]
fn a_pattern_that_is_behind_or_has_lost_a_file_is_told() {
    let project = Chora::new();
    assert_eq!(project.run(["init", "--set", "name=notes", "--set", "language=go"]).code, 0);
    std::fs::remove_file(project.path().join("justfile")).unwrap();
    project.write("secrets/.gitkeep", "");
    project.write(".gitignore", ".env\n.env.local\n");
    let audit = project.run(["audit", "--json"]).json();
    let features = audit["features"].as_array().unwrap();
    let of = |id: &str| features.iter().find(|feature| feature["id"] == id).unwrap();
    assert_eq!((&of("project.pattern")["state"], &of("project.pattern")["evidence"][0]["file"]), (&"partly".into(), &"justfile".into()));
    assert_eq!((&of("project.env-ignored")["state"], &of("project.env-ignored")["evidence"][1]["line"]), (&"adopted".into(), &2.into()));
}

#[test]
fn the_page_of_features_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/audit.md");
    let page = chora_core::audit::reference();
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(written == page, "docs/reference/audit.md is not what the tables say; run the test with UPDATE=1");
}
