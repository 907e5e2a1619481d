//! How a program is started, what it listens on and where it says that it is well, as its sources tell.

use std::fs;
use std::path::Path;

use serde_json::Value;

/// What a file tells about one question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Clue {
    pub(super) question: &'static str,
    pub(super) answer: Value,
    pub(super) file: String,
}

impl Clue {
    pub(super) fn new(question: &'static str, answer: impl Into<Value>, file: impl Into<String>) -> Self {
        Self { question, answer: answer.into(), file: file.into() }
    }
}

/// Files of Python that hold a program, most telling first.
const PYTHON_FILES: [&str; 5] = ["main.py", "app.py", "server.py", "asgi.py", "wsgi.py"];
/// The same of Node.
const NODE_FILES: [&str; 6] = ["server.js", "index.js", "app.js", "src/index.js", "src/server.js", "index.mjs"];
/// Paths under which servers say that they are well, most telling first.
const HEALTH_PATHS: [&str; 4] = ["/healthz", "/health", "/livez", "/api/health"];
/// The largest source that is looked into, in bytes.
const LARGEST: u64 = 256 * 1024;

/// A project of Python whose manifests hold these dependencies; `scripts` is the name of its first console script, where the image
/// will have it.
pub(super) fn python(root: &Path, dependencies: &str, script: Option<&str>) -> Vec<Clue> {
    let packages = folders(root);
    let files = PYTHON_FILES.iter().map(|file| (*file).to_owned());
    let within = packages.iter().flat_map(|package| ["main.py", "app.py", "server.py"].map(|file| format!("{package}/{file}")));
    let sources: Vec<(String, String)> = files.chain(within).filter_map(|file| Some((file.clone(), source(root, &file)?))).collect();
    let mut clues: Vec<Clue> = sources.iter().flat_map(|(file, text)| health_path(file, text)).take(1).collect();
    let port = port(root);
    let listens = port.as_ref().map_or(8000, |clue| clue.answer.as_u64().unwrap_or(8000));
    clues.extend(port);
    let uses = |library: &str| dependencies.contains(library);
    let application = |makes: &str| {
        let (file, name) = sources.iter().find_map(|(file, text)| Some((file, assigned(text, makes)?)))?;
        Some((file.clone(), format!("{}:{name}", file.trim_end_matches(".py").replace('/', "."))))
    };
    let asgi = ["FastAPI(", "Starlette("].iter().find_map(|makes| application(makes)).filter(|_| uses("uvicorn") || uses("fastapi["));
    let flask = application("Flask(");
    let project = packages.iter().find(|package| root.join(package).join("wsgi.py").is_file() && root.join("manage.py").is_file());
    let started = packages.iter().find(|package| root.join(package).join("__main__.py").is_file());
    let (command, file) = if let Some(script) = script {
        (script.to_owned(), "pyproject.toml".to_owned())
    } else if let Some(package) = started {
        (format!("python -m {package}"), format!("{package}/__main__.py"))
    } else if let Some((file, place)) = asgi {
        (format!("uvicorn {place} --host 0.0.0.0 --port {listens}"), file)
    } else if let (Some(package), true) = (project, uses("gunicorn")) {
        (format!("gunicorn {package}.wsgi --bind 0.0.0.0:{listens}"), format!("{package}/wsgi.py"))
    } else if let (Some((file, place)), true) = (&flask, uses("gunicorn")) {
        (format!("gunicorn {place} --bind 0.0.0.0:{listens}"), file.clone())
    } else if let Some((file, place)) = flask {
        (format!("flask --app {place} run --host 0.0.0.0 --port {listens}"), file)
    } else if let Some((file, _)) = sources.iter().find(|(file, text)| !file.contains('/') && text.contains("__main__")) {
        (format!("python {file}"), file.clone())
    } else {
        return clues;
    };
    clues.push(Clue::new("command", command, file));
    clues
}

/// A project of Node with this `package.json`.
pub(super) fn node(root: &Path, manifest: &Value) -> Vec<Clue> {
    let start = manifest.pointer("/scripts/start").and_then(Value::as_str).filter(|start| is_plain(start));
    let main = manifest.get("main").and_then(Value::as_str);
    let there = NODE_FILES.iter().find(|file| root.join(file).is_file());
    let (command, file) = match (start, main, there) {
        (Some(start), ..) => (start.to_owned(), "package.json"),
        (None, Some(main), _) => (format!("node {main}"), "package.json"),
        (None, None, Some(file)) => (format!("node {file}"), *file),
        (None, None, None) => return port(root).into_iter().collect(),
    };
    let mut clues = vec![Clue::new("command", command.clone(), file)];
    let entry = command.split_whitespace().last().unwrap_or_default();
    let text = source(root, entry).unwrap_or_default();
    clues.extend(health_path(entry, &text));
    let own = ["PORT ?? ", "PORT || "].iter().find_map(|before| number_after(&text, before));
    clues.extend(port(root).or_else(|| own.map(|port| Clue::new("port", port, entry))));
    clues
}

