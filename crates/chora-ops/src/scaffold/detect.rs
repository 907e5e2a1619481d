//! What the files of a project tell about it. A guess is a default, never more.

mod entry;
mod stack;
mod toolchain;

use std::fs;
use std::path::Path;

use chora_syntax::dockerfile;
use chora_template::Answers;
use chora_template::question::Form;
use serde_json::Value;

use self::entry::Clue;
use self::stack::{Beside, of_compose, of_dependencies};

/// What was found out.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Detected {
    /// The pattern that fits.
    pub(crate) pattern: &'static str,
    /// Answers to its questions.
    pub(crate) answers: Answers,
    /// Which file told what.
    pub(crate) evidence: Vec<String>,
}

/// Libraries that make a project an MCP server, by how manifests name them.
const MCP: [&str; 7] = ["fastmcp", "mcp[", "\"mcp", "mcp>", "mcp=", "@modelcontextprotocol/sdk", "rmcp"];
/// How a module of Go names them.
const MCP_GO: [&str; 2] = ["modelcontextprotocol/go-sdk", "mark3labs/mcp-go"];

pub(crate) fn detect(root: &Path) -> Detected {
    let text = |name: &str| fs::read_to_string(root.join(name)).unwrap_or_default();
    let is_there = |name: &str| root.join(name).is_file();
    let mut found = Detected { pattern: "minimal", ..Detected::default() };
    let folder = root.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
    found.name(&folder.replace(['.', ' '], "-"));
    if is_there("pyproject.toml") || is_there("requirements.txt") {
        found.python(root, &text("pyproject.toml"), &text("requirements.txt"));
    } else if is_there("package.json") {
        found.node(root, &text("package.json"));
    } else if is_there("go.mod") {
        found.go(root, &text("go.mod"));
    } else if is_there("Cargo.toml") {
        found.rust(root, &text("Cargo.toml"));
    }
    found.beside(&text);
    found.dockerfile(&text("Dockerfile"));
    if !is_there(".gitlab-ci.yml") && !root.join(".github/workflows").exists() {
        found.ci(&git_config(root));
    }
    found
}

/// The settings of the repository whose top the project is; those of a worktree or a submodule are where its file `.git` says.
fn git_config(root: &Path) -> String {
    let git = root.join(".git");
    let folder = match fs::read_to_string(&git) {
        Ok(text) => root.join(text.strip_prefix("gitdir:").unwrap_or_default().trim()),
        Err(_) => git,
    };
    let common = fs::read_to_string(folder.join("commondir")).map_or_else(|_| folder.clone(), |common| folder.join(common.trim()));
    fs::read_to_string(common.join("config")).unwrap_or_default()
}

/// The top of the repository that a project is a part of, where that is another folder.
pub(crate) fn repository_above(root: &Path) -> Option<&Path> {
    let top = root.ancestors().find(|folder| folder.join(".git").exists())?;
    (top != root).then_some(top)
}

/// Hosts of repositories, and whose CI runs there.
const HOSTS: [(&str, &str); 2] = [("github.com", "github"), ("gitlab.com", "gitlab")];

impl Detected {
    fn set(&mut self, question: &str, answer: impl Into<Value>, file: &str) {
        let answer = answer.into();
        self.evidence.push(format!("{question} {answer}, from {file}"));
        self.answers.insert(question.to_owned(), answer);
    }

    fn name(&mut self, name: &str) {
        if Form::Slug.fits(name) {
            self.answers.insert("name".to_owned(), name.into());
        }
    }

    fn is_mcp(&mut self, text: &str, libraries: &[&str], file: &str) {
        if let Some(library) = libraries.iter().find(|library| text.contains(**library)) {
            self.pattern = "mcp-server";
            self.evidence.push(format!("an MCP server, from {} in {file}", library.trim_matches(['"', '[', '>', '='])));
        }
    }

    fn take(&mut self, clues: Vec<Clue>) {
        for Clue { question, answer, file } in clues {
            self.set(question, answer, &file);
        }
    }

