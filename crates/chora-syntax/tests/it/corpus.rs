//! Every project of the corpus against what Docker Compose v5 printed for it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use chora_syntax::compose::model::Stack;
use chora_syntax::compose::{ResolveRequest, resolve};
use serde_json::Value;

use crate::disk::Disk;

/// Where Chora differs from the reference on purpose: case, place in the document (blank: the whole case), reason.
pub(crate) const DIFFERENCES: &[(&str, &str, &str)] = &[(
    "104-environment-list-and-map",
    ".services.map.environment.DATE",
    "a date stays as it is written; the reference prints it as a point in time",
)];

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/corpus")
}

fn texts(case: &Value, key: &str) -> Vec<PathBuf> {
    case[key].as_array().into_iter().flatten().map(|text| PathBuf::from(text.as_str().unwrap())).collect()
}

pub(crate) fn request(folder: &Path) -> ResolveRequest {
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

/// The projects that the reference accepts, and so does Chora.
pub(crate) fn accepted() -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = std::fs::read_dir(root()).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.retain(|folder| folder.join("expected.json").exists());
    folders.sort();
    folders
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

fn difference(case: &str, expected: &Value, actual: &Value) -> String {
    let (mut left, mut right) = (BTreeMap::new(), BTreeMap::new());
    leaves("", expected, &mut left);
    leaves("", actual, &mut right);
    let intended = |path: &str| DIFFERENCES.iter().any(|(name, place, _)| *name == case && *place == path);
    left.retain(|path, _| !intended(path));
    right.retain(|path, _| !intended(path));
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
fn run(folder: &Path, case: &str) -> Option<String> {
    let reference_bug = std::fs::read_to_string(folder.join("case.json")).is_ok_and(|text| text.contains("\"reference_bug\""));
    let expected_error = std::fs::read_to_string(folder.join("expected.error"));
    match (resolve(&Disk, &request(folder)), expected_error) {
        (Err(problems), Ok(_)) if reference_bug => {
            Some(format!("  refused because of a bug of the reference:\n{}", problems.render(false)))
        }
        (Err(_), Ok(_)) => None,
        (Ok(_), Ok(_)) if reference_bug => None,
        (Ok(_), Ok(error)) => Some(format!("  accepted, but the reference refuses it: {}", error.trim())),
        (Err(problems), Err(_)) => Some(format!("  refused, but the reference accepts it:\n{}", problems.render(false))),
        (Ok(resolved), Err(_)) => {
            let text = serde_json::to_string(&resolved.canonical).unwrap();
            let text = text.replace(&*folder.to_string_lossy(), "$PROJECT").replace(&*root().to_string_lossy(), "$CORPUS");
            let actual: Value = serde_json::from_str(&text).unwrap();
            let expected: Value = serde_json::from_str(&std::fs::read_to_string(folder.join("expected.json")).unwrap()).unwrap();
            let lines = difference(case, &expected, &actual);
            if !lines.is_empty() {
                return Some(lines);
            }
            let again: Stack = serde_json::from_value(serde_json::to_value(&resolved.stack).unwrap()).unwrap();
            (again != resolved.stack).then(|| "  the typed stack reads back differently".to_owned())
        }
    }
}

#[test]
fn every_project_equals_the_reference() {
    let only = std::env::var("CASE").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::fs::read_dir(root()).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.retain(|folder| folder.is_dir() && folder.file_name().unwrap().to_string_lossy().starts_with(&only));
    folders.sort();
    let mut wrong = Vec::new();
    for folder in &folders {
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        let intended = DIFFERENCES.iter().any(|(case, place, _)| *case == name && place.is_empty());
        match (run(folder, &name), intended) {
            (Some(problem), false) => wrong.push(format!("{name}:\n{problem}")),
            (None, true) => wrong.push(format!("{name}: equals the reference now; take it out of DIFFERENCES")),
            _ => {}
        }
    }
    assert!(wrong.is_empty(), "{}\n{} of {} cases differ", wrong.join("\n\n"), wrong.len(), folders.len());
}
