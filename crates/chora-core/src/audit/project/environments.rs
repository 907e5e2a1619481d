//! What `chora.yaml` says about environments and about health.

use chora_syntax::manifest::{EnvironmentClass, Health, Manifest};
use chora_syntax::yaml;

use crate::audit::marks::{Evidence, Marks};
use crate::audit::plan::Snippet;
use crate::audit::stack::{In, each_service};
use crate::audit::subject::{ManifestFile, Subject};

const FILE: &str = "chora.yaml";

pub(super) fn readable(subject: &Subject, marks: &mut Marks) {
    match &subject.manifest {
        ManifestFile::Absent => {}
        ManifestFile::Read(..) => marks.good(Evidence::in_file(FILE, Some(1), "it can be read")),
        ManifestFile::Broken(reasons) => reasons.iter().for_each(|reason| marks.bad(reason.clone())),
    }
}

/// The manifest with its text; says what is the matter where there is none.
fn manifest<'s>(subject: &'s Subject, marks: &mut Marks) -> Option<(&'s Manifest, &'s str)> {
    match &subject.manifest {
        ManifestFile::Read(manifest, text) => Some((manifest, text)),
        ManifestFile::Broken(_) => {
            marks.unknown(Evidence::in_file(FILE, None, "it cannot be read"));
            None
        }
        ManifestFile::Absent => {
            marks.bad(Evidence::in_file(FILE, None, "it is not there"));
            None
        }
    }
}

pub(super) fn described(subject: &Subject, marks: &mut Marks) {
    let Some((manifest, text)) = manifest(subject, marks) else { return };
    for class in [EnvironmentClass::Development, EnvironmentClass::Production] {
        let found = manifest.environments.iter().find(|(name, environment)| environment.class_of(name) == class);
        let class = class.as_str();
        match found {
            Some((name, _)) => marks.good(Evidence::in_file(FILE, yaml::line(text, &["environments", name]), format!("`{name}`"))),
            None => {
                let line = yaml::line(text, &["environments"]);
                marks.bad(Evidence::in_file(FILE, line, format!("no environment of the class {class}")));
            }
        }
    }
}

/// A first `chora.yaml`, from the Compose files that are there.
pub(super) fn first_manifest(subject: &Subject) -> Snippet {
    let mut text = "environments:\n".to_owned();
    for environment in &subject.environments {
        text.push_str(&format!("  {}:\n", environment.name));
        let usual = EnvironmentClass::Development == environment.class;
        if !usual && environment.class.as_str() != environment.name {
            text.push_str(&format!("    class: {}\n", environment.class.as_str()));
        }
        let own = environment.own_file();
        let added = Some(&own).filter(|own| !environment.files.contains(own));
        if added.is_some() {
            text.push_str(&format!("    # without {own} where nothing was written to it\n"));
        }
        let files: Vec<&str> = environment.files.iter().chain(added).map(String::as_str).collect();
        text.push_str(&format!("    compose_files: [{}]\n", files.join(", ")));
    }
    if !subject.environments.iter().any(|environment| environment.class == EnvironmentClass::Development) {
        let base = subject.environments.first().and_then(|environment| environment.files.first()).map_or("compose.yaml", String::as_str);
        text.push_str(&format!("  development:\n    compose_files: [{base}]\n"));
    }
    Snippet { file: Some(FILE.to_owned()), language: "yaml".to_owned(), text }
}

fn is_asked(health: &Health) -> bool {
    health.endpoint.is_some() || health.function.is_some()
}

pub(super) fn health(subject: &Subject, marks: &mut Marks) {
    let Some((manifest, text)) = manifest(subject, marks) else { return };
    let mut judged = Marks::default();
    each_service(subject, &mut judged, |at: &In<'_>, judged| {
        if !at.is_own() {
            return;
        }
        let name = at.name;
        let place = |note: String| Evidence::in_file(FILE, yaml::line(text, &["services", name, "health"]), note);
        match manifest.services.get(name).map(|service| &service.health) {
            Some(health) if subject.is_mcp && health.function.is_none() && is_asked(health) => {
                judged.half(place(format!("{name}: it is an MCP server, and nobody speaks MCP with it")));
            }
            Some(health) if is_asked(health) => judged.good(place(format!("{name}: {}", levels_of(health)))),
            _ => judged.bad(place(format!("{name}: no endpoint and no function"))),
        }
    });
    *marks = judged;
}

const fn levels_of(health: &Health) -> &'static str {
    match (health.endpoint.is_some(), health.function.is_some()) {
        (true, true) => "endpoint and function",
        (_, true) => "function",
        _ => "endpoint",
    }
}

/// What to write for the services that are built here.
pub(super) fn levels(subject: &Subject) -> Snippet {
    let mut own: Vec<&str> = Vec::new();
    for resolved in subject.careful().filter_map(|environment| environment.stack.as_ref().ok()) {
        own.extend(resolved.stack.services.iter().filter(|(_, service)| service.build.is_some()).map(|(name, _)| name.as_str()));
    }
    let name = own.first().copied().unwrap_or("SERVICE");
    let how = if subject.is_mcp { "function:\n        mcp: { port: 8000, path: /mcp }" } else { "endpoint: { http: /health, port: 8000 }" };
    Snippet { file: Some(FILE.to_owned()), language: "yaml".to_owned(), text: format!("services:\n  {name}:\n    health:\n      {how}\n") }
}

pub(super) fn contract(subject: &Subject, marks: &mut Marks) {
    if !subject.is_mcp {
        return;
    }
    let Some(manifest) = subject.manifest() else { return };
    for (name, service) in manifest.services.iter().filter(|(_, service)| is_asked(&service.health)) {
        if service.health.function.as_ref().is_none_or(|function| function.mcp.is_none()) {
            continue;
        }
        let path = service.contract.clone().unwrap_or_else(|| format!(".chora/contracts/{name}.json"));
        if subject.paths.contains(&path) {
            marks.good(Evidence::in_file(path, None, format!("{name}: recorded")));
        } else {
            marks.bad(Evidence::in_file(path, None, format!("{name}: not recorded")));
        }
    }
}