    /// What stands beside it: a service with a database has the pattern for that.
    fn beside(&mut self, text: &impl Fn(&str) -> String) {
        let manifests = ["pyproject.toml", "requirements.txt", "package.json", "go.mod", "Cargo.toml"];
        let composes = ["compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml"];
        let told = manifests.iter().map(|file| of_dependencies(&text(file), file));
        let told: Vec<Beside> = told.chain(composes.iter().map(|file| of_compose(&text(file), file))).collect();
        if let Some((port, file)) = told.iter().rev().zip(composes.iter().rev()).find_map(|(beside, file)| Some((beside.port?, file))) {
            self.set("port", port, file);
        }
        let postgres = told.iter().find_map(|beside| beside.postgres.as_ref());
        if let (Some(file), "minimal") = (postgres, self.pattern) {
            self.pattern = "full-stack";
            self.evidence.push(format!("PostgreSQL, from {file}"));
            match told.iter().find_map(|beside| beside.redis.as_ref()) {
                Some(file) => self.set("redis", true, file),
                None => drop(self.answers.insert("redis".to_owned(), false.into())),
            }
        }
    }

    fn python(&mut self, root: &Path, pyproject: &str, requirements: &str) {
        let is_there = |name: &str| root.join(name).is_file();
        let file = if pyproject.is_empty() { "requirements.txt" } else { "pyproject.toml" };
        self.set("language", "python", file);
        if let Some(name) = toml_value(pyproject, &["[project]", "[tool.poetry]"], "name") {
            self.name(&name.to_lowercase().replace(['.', ' '], "-"));
        }
        for (lock, manager) in [("uv.lock", "uv"), ("poetry.lock", "poetry"), ("requirements.txt", "pip")] {
            if is_there(lock) {
                self.set("package_manager", manager, lock);
                break;
            }
        }
        let is_whole = !pyproject.is_empty() && !["uv.lock", "poetry.lock", "requirements.txt"].into_iter().any(is_there);
        if is_whole {
            self.set("package_manager", "pip", file);
            self.set("dependencies", file, file);
        }
        self.is_mcp(pyproject, &MCP, "pyproject.toml");
        if requirements.lines().any(|line| line.trim() == "mcp") {
            self.is_mcp("\"mcp", &MCP, "requirements.txt");
        }
        self.is_mcp(requirements, &MCP, "requirements.txt");
        // From a list of requirements the project itself is not installed; nor is what is no package.
        let is_installed = is_there("uv.lock") || ((is_whole || is_there("poetry.lock")) && pyproject.contains("[build-system]"));
        let scripts = ["[project.scripts]", "[tool.poetry.scripts]"].into_iter().find_map(|section| toml_key(pyproject, section));
        let script = scripts.filter(|_| is_installed);
        self.take(entry::python(root, &format!("{pyproject}\n{requirements}"), script.as_deref()));
        self.take(toolchain::python(root, pyproject).into_iter().collect());
    }

    fn node(&mut self, root: &Path, manifest: &str) {
        self.set("language", "node", "package.json");
        let document: Value = serde_json::from_str(manifest).unwrap_or_default();
        if let Some(name) = document.get("name").and_then(Value::as_str) {
            self.name(&name.rsplit('/').next().unwrap_or(name).to_lowercase().replace('.', "-"));
        }
        self.take(entry::node(root, &document));
        let engines = document.pointer("/engines/node").and_then(Value::as_str);
        self.take(toolchain::node(root, engines).into_iter().collect());
        self.is_mcp(manifest, &MCP, "package.json");
    }

    fn go(&mut self, root: &Path, manifest: &str) {
        self.set("language", "go", "go.mod");
        if let Some(module) = manifest.lines().find_map(|line| line.strip_prefix("module ")) {
            self.name(&module.trim().rsplit('/').next().unwrap_or_default().to_lowercase().replace('.', "-"));
        }
        self.take(entry::go(root));
        self.take(toolchain::go(manifest).into_iter().collect());
        self.is_mcp(manifest, &MCP_GO, "go.mod");
    }

