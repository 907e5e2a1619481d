//! `chora audit`: how much of the best practices and of its pattern a project has adopted, with the evidence, and the plan to all of it.

mod environments;
mod images;
mod surroundings;

use std::path::Path;

use chora_core::audit::{AdoptionPlan, Counts, Evidence, JudgedFeature, ManifestFile, PatternState, Subject, judge};
use chora_syntax::{Diagnostics, manifest};
use serde::{Deserialize, Serialize};

use crate::context::Settings;
use crate::failure::{Failure, FailureKind};
use crate::scaffold::detect;

/// The pattern of an MCP server.
const MCP_SERVER: &str = "mcp-server";
/// The largest file that is looked at.
const LARGEST: u64 = 1024 * 1024;

/// How to audit.
#[derive(Debug, Clone, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AuditRequest {
    /// Not `ok` below this percentage.
    pub fail_under: Option<u8>,
}

/// What an audit found.
#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
pub struct AuditOutcome {
    /// Whether the percentage that was asked for is reached.
    pub ok: bool,
    /// Where.
    pub directory: String,
    /// How much is adopted, of what applies, by weight.
    pub percent: u8,
    /// How many features are in which state.
    pub counts: Counts,
    /// Every feature.
    pub features: Vec<JudgedFeature>,
    /// What leads to 100 percent.
    pub plan: AdoptionPlan,
    /// The next command.
    pub next: String,
}

/// Audits the project. It reads files, runs nothing and asks no engine; what cannot be read is part of the outcome.
///
/// # Errors
/// Not found where there is neither a Dockerfile nor a Compose file nor `chora.yaml`.
pub fn audit(settings: &Settings, request: &AuditRequest) -> Result<AuditOutcome, Failure> {
    let subject = subject(settings)?;
    let audit = judge(&subject);
    let next = if audit.plan.phases.is_empty() { "chora plan, then chora deploy" } else { "chora audit --markdown" };
    Ok(AuditOutcome {
        ok: request.fail_under.is_none_or(|least| audit.percent >= least),
        directory: subject.directory,
        percent: audit.percent,
        counts: audit.counts,
        features: audit.features,
        plan: audit.plan,
        next: next.to_owned(),
    })
}

fn subject(settings: &Settings) -> Result<Subject, Failure> {
    let root = settings.project_dir.as_path();
    let mut paths = surroundings::paths(root);
    let manifest = manifest_file(root);
    let environments = environments::environments(settings, &manifest, &paths);
    let images = images::images(root, &environments);
    let is_bare = matches!(manifest, ManifestFile::Absent) && environments.iter().all(|environment| environment.files.is_empty());
    if is_bare && !images.iter().any(|image| image.file.is_ok()) && !paths.iter().any(|path| path.starts_with("Dockerfile")) {
        let what = format!("nothing to audit in {}: no Dockerfile, no Compose file, no chora.yaml", root.display());
        let failure = Failure::new(FailureKind::NotFound, what).state("nothing was changed");
        return Err(failure.hint("chora init --dry-run shows what a pattern would write; or name the project with --project"));
    }
    if let ManifestFile::Read(manifest, _) = &manifest {
        let contracts = manifest.services.values().filter_map(|service| service.contract.clone());
        paths.extend(contracts.filter(|path| root.join(path).is_file()));
    }
    let pattern = surroundings::pattern(settings);
    let found = detect::detect(root);
    Ok(Subject {
        directory: root.display().to_string(),
        ignored: surroundings::ignored(root, &surroundings::private(root, &environments)),
        texts: surroundings::texts(root, &paths),
        is_repository: surroundings::repository(root).is_some(),
        is_mcp: found.pattern == MCP_SERVER || matches!(&pattern, PatternState::Known { name, .. } if name == MCP_SERVER),
        images,
        environments,
        manifest,
        paths,
        pattern,
    })
}

fn manifest_file(root: &Path) -> ManifestFile {
    const FILE: &str = "chora.yaml";
    match read(&root.join(FILE)) {
        Ok(text) => match manifest::parse(&text, FILE) {
            Ok(manifest) => ManifestFile::Read(Box::new(manifest), text),
            Err(problems) => ManifestFile::Broken(reasons(&problems)),
        },
        Err(Unread::Absent) => ManifestFile::Absent,
        Err(Unread::Other(why)) => ManifestFile::Broken(vec![Evidence::in_file(FILE, None, why)]),
    }
}

/// Why a file has no text.
enum Unread {
    Absent,
    Other(String),
}

/// The text of a file.
fn read(path: &Path) -> Result<String, Unread> {
    let other = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory => Unread::Absent,
        _ => Unread::Other(format!("it cannot be read: {error}")),
    };
    let metadata = std::fs::metadata(path).map_err(other)?;
    if !metadata.is_file() {
        return Err(Unread::Other("it is no file".to_owned()));
    }
    if metadata.len() > LARGEST {
        return Err(Unread::Other("it is larger than 1 MiB".to_owned()));
    }
    let bytes = std::fs::read(path).map_err(other)?;
    String::from_utf8(bytes).map_err(|_| Unread::Other("it is not UTF-8 text".to_owned()))
}

/// Diagnostics as evidence.
fn reasons(problems: &Diagnostics) -> Vec<Evidence> {
    let reason = |problem: &chora_syntax::Diagnostic| Evidence {
        file: problem.file().map(str::to_owned),
        line: problem.position().map(|(line, _)| line),
        note: problem.message.clone(),
        environments: Vec::new(),
    };
    problems.0.iter().map(reason).collect()
}

/// A path as messages print it.
fn shown(root: &Path, path: &Path) -> String {
    path.strip_prefix(root).unwrap_or(path).display().to_string()
}
