//! One run tells everything that is wrong, and nothing that only follows from it.

use std::path::{Path, PathBuf};

use chora_syntax::compose::{ResolveRequest, resolve};
use chora_syntax::{Diagnostic, DiagnosticKind, FileProblem, Files, MemoryFiles};

use crate::corpus;
use crate::disk::Disk;

fn problems(files: &[(&str, &str)]) -> String {
    let memory = files.iter().fold(MemoryFiles::default(), |memory, (name, text)| memory.with(format!("/shop/{name}"), *text));
    resolve(&memory, &ResolveRequest { project_dir: "/shop".into(), ..ResolveRequest::default() }).unwrap_err().to_string()
}

#[test]
fn a_file_with_errors_of_every_step() {
    let text = "\
services:
  web:
    image: \"nginx:${TAG:?say which}-${FLAVOUR:?}\"
    user: ${1}
    imge: b
    ports: ['80:x']
    command: [sleep, 5]
    volumes: ['dta:/data']
    networks: [back]
    depends_on: [wrker, job]
    environment: {A: 1, A: 2}
  worker:
    extends: bas
    env_file: none.env
    secrets: [token]
    healthcheck: {test: [CURL, x]}
  job:
    restart: *often
    depends_on: [web]
  base: {image: c}
volumes:
  data:
  old: {external: true, driver: local}
secrets:
  key: {}
";
    insta::assert_snapshot!(problems(&[("compose.yaml", text)]), @r#"
    compose.yaml:3:19: variable `TAG` is required: say which (set `TAG` in the environment or in an env file)
    compose.yaml:3:37: variable `FLAVOUR` is required (set `FLAVOUR` in the environment or in an env file)
    compose.yaml:4:11: `${1}` is not a variable (write `$$` for a dollar sign)
    compose.yaml:5:5: unknown key `imge` in `services.web` (did you mean `image`?)
    compose.yaml:6:13: `x` is not a container port (write `host:container`, such as "8080:80")
    compose.yaml:7:22: `services.web.command[1]` takes text, found a number (write it in quotes: "5")
    compose.yaml:8:15: there is no volume `dta` (did you mean `data`?)
    compose.yaml:9:16: there is no network `back` (define it under the top-level key `networks`)
    compose.yaml:10:18: there is no service `wrker` (did you mean `worker`?)
    compose.yaml:11:25: key `A` is used twice in this mapping
    compose.yaml:13:14: there is no service `bas` in `compose.yaml` to extend (did you mean `base`?)
    compose.yaml:14:15: env file `none.env` does not exist
    compose.yaml:15:15: there is no secret `token` (define it under the top-level key `secrets`)
    compose.yaml:16:26: a health test given as a list starts with CMD, CMD-SHELL or NONE (write `[CMD, program, argument]`)
    compose.yaml:18:5: service `job` has neither `image` nor `build` (name an image to run or a directory to build)
    compose.yaml:18:14: there is no anchor `often` before this alias
    compose.yaml:19:18: services wait for each other: web → job → web
    compose.yaml:23:25: volume `old` is external, so `driver` has no effect on it
    compose.yaml:25:8: `secrets.key` needs one of `file`, `environment` or `external`
    "#);
}

#[test]
fn several_files_with_errors_each() {
    let files = [
        (".env", "A B=1\nTAG=${NONE:?}\nC\"=1\n"),
        ("compose.yaml", "include: [none.yaml, part.yaml]\nservices:\n  web: {image: 'a:${TAG:?}', prts: []}\n"),
        ("part.yaml", "services:\n  db: {image: [x], networks: [unknown]}\n  db2: {command: a, depends_on: {db: {condition: up}}}\n"),
        (
            "compose.override.yaml",
            "services:\n  web: {ports: [x]}\n  job: {extends: {file: base.yaml, service: nobody}}\nvolumes: [data]\n",
        ),
        ("base.yaml", "services: {job: {image: a, user: '${'}}\n"),
    ];
    insta::assert_snapshot!(problems(&files), @r#"
    .env:1:1: key `A B` contains a space
    .env:3:2: unexpected `"` in a variable name
    compose.yaml:1:11: file `none.yaml` does not exist
    compose.yaml:3:30: unknown key `prts` in `services.web` (did you mean `ports`?)
    compose.override.yaml:2:17: `x` is not a container port (write `host:container`, such as "8080:80")
    compose.override.yaml:4:10: `volumes` takes a mapping, found a list
    part.yaml:2:15: `services.db.image` takes text, found a list
    part.yaml:3:50: `services.db2.depends_on.db.condition` is none of service_started, service_healthy, service_completed_successfully, found `up`
    base.yaml:1:35: `${` is not a variable (write `$$` for a dollar sign)
    "#);
}

#[test]
fn a_file_that_breaks_off_is_read_up_to_there() {
    let text = "services:\n  web:\n    imge: a\n    networks: [back]\n  db:\n    image: [b\n    ports: ['x']\nnetworks: {back: }\n";
    insta::assert_snapshot!(problems(&[("compose.yaml", text)]), @r#"
    compose.yaml:3:5: unknown key `imge` in `services.web` (did you mean `image`?)
    compose.yaml:7:10: broken YAML: illegal placement of ':' indicator
    "#);
    insta::assert_snapshot!(problems(&[("compose.yaml", "services:\n  web:\n    image: \"a\n    user: 5\n")]), @"compose.yaml:4:5: broken YAML: invalid indentation in multiline quoted scalar");
    insta::assert_snapshot!(problems(&[("compose.yaml", "services: {web: {image: a"), ("compose.override.yaml", "servces: {}\n")]), @r#"
    compose.yaml:1:17: broken YAML: unclosed bracket '{'
    compose.override.yaml:1:1: unknown key `servces` (did you mean `services`?)
    "#);
}

#[test]
fn parts_that_are_not_there_are_not_missed() {
    let missing = "include: [none.yaml]\nservices: {web: {depends_on: [db], volumes: ['data:/d'], secrets: [key]}}\nsecrets: {key: {}}\n";
    insta::assert_snapshot!(problems(&[("compose.yaml", missing)]), @"compose.yaml:1:11: file `none.yaml` does not exist");
    let extended = "services: {web: {extends: {file: none.yaml, service: web}, networks: [back]}}\n";
    insta::assert_snapshot!(problems(&[("compose.yaml", extended)]), @r#"
    compose.yaml:1:27: file `none.yaml` does not exist
    compose.yaml:1:71: there is no network `back` (define it under the top-level key `networks`)
    "#);
    let unknown = "services: {web: {image: a, networks: [back], depends_on: [db]}, db: '${1}'}\nnetworks: '${2}'\n";
    insta::assert_snapshot!(problems(&[("compose.yaml", unknown)]), @r#"
    compose.yaml:1:70: `${1}` is not a variable (write `$$` for a dollar sign)
    compose.yaml:2:12: `${2}` is not a variable (write `$$` for a dollar sign)
    "#);
}

/// Every file as it is on disk, but one.
struct Changed<'c> {
    path: &'c Path,
    text: String,
}

impl Files for Changed<'_> {
    fn read(&self, path: &Path) -> Result<String, FileProblem> {
        if path == self.path { Ok(self.text.clone()) } else { Disk.read(path) }
    }
}

fn yaml_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            yaml_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml") {
            found.push(path);
        }
    }
    found.sort();
}

/// Where the plain value of a line begins: after `key: ` or `- `.
fn value_at(line: &str) -> Option<usize> {
    let item = line.len() - line.trim_start_matches([' ', '-']).len();
    let rest = line.split_at(item).1;
    let word = rest.find(|c: char| !(c.is_ascii_alphanumeric() || "_.-/".contains(c))).unwrap_or(rest.len());
    let at = match rest.split_at(word).1.strip_prefix(": ") {
        Some(_) if word > 0 => item + word + 2,
        _ if line.trim_start().starts_with("- ") => item,
        _ => return None,
    };
    let value = line.split_at(at).1.trim_start();
    let is_quoted = value.starts_with(['"', '\'']) && value.len() > 1 && value.chars().next() == value.chars().next_back();
    (!value.is_empty() && (is_quoted || !value.starts_with(['#', '&', '*', '!', '|', '>', '{', '[', '"', '\'']))).then_some(at)
}

/// Puts something wrong in the place of every value of every accepted project, one at a time. Nothing else may be found wrong then.
fn nothing_else_is_wrong(wrong: &str, allowed: impl Fn(DiagnosticKind) -> bool) {
    let mut count = 0;
    let mut others = Vec::new();
    for folder in corpus::accepted() {
        let request = corpus::request(&folder);
        let mut files = Vec::new();
        yaml_files(&folder, &mut files);
        for path in files {
            let text = std::fs::read_to_string(&path).unwrap();
            let lines: Vec<&str> = text.lines().collect();
            // The largest project repeats itself: a part of it is enough.
            for (index, line) in lines.iter().enumerate().step_by(if lines.len() > 200 { 23 } else { 1 }) {
                let Some(at) = value_at(line) else { continue };
                let changed = format!("{}{wrong}", line.split_at(at).0);
                let mut copy = lines.clone();
                copy[index] = &changed;
                let Err(found) = resolve(&Changed { path: &path, text: copy.join("\n") + "\n" }, &request) else { continue };
                count += 1;
                let here = |position: Option<(usize, usize)>| position.is_some_and(|(line, _)| line == index + 1);
                // Values that exclude each other are both wrong.
                let excludes = |message: &str| message.contains("in an earlier file");
                let expected = |problem: &&Diagnostic| (allowed(problem.kind) && here(problem.position())) || excludes(&problem.message);
                if let Some(other) = found.0.iter().find(|problem| !expected(problem)) {
                    others.push(format!("{}:{}: {changed}\n    {other}", path.strip_prefix(corpus::root()).unwrap().display(), index + 1));
                }
            }
        }
    }
    assert!(others.is_empty(), "{}\n{} of {count}", others.join("\n"), others.len());
    assert!(count > 500, "{count} is too few to tell");
}

#[test]
fn a_value_that_cannot_be_interpolated_makes_nothing_else_wrong() {
    nothing_else_is_wrong("\"${1}\"", |kind| kind == DiagnosticKind::Variable);
}

#[test]
fn a_value_of_the_wrong_type_makes_nothing_else_wrong() {
    nothing_else_is_wrong("[[1]]", |kind| matches!(kind, DiagnosticKind::Value));
}

#[test]
fn a_file_that_breaks_off_makes_nothing_else_wrong() {
    nothing_else_is_wrong("@", |kind| kind == DiagnosticKind::Syntax);
}