    fn rust(&mut self, root: &Path, manifest: &str) {
        self.set("language", "rust", "Cargo.toml");
        if let Some(name) = toml_value(manifest, &["[package]"], "name") {
            self.name(&name);
            let other = toml_value(manifest, &["[package]"], "default-run").or_else(|| toml_value(manifest, &["[[bin]]"], "name"));
            self.set("binary", other.unwrap_or(name), "Cargo.toml");
        }
        self.take(entry::port(root).into_iter().chain(toolchain::rust(root, manifest)).collect());
        self.is_mcp(manifest, &MCP, "Cargo.toml");
    }

    fn ci(&mut self, config: &str) {
        let origin = toml_value(config, &["[remote \"origin\"]"], "url");
        let host = origin.as_deref().and_then(host);
        if let Some((_, ci)) = HOSTS.iter().find(|(name, _)| host == Some(*name)) {
            self.set("ci", *ci, ".git/config");
        }
    }

    fn dockerfile(&mut self, text: &str) {
        let stages = dockerfile::parse(text, "Dockerfile").map(|dockerfile| dockerfile.stages).unwrap_or_default();
        let exposed = stages.last().and_then(|stage| stage.exposed.first()).and_then(|port| port.split('/').next()?.parse::<u16>().ok());
        if let Some(port) = exposed.filter(|port| *port >= 1024) {
            self.set("port", port, "Dockerfile");
        }
    }
}

/// The host of an address of Git: `https://host/…`, `ssh://user@host:port/…` or `user@host:…`.
fn host(address: &str) -> Option<&str> {
    let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
    let authority = rest.split('/').next()?;
    authority.rsplit('@').next()?.split(':').next()
}

/// A text of a section of TOML. Lines that are written otherwise are not seen.
fn toml_value(text: &str, sections: &[&str], key: &str) -> Option<String> {
    let mut is_inside = false;
    for line in text.lines().map(str::trim) {
        if line.starts_with('[') {
            is_inside = sections.contains(&line);
        } else if is_inside && let Some((name, value)) = line.split_once('=') {
            let value = value.trim().trim_matches(['"', '\'']);
            if name.trim() == key && !value.is_empty() {
                return Some(value.to_owned());
            }
        }
    }
    None
}

/// The first key of a section of TOML.
fn toml_key(text: &str, section: &str) -> Option<String> {
    let inside = text.lines().map(str::trim).skip_while(|line| *line != section).skip(1).take_while(|line| !line.starts_with('['));
    let mut keys = inside.filter_map(|line| line.split_once('=')).map(|(key, _)| key.trim().trim_matches('"').to_owned());
    keys.find(|key| !key.is_empty() && !key.starts_with('#'))
}

#[cfg(test)]
mod tests {
    use super::detect;
    use serde_json::{Value, json};
    use std::fs;

    /// The pattern, and the answers beside name and language.
    fn found(files: &[(&str, &str)]) -> (&'static str, Value) {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let mut found = detect(folder.path());
        found.answers.retain(|question, _| !["name", "language", "package_manager"].contains(&question.as_str()));
        (found.pattern, Value::Object(found.answers.into_iter().collect()))
    }