/// A module of Go: the only program below `cmd`, where there is none at the top.
pub(super) fn go(root: &Path) -> Vec<Clue> {
    let is_program = |folder: &Path| files(folder, "go").iter().any(|file| source(folder, file).is_some_and(|text| is_main(&text)));
    let mut clues: Vec<Clue> = port(root).into_iter().collect();
    if !is_program(root) {
        let programs: Vec<String> =
            folders(&root.join("cmd")).into_iter().filter(|name| is_program(&root.join("cmd").join(name))).collect();
        if let [program] = programs.as_slice() {
            clues.push(Clue::new("go_package", format!("./cmd/{program}"), format!("cmd/{program}")));
        }
    }
    clues
}

/// What any project may say of its port.
pub(super) fn port(root: &Path) -> Option<Clue> {
    let told = [".env.example", ".env.defaults", ".env"].into_iter().find_map(|file| {
        let text = source(root, file)?;
        let value = text.lines().find_map(|line| line.trim().strip_prefix("PORT="))?;
        Some((file, value.trim().trim_matches(['"', '\'']).parse::<u16>().ok()?))
    });
    told.filter(|(_, port)| *port >= 1024).map(|(file, port)| Clue::new("port", port, file))
}

fn is_main(text: &str) -> bool {
    text.lines().any(|line| line.trim_end() == "package main")
}

/// A command that needs no shell, and is no package manager's.
fn is_plain(command: &str) -> bool {
    let words: Vec<&str> = command.split_whitespace().collect();
    matches!(words.as_slice(), ["node", .., file] if !file.starts_with('-'))
        && !command.contains(['&', '|', ';', '$', '<', '>', '`', '"', '\''])
}

fn health_path(file: &str, text: &str) -> Option<Clue> {
    let is_there = |path: &str| ['"', '\'', '`'].iter().any(|quote| text.contains(&format!("{quote}{path}{quote}")));
    HEALTH_PATHS.iter().find(|path| is_there(path)).map(|path| Clue::new("health_path", *path, file))
}

/// The name at the top of a module that something made is given.
fn assigned<'a>(text: &'a str, makes: &str) -> Option<&'a str> {
    text.lines().find_map(|line| {
        let (name, value) = line.split_once('=')?;
        let name = name.split(':').next().unwrap_or(name).trim_end();
        let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        (is_name && value.trim_start().starts_with(makes)).then_some(name)
    })
}

fn number_after(text: &str, before: &str) -> Option<u16> {
    let (_, rest) = text.split_once(before)?;
    let digits: String = rest.trim_start_matches(['"', '\'']).chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok().filter(|port| *port >= 1024)
}

/// The text of a file of ordinary size.
fn source(root: &Path, name: &str) -> Option<String> {
    let path = root.join(name);
    fs::metadata(&path).ok().filter(|metadata| metadata.is_file() && metadata.len() <= LARGEST)?;
    fs::read_to_string(path).ok()
}

/// Names of the folders in one, sorted; those that hold tests, tools and the like are none.
fn folders(root: &Path) -> Vec<String> {
    let is_other =
        |name: &str| name.starts_with(['.', '_']) || ["tests", "test", "docs", "scripts", "venv", "node_modules"].contains(&name);
    names(root, |kind| kind.is_dir()).into_iter().filter(|name| !is_other(name)).collect()
}

fn files(root: &Path, extension: &str) -> Vec<String> {
    let is_source = |name: &String| Path::new(name).extension().is_some_and(|found| found == extension);
    names(root, |kind| kind.is_file()).into_iter().filter(is_source).collect()
}

fn names(root: &Path, is_it: impl Fn(fs::FileType) -> bool) -> Vec<String> {
    let entries = fs::read_dir(root).into_iter().flatten().flatten();
    let mut names: Vec<String> =
        entries.filter(|entry| entry.file_type().is_ok_and(&is_it)).filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort();
    names
}
