//! Every project of the corpus against what Docker Compose v5 printed for it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use chora_syntax::compose::{ResolveRequest, resolve};
use serde_json::{Map, Value};

use crate::disk::Disk;

/// Cases in which Chora differs from the reference on purpose, and why.
const DIFFERENCES: &[(&str, &str)] = &[];

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/corpus")
}

fn texts(case: &Value, key: &str) -> Vec<PathBuf> {
    case[key].as_array().into_iter().flatten().map(|text| PathBuf::from(text.as_str().unwrap())).collect()
}

fn request(folder: &Path) -> ResolveRequest {
    let case: Value = std::fs::read_to_string(folder.join("case.json")).map_or(Value::Null, |text| serde_json::from_str(&text).unwrap());
    let mut request = ResolveRequest {
        project_dir: folder.to_owned(),
        working_dir: case["project_directory"].as_str().map(PathBuf::from),
        compose_files: texts(&case, "files"),
        env_files: texts(&case, "env_files"),
        profiles: texts(&case, "profiles").iter().map(|path| path.display().to_string()).collect(),
        project_name: case["project_name"].as_str().map(str::to_owned),
        ..ResolveRequest::default()
    };
    for (name, value) in [("PATH", "/usr/bin:/bin"), ("HOME", "/home/user")] {
        request.environment.insert(name.to_owned(), value.to_owned());
    }
    for (name, value) in case["env"].as_object().into_iter().flatten() {
        request.environment.insert(name.clone(), value.as_str().unwrap().to_owned());
    }
    request
}

/// Every leaf of a document by its path.
fn leaves(path: &str, value: &Value, out: &mut BTreeMap<String, String>) {
    match value {
        Value::Object(map) if !map.is_empty() => map.iter().for_each(|(key, value)| leaves(&format!("{path}.{key}"), value, out)),
        Value::Array(list) if !list.is_empty() => {
            list.iter().enumerate().for_each(|(index, value)| leaves(&format!("{path}[{index}]"), value, out));
        }
        _ => {
            out.insert(path.to_owned(), value.to_string());
        }
    }
}

fn difference(expected: &Value, actual: &Value) -> String {
    let (mut left, mut right) = (BTreeMap::new(), BTreeMap::new());
    leaves("", expected, &mut left);
    leaves("", actual, &mut right);
    let mut lines = Vec::new();
    for (path, value) in &left {
        if right.get(path) != Some(value) {
            lines.push(format!("  - {path} = {value}"));
        }
    }
    for (path, value) in &right {
        if left.get(path) != Some(value) {
            lines.push(format!("  + {path} = {value}"));
        }
    }
    lines.join("\n")
}

/// What is wrong with a case; `None` when it equals the reference.
fn run(folder: &Path) -> Option<String> {
    let expected_error = std::fs::read_to_string(folder.join("expected.error"));
    match (resolve(&Disk, &request(folder)), expected_error) {
        (Err(_), Ok(_)) => None,
        (Ok(_), Ok(error)) => Some(format!("  accepted, but the reference refuses it: {}", error.trim())),
        (Err(problems), Err(_)) => Some(format!("  refused, but the reference accepts it:\n{}", problems.render(false))),
        (Ok(resolved), Err(_)) => {
            let text = serde_json::to_string(&resolved.canonical).unwrap();
            let text = text.replace(&*folder.to_string_lossy(), "$PROJECT").replace(&*corpus().to_string_lossy(), "$CORPUS");
            let actual: Value = serde_json::from_str(&text).unwrap();
            let expected: Value = serde_json::from_str(&std::fs::read_to_string(folder.join("expected.json")).unwrap()).unwrap();
            if actual != expected {
                return Some(difference(&expected, &actual));
            }
            let again = stack_document(&serde_json::to_value(&resolved.stack).unwrap(), &resolved.canonical);
            again.map(|difference| format!("  the typed stack prints differently:\n{difference}"))
        }
    }
}

/// Compares what the typed stack serialises to with the canonical document.
fn stack_document(stack: &Value, canonical: &Value) -> Option<String> {
    let mut canonical: Map<String, Value> = canonical.as_object().unwrap().clone();
    canonical.retain(|key, _| !key.starts_with("x-"));
    let doubled: Value = serde_json::from_str(&stack.to_string().replace('$', "$$")).unwrap();
    let difference = difference(&Value::Object(canonical), &doubled);
    (!difference.is_empty()).then_some(difference)
}

#[test]
fn every_project_equals_the_reference() {
    let only = std::env::var("CASE").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::fs::read_dir(corpus()).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.retain(|folder| folder.is_dir() && folder.file_name().unwrap().to_string_lossy().starts_with(&only));
    folders.sort();
    let mut wrong = Vec::new();
    for folder in &folders {
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        let intended = DIFFERENCES.iter().any(|(case, _)| *case == name);
        match (run(folder), intended) {
            (Some(problem), false) => wrong.push(format!("{name}:\n{problem}")),
            (None, true) => wrong.push(format!("{name}: equals the reference now; take it out of DIFFERENCES")),
            _ => {}
        }
    }
    assert!(wrong.is_empty(), "{}\n{} of {} cases differ", wrong.join("\n\n"), wrong.len(), folders.len());
}