    #[test]
    fn the_way_in_is_found() {
        let python = |more: &[(&str, &str)]| found(&[&[("requirements.txt", "fastapi\nuvicorn\nflask\ngunicorn\n")], more].concat());
        let fastapi = "from fastapi import FastAPI\n\napi: FastAPI = FastAPI(title='x')\n\n@api.get(\"/healthz\")\n";
        assert_eq!(
            python(&[("main.py", fastapi), (".env.example", "PORT=9000\n")]).1,
            json!({"health_path": "/healthz", "port": 9000, "command": "uvicorn main:api --host 0.0.0.0 --port 9000"})
        );
        assert_eq!(
            python(&[("shop/app.py", "app = Flask(__name__)\n")]).1,
            json!({"command": "gunicorn shop.app:app --bind 0.0.0.0:8000"})
        );
        let django = [("manage.py", ""), ("site/wsgi.py", "application = 1\n")];
        assert_eq!(python(&django).1, json!({"command": "gunicorn site.wsgi --bind 0.0.0.0:8000"}));
        assert_eq!(python(&[("notes/__main__.py", ""), ("tests/__main__.py", "")]).1, json!({"command": "python -m notes"}));
        assert_eq!(python(&[("server.py", "if __name__ == '__main__':\n    run()\n")]).1, json!({"command": "python server.py"}));
        assert_eq!(python(&[("lib.py", "")]).1, json!({}));
        let scripts = ("pyproject.toml", "[project]\nname = 'x'\n[project.scripts]\n# one\nserve = 'x:main'\n");
        assert_eq!(found(&[scripts, ("uv.lock", "")]).1, json!({"command": "serve"}));
        assert_eq!(found(&[scripts, ("poetry.lock", "")]).1, json!({}));
        assert_eq!(found(&[scripts]).1, json!({"dependencies": "pyproject.toml"}));
        let package = ("pyproject.toml", "[tool.poetry.scripts]\nserve = 'x:main'\n[build-system]\nrequires = []\n");
        assert_eq!(found(&[package]).1, json!({"dependencies": "pyproject.toml", "command": "serve"}));
        assert_eq!(found(&[package, ("poetry.lock", "")]).1, json!({"command": "serve"}));
        assert_eq!(found(&[package, ("requirements.txt", "")]).1, json!({}));

        let node = |manifest: &str, more: &[(&str, &str)]| found(&[&[("package.json", manifest)], more].concat()).1;
        let server = ("src/server.js", "const port = process.env.PORT || 3000;\napp.get('/health', ok);\n");
        let start = r#"{"scripts": {"start": "node src/server.js"}, "main": "lib.js"}"#;
        assert_eq!(node(start, &[server]), json!({"command": "node src/server.js", "health_path": "/health", "port": 3000}));
        assert_eq!(node(r#"{"scripts": {"start": "next start && true"}}"#, &[server])["command"], "node src/server.js");
        assert_eq!(node("{}", &[]), json!({}));

        let go = |files: &[(&str, &str)]| found(&[&[("go.mod", "module x\n")], files].concat()).1;
        let rust = |manifest: &str| found(&[("Cargo.toml", manifest)]).1;
        assert_eq!(rust("[package]\nname = \"my_shop\"\n"), json!({"binary": "my_shop"}));
        assert_eq!(rust("[package]\nname = \"shop\"\n[[bin]]\nname = \"serve\"\n"), json!({"binary": "serve"}));
        assert_eq!(go(&[("cmd/api/main.go", "package main\n")]), json!({"go_package": "./cmd/api"}));
        assert_eq!(go(&[("cmd/api/main.go", "package main\n"), ("main.go", "package main\n")]), json!({}));
        assert_eq!(go(&[("cmd/api/main.go", "package main\n"), ("cmd/cli/main.go", "package main\n")]), json!({}));
    }

    #[test]
    fn what_stands_beside_it_is_found() {
        let compose = "services:\n  web:\n    build: .\n    ports: ['127.0.0.1:80:3000/tcp']\n  db: { image: 'docker.io/postgres:16' }\n";
        assert_eq!(
            found(&[("package.json", "{}"), ("docker-compose.yml", compose)]),
            ("full-stack", json!({"port": 3000, "redis": false}))
        );
        let both = [("requirements.txt", "psycopg[binary]\nredis\n")];
        assert_eq!(found(&both), ("full-stack", json!({"redis": true})));
        let long = "services: { web: { build: ., ports: [{ target: 9000, published: 80 }] }, cache: { image: valkey/valkey } }\n";
        assert_eq!(found(&[("compose.yaml", long)]), ("minimal", json!({"port": 9000})));
        assert_eq!(found(&[("compose.yaml", "services: [\n")]), ("minimal", json!({})));
        let words = "[project]\ndescription = 'knows postgresql'\n# psycopg\ndependencies = ['fastmcp', 'psycopg']\n";
        assert_eq!(found(&[("pyproject.toml", words)]).0, "mcp-server");
    }

    #[test]
    fn a_worktree_and_a_submodule_are_of_their_repositories() {
        let top = tempfile::tempdir().unwrap();
        let put = |path: &str, text: &str| {
            let path = top.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        let origin = |host: &str| format!("[remote \"origin\"]\n\turl = git@{host}:acme/tools.git\n");
        put("main/.git/config", &origin("github.com"));
        put("main/.git/worktrees/side/commondir", "../..\n");
        put("main/.git/modules/part/config", &origin("gitlab.com"));
        put("side/.git", &format!("gitdir: {}\n", top.path().join("main/.git/worktrees/side").display()));
        put("main/part/.git", "gitdir: ../.git/modules/part\n");
        put("odd/.git", "nothing\n");
        let ci = |folder: &str| detect(&top.path().join(folder)).answers.get("ci").cloned();
        assert_eq!(
            [ci("main"), ci("side"), ci("main/part"), ci("odd")],
            [Some("github".into()), Some("github".into()), Some("gitlab".into()), None]
        );
    }

    #[test]
    fn the_table_of_projects() {
        type Case<'a> = (&'a [(&'a str, &'a str)], &'a str, Value);
        let cases: [Case<'_>; 12] = [
            (&[], "minimal", json!({})),
            (&[("requirements.txt", "flask==3\n")], "minimal", json!({"language": "python", "package_manager": "pip"})),
            (&[("requirements.txt", "mcp\n")], "mcp-server", json!({"language": "python", "package_manager": "pip"})),
            (
                &[("pyproject.toml", "[project]\nname = \"My.Notes\"\ndependencies = [\"fastmcp>=2\"]\n"), ("uv.lock", "")],
                "mcp-server",
                json!({"name": "my-notes", "language": "python", "package_manager": "uv"}),
            ),
            (
                &[("pyproject.toml", "[tool.poetry]\nname = 'shop'\n"), ("poetry.lock", ""), ("Dockerfile", "FROM a\nEXPOSE 9000/tcp\n")],
                "minimal",
                json!({"name": "shop", "language": "python", "package_manager": "poetry", "port": 9000}),
            ),
            (
                &[("package.json", r#"{"name": "@acme/tools", "main": "dist/x.js", "dependencies": {"@modelcontextprotocol/sdk": "1"}}"#)],
                "mcp-server",
                json!({"name": "tools", "language": "node", "command": "node dist/x.js"}),
            ),
            (&[("go.mod", "module example.com/acme/Tools\n")], "minimal", json!({"name": "tools", "language": "go"})),
            (
                &[(".git/config", "[remote \"origin\"]\n\turl = git@github.com:acme/tools.git\n[branch \"main\"]\n")],
                "minimal",
                json!({"ci": "github"}),
            ),
            (&[(".git/config", "[remote \"origin\"]\nurl = https://ci@gitlab.com:443/acme/tools\n")], "minimal", json!({"ci": "gitlab"})),
            (&[(".git/config", "[remote \"origin\"]\nurl = https://github.com.example/acme\n")], "minimal", json!({})),
            (
                &[(".git/config", "[remote \"origin\"]\nurl = https://github.com/acme/tools\n"), (".github/workflows/own.yml", "")],
                "minimal",
                json!({}),
            ),
            (
                &[("Cargo.toml", "[package]\nname = \"tools\"\n[dependencies]\nrmcp = \"3\"\n")],
                "mcp-server",
                json!({"name": "tools", "language": "rust", "binary": "tools"}),
            ),
        ];
        for (files, pattern, answers) in cases {
            let folder = tempfile::Builder::new().prefix("No Name.").tempdir().unwrap();
            for (name, text) in files {
                let path = folder.path().join(name);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, text).unwrap();
            }
            let mut found = detect(folder.path());
            if answers.get("name").is_none() {
                found.answers.shift_remove("name");
            }
            assert_eq!((found.pattern, Value::Object(found.answers.into_iter().collect())), (pattern, answers), "{files:?}");
        }
    }
}
