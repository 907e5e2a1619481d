//! How dependencies get into an image.

use chora_syntax::dockerfile::{Instruction, InstructionKind, Stage};

use super::{Subject, each};
use crate::audit::marks::Marks;

/// Commands that download what a project depends on.
const INSTALLS: [&str; 22] = [
    "pip install",
    "pip3 install",
    "uv sync",
    "uv pip install",
    "poetry install",
    "pipenv install",
    "npm ci",
    "npm install",
    "npm i ",
    "yarn install",
    "pnpm install",
    "pnpm i ",
    "bun install",
    "go mod download",
    "go build",
    "cargo fetch",
    "cargo build",
    "cargo install",
    "bundle install",
    "composer install",
    "mvn ",
    "dotnet restore",
];
/// What installs those commands themselves.
const TOOLS: [&str; 8] = ["pip", "poetry", "uv", "pipenv", "wheel", "setuptools", "build", "hatch"];
/// Endings of manifest and lock files.
const MANIFESTS: [&str; 16] =
    ["toml", "lock", "txt", "json", "yaml", "yml", "cfg", "mod", "sum", "md", "xml", "gradle", "kts", "csproj", "sln", "lockb"];
/// Manifest files without such an ending.
const NAMED: [&str; 5] = ["Gemfile", "Pipfile", "LICENSE", ".npmrc", "mvnw"];

/// An instruction that installs dependencies, and whether it mounts a cache.
fn installation(instruction: &Instruction) -> Option<bool> {
    let InstructionKind::Run { command, mounts } = &instruction.kind else { return None };
    let line = command.replace("\\\n", " ");
    let line = line.split_whitespace().collect::<Vec<_>>().join(" ") + " ";
    let installs = line.split(['&', ';', '|']).any(|part| INSTALLS.iter().any(|known| part.contains(known)) && !is_of_a_tool(part));
    installs.then(|| mounts.iter().any(|mount| mount.split(',').any(|option| option == "type=cache")))
}

/// Whether only the tool is installed, not what the project depends on.
fn is_of_a_tool(part: &str) -> bool {
    let Some((_, packages)) = part.split_once("pip install").or_else(|| part.split_once("pip3 install")) else { return false };
    let mut named = packages.split_whitespace().filter(|word| !word.starts_with('-')).peekable();
    named.peek().is_some() && named.all(|word| TOOLS.contains(&word.split(['=', '<', '>', '~', '[']).next().unwrap_or(word)))
}

/// Whether an instruction copies source, not only manifest and lock files.
fn copies_source(instruction: &Instruction) -> bool {
    let InstructionKind::Copy { sources, from: None } = &instruction.kind else { return false };
    sources.iter().any(|source| {
        let plain: String = source.chars().filter(|character| !"[]*?\"".contains(*character)).collect();
        let name = plain.rsplit('/').next().unwrap_or(&plain);
        let end = name.rsplit_once('.').map_or("", |(_, end)| end);
        !NAMED.contains(&name) && !MANIFESTS.contains(&end)
    })
}

fn first(stage: &Stage, wanted: impl Fn(&Instruction) -> bool) -> Option<usize> {
    stage.instructions.iter().position(wanted)
}

pub(super) fn before_source(subject: &Subject, marks: &mut Marks) {
    each(subject, marks, |target, marks| {
        for stage in &target.file.stages {
            let Some((at, install)) = stage.instructions.iter().enumerate().find(|(_, one)| installation(one).is_some()) else { continue };
            let source = first(stage, copies_source).filter(|source| *source < at).and_then(|source| stage.instructions.get(source));
            match source {
                None => marks.good(target.at(install.line, "installed before the source is copied")),
                Some(copy) if installation(install) == Some(true) => {
                    marks.half(target.at(copy.line, format!("the source is copied before line {} installs, from a cache", install.line)));
                }
                Some(copy) => marks.bad(target.at(copy.line, format!("the source is copied before line {} installs", install.line))),
            }
        }
    });
}

pub(super) fn cached(subject: &Subject, marks: &mut Marks) {
    each(subject, marks, |target, marks| {
        for instruction in target.file.stages.iter().flat_map(|stage| &stage.instructions) {
            match installation(instruction) {
                Some(true) => marks.good(target.at(instruction.line, "a cache is mounted")),
                Some(false) => marks.bad(target.at(instruction.line, "no cache is mounted")),
                None => {}
            }
        }
    });
}
