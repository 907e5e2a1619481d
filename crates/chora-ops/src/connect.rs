//! `chora connect`: the configuration with which an MCP client reaches a server, printed, written and taken back.
//!
//! It changes one entry of the client's file and nothing else, and refuses a file that it cannot change without loss.

mod clients;
mod document;
mod file;
mod headers;
mod memory;
mod shown;
mod words;

use std::path::PathBuf;

use serde_json::{Value, json};

pub use clients::{Client, OperatingSystem};

use self::clients::Wanted;
use self::document::{Document, DocumentError};
use self::file::ClientFile;
use self::memory::{Memory, is_ours};
use self::shown::shown;
use crate::failure::{Failure, FailureKind};

/// The longest name that clients take.
const LONGEST_NAME: usize = 64;

/// What there is around the command.
#[derive(Debug, Clone)]
pub struct ConnectSettings {
    /// The person's folder, where one is known.
    pub home: Option<PathBuf>,
    /// Where programs keep their settings when that is moved: `XDG_CONFIG_HOME`, `APPDATA`.
    pub settings_folder: Option<PathBuf>,
    /// The project's folder, absolute.
    pub project: PathBuf,
    /// What the client runs on.
    pub system: OperatingSystem,
    /// This program, absolute.
    pub program: PathBuf,
}

/// Which client is to reach which server.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ConnectRequest {
    /// The client.
    pub client: Client,
    /// The name that the server has in the client.
    pub service: String,
    /// Address of a server on HTTP.
    #[serde(default)]
    pub url: Option<String>,
    /// Program and arguments of a server on standard streams.
    #[serde(default)]
    pub command: Vec<String>,
    /// Headers for a server on HTTP, as `Name: value`.
    #[serde(default)]
    pub headers: Vec<String>,
    /// Write the client's file instead of printing what would stand in it.
    #[serde(default)]
    pub write: bool,
    /// Take back what was written under that name.
    #[serde(default)]
    pub undo: bool,
    /// The client's file, where it is not in its usual place.
    #[serde(default)]
    pub file: Option<PathBuf>,
}

/// What stands, or would stand, in the client's file.
#[derive(Debug, Clone, PartialEq, serde::Serialize, schemars::JsonSchema)]
pub struct ConnectOutcome {
    /// The client.
    pub client: Client,
    /// The name that the server has in it.
    pub service: String,
    /// The client's file; n8n has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// What was or would be written, or is to be entered. Secrets are left out once they stand in the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub configuration: Option<Value>,
    /// Whether the file was changed.
    pub written: bool,
    /// What stood under that name when it was something else, without secrets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
    /// The copy of the file as it was before it was changed first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backup: Option<String>,
    /// What a person should know.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// All of it in words.
    pub text: String,
    /// The next command; after writing, the one that takes it back.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub next: String,
}

/// Prints, writes or takes back the entry of a server in a client's file.
///
/// # Errors
/// Invalid when the request says no server or the file cannot be changed without loss; denied when it may not be written;
/// conflict when somebody else changes it, or has changed what is to be taken back.
pub fn connect(settings: &ConnectSettings, request: &ConnectRequest) -> Result<ConnectOutcome, Failure> {
    check_name(&request.service)?;
    if request.undo {
        let (section, path) = place(settings, request)?;
        return undo(request, section, &ClientFile::read(&path)?);
    }
    let wanted = clients::wanted(settings, request)?;
    if !request.write {
        return Ok(preview(settings, request, wanted));
    }
    let file = place(settings, request).and_then(|(section, path)| Ok((section, ClientFile::read(&path)?)));
    let written = file.and_then(|(section, file)| write(request, section, &file, &wanted));
    written.map_err(|failure| words::by_hand(failure, request, &wanted.value))
}

/// The pattern that every client takes; Claude Code refuses names with a dot.
fn check_name(name: &str) -> Result<(), Failure> {
    let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
    if plain && name.starts_with(|c: char| c.is_ascii_alphanumeric()) && name.len() <= LONGEST_NAME {
        return Ok(());
    }
    let failure = Failure::new(FailureKind::Invalid, format!("clients do not take the name `{}`", name.escape_debug()));
    Err(failure.state("nothing was changed").hint(format!("use letters, digits, `-` and `_`, at most {LONGEST_NAME}")))
}

/// Where the client's file is; n8n has none, and without a home folder it is unknown.
fn place(settings: &ConnectSettings, request: &ConnectRequest) -> Result<(&'static str, PathBuf), Failure> {
    let name = request.client.name();
    let refuse = |message: String, hint: &str| Failure::new(FailureKind::Invalid, message).state("nothing was changed").hint(hint);
    let section = request.client.section();
    let section = section.ok_or_else(|| refuse(format!("{name} has no file: its nodes are in workflows"), "change the node in n8n"))?;
    let unknown = || refuse(format!("without a home folder it is unknown where {name} has its file"), "name it with --config FILE");
    Ok((section, path(settings, request).ok_or_else(unknown)?))
}

fn path(settings: &ConnectSettings, request: &ConnectRequest) -> Option<PathBuf> {
    let named = request.file.as_ref().map(|file| settings.project.join(file));
    named.or_else(|| request.client.file(settings))
}

/// What would stand in the file; whatever is wrong with the file is a note.
fn preview(settings: &ConnectSettings, request: &ConnectRequest, wanted: Wanted) -> ConnectOutcome {
    let mut outcome = outcome(request, wanted.notes);
    let Some(section) = request.client.section() else {
        outcome.configuration = Some(wanted.value);
        outcome.text = words::fields(&outcome);
        outcome.next = if request.command.is_empty() { String::new() } else { words::served(&request.command) };
        return outcome;
    };
    outcome.configuration = Some(json!({ section: { &request.service: &wanted.value } }));
    match path(settings, request) {
        None => outcome.notes.push("without a home folder it is unknown where the client has its file: --config names it".to_owned()),
        Some(path) => {
            outcome.file = Some(path.display().to_string());
            let there = ClientFile::read(&path).and_then(|file| entry(&file, section, &request.service));
            match there {
                Err(failure) => outcome.notes.push(failure.message),
                Ok(Some((value, _))) if value == wanted.value => outcome.notes.push("it stands there already".to_owned()),
                Ok(there) => {
                    outcome.before = there.map(|(value, _)| shown(&value));
                    outcome.next = words::again(request, "--write");
                }
            }
        }
    }
    outcome.text = words::preview(&outcome);
    outcome
}

/// What stands under a name, and how it is spelled.
fn entry(file: &ClientFile, section: &str, name: &str) -> Result<Option<(Value, String)>, Failure> {
    let refused = |error| refused(file, &error);
    let document = Document::parse(file.text()).map_err(refused)?;
    Ok(document.entry(section, name).map_err(refused)?.map(|entry| (entry.value, entry.raw.to_owned())))
}

fn write(request: &ConnectRequest, section: &str, file: &ClientFile, wanted: &Wanted) -> Result<ConnectOutcome, Failure> {
    let refused = |error| refused(file, &error);
    let mut outcome = outcome(request, wanted.notes.clone());
    outcome.file = Some(file.path.display().to_string());
    outcome.configuration = Some(json!({ section: { &request.service: shown(&wanted.value) } }));
    outcome.next = words::again(request, "--undo");
    let document = Document::parse(file.text()).map_err(refused)?;
    let there = document.entry(section, &request.service).map_err(refused)?;
    let known = Memory::read(file)?;
    let backup = || Some(file.backup()).filter(|path| path.exists()).map(|path| path.display().to_string());
    let is_known = known.as_ref().and_then(|memory| memory.entries.get(&request.service)).is_some_and(|it| it.ours == wanted.value);
    let stands = there.as_ref().is_some_and(|it| it.value == wanted.value || is_known && is_ours(&wanted.value, &it.value));
    if stands {
        outcome.backup = backup();
        if !is_known {
            outcome.next = String::new();
        }
        outcome.text = words::unchanged(&outcome);
        return Ok(outcome);
    }
    let text = document.with(section, &request.service, &wanted.value).map_err(refused)?;
    let made_folder = file.make_folder()?;
    let is_first = known.is_none();
    let mut memory = known.unwrap_or_default();
    memory.made_folder |= made_folder;
    memory.made_file |= file.text.is_none();
    memory.made_section |= !document.has_section(section).map_err(refused)?;
    memory.note(&request.service, &wanted.value, there.as_ref().map(|it| (&it.value, it.raw)));
    if is_first && file.text.is_some() {
        file.keep_copy()?;
    }
    // Before the file, so that what is written can always be taken back.
    memory.save(file)?;
    file.replace(&text)?;
    outcome.written = true;
    outcome.before = there.map(|it| shown(&it.value));
    outcome.backup = backup();
    outcome.text = words::written(&outcome);
    Ok(outcome)
}

fn undo(request: &ConnectRequest, section: &str, file: &ClientFile) -> Result<ConnectOutcome, Failure> {
    let name = &request.service;
    let mut outcome = outcome(request, Vec::new());
    outcome.file = Some(file.path.display().to_string());
    let memory = Memory::read(file)?;
    let Some((memory, ours)) = memory.and_then(|mut memory| memory.entries.remove(name).map(|ours| (memory, ours))) else {
        outcome.text = words::nothing_of_ours(&outcome);
        return Ok(outcome);
    };
    let there = entry(file, section, name)?;
    let text = match &there {
        // Somebody was quicker, or the program died before it wrote.
        None => None,
        Some((_, raw)) if ours.before.as_ref() == Some(raw) => None,
        Some((now, _)) if !is_ours(&ours.ours, now) => return Err(changed_since(request, file)),
        Some(_) => {
            let document = Document::parse(file.text()).map_err(|error| refused(file, &error))?;
            match &ours.before {
                Some(raw) => document.with_raw(section, name, raw),
                None => document.without(section, name, memory.made_section),
            }
            .map_err(|error| refused(file, &error))?
        }
    };
    if let Some(text) = text {
        take_back(file, &memory, &text)?;
        outcome.written = true;
        outcome.before = there.map(|(value, _)| shown(&value));
    }
    let left = memory.entries.len();
    outcome.backup = forget(file, &memory).map_err(|failure| failure.state("the client's file is as it was asked for"))?;
    outcome.text = words::taken_back(&outcome, ours.before.is_some(), left);
    Ok(outcome)
}

/// Keeps in mind what is left to undo; gives the copy where that is still worth something.
fn forget(file: &ClientFile, memory: &Memory) -> Result<Option<String>, Failure> {
    if memory.entries.is_empty() {
        file.forget()?;
        file.drop_equal_copy()?;
        if memory.made_folder {
            file.remove_empty_folder();
        }
    } else {
        memory.save(file)?;
    }
    Ok(Some(file.backup()).filter(|path| path.exists()).map(|path| path.display().to_string()))
}

/// Writes the file without our entry; one that we made and nobody else uses goes, one that was empty is empty again.
fn take_back(file: &ClientFile, memory: &Memory, text: &str) -> Result<(), Failure> {
    let is_bare = Document::parse(text).is_ok_and(|document| document.is_bare());
    if is_bare && memory.made_file {
        return file.remove();
    }
    let copy = ClientFile::read(&file.backup()).ok().and_then(|copy| copy.text);
    match copy.filter(|copy| is_bare && copy.trim().is_empty()) {
        Some(blank) => file.replace(&blank),
        None => file.replace(text),
    }
}

fn changed_since(request: &ConnectRequest, file: &ClientFile) -> Failure {
    let message = format!("`{}` in {} was changed since chora wrote it", request.service, file.path.display());
    let hint = format!("remove it there by hand; {} holds what stood there before", file.memory().display());
    Failure::new(FailureKind::Conflict, message).state("nothing was changed").hint(hint)
}

fn refused(file: &ClientFile, error: &DocumentError) -> Failure {
    let failure = Failure::new(FailureKind::Invalid, format!("{} cannot be changed: {error}", file.path.display()));
    failure.state("nothing was changed").hint("change the file by hand, or name another one with --config")
}

fn outcome(request: &ConnectRequest, notes: Vec<String>) -> ConnectOutcome {
    ConnectOutcome {
        client: request.client,
        service: request.service.clone(),
        file: None,
        configuration: None,
        written: false,
        before: None,
        backup: None,
        notes,
        text: String::new(),
        next: String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::{Client, ConnectOutcome, ConnectRequest, ConnectSettings, OperatingSystem, connect};
    use crate::failure::{Failure, FailureKind};
    use serde_json::json;
    use std::fs;
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    use std::path::{Path, PathBuf};
    use tempfile::TempDir;

    struct World {
        folder: TempDir,
        request: ConnectRequest,
    }

    impl World {
        fn new(client: Client) -> Self {
            let request = ConnectRequest {
                client,
                service: "notes".into(),
                url: Some("http://127.0.0.1:8000/mcp".into()),
                command: Vec::new(),
                headers: Vec::new(),
                write: true,
                undo: false,
                file: None,
            };
            Self { folder: tempfile::tempdir().unwrap(), request }
        }

        fn path(&self, path: &str) -> PathBuf {
            self.folder.path().join(path)
        }

        fn settings(&self) -> ConnectSettings {
            ConnectSettings {
                home: Some(self.path("home")),
                settings_folder: None,
                project: self.path(""),
                system: OperatingSystem::Linux,
                program: "/opt/chora".into(),
            }
        }

        fn run(&self) -> Result<ConnectOutcome, Failure> {
            connect(&self.settings(), &self.request)
        }

        fn undo(&self) -> Result<ConnectOutcome, Failure> {
            let request = ConnectRequest { undo: true, write: false, url: None, ..self.request.clone() };
            connect(&self.settings(), &request)
        }

        fn named(&self, service: &str) -> Self {
            let request = ConnectRequest { service: service.into(), file: Some(self.path(".mcp.json")), ..self.request.clone() };
            Self { folder: tempfile::tempdir().unwrap(), request }
        }

        fn put(&self, text: &str) {
            fs::write(self.path(".mcp.json"), text).unwrap();
        }

        fn text(&self) -> String {
            fs::read_to_string(self.path(".mcp.json")).unwrap()
        }

        fn files(&self) -> Vec<String> {
            let mut names: Vec<String> =
                fs::read_dir(self.path("")).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
            names.sort();
            names
        }
    }

    #[test]
    fn a_name_that_clients_do_not_take_is_refused() {
        let mut world = World::new(Client::Cursor);
        for name in ["", "a b", "a.b", "-a", "__proto__", "a\"b", &"x".repeat(65)] {
            world.request.service = name.into();
            let refused = world.run().unwrap_err();
            assert_eq!((refused.kind, refused.state.as_str()), (FailureKind::Invalid, "nothing was changed"), "{name:?}");
            assert!(world.undo().is_err());
        }
        assert!(world.files().is_empty());
    }

    #[test]
    fn a_file_that_cannot_be_changed_without_loss_stays_and_the_entry_is_told() {
        let table = [
            ("{\n  // ours\n  \"mcpServers\": {}\n}", "comments"),
            ("{ \"mcpServers\": ", "no JSON"),
            ("[1]", "no JSON object"),
            ("{ \"mcpServers\": [] }", "`mcpServers`"),
            ("{ \"mcpServers\": { \"notes\": 1, \"notes\": 2 } }", "twice"),
        ];
        for (text, word) in table {
            let mut world = World::new(Client::ClaudeCode);
            world.put(text);
            let refused = world.run().unwrap_err();
            assert!(refused.kind == FailureKind::Invalid && refused.message.contains(word), "{refused:?}");
            assert!(refused.details.join("\n").contains("\"url\": \"http://127.0.0.1:8000/mcp\""), "{refused:?}");
            world.request.write = false;
            let shown = world.run().unwrap();
            assert!(shown.notes[0].contains(word) && shown.configuration.is_some() && shown.next.is_empty(), "{shown:?}");
            assert_eq!((world.text().as_str(), world.files().len()), (text, 1));
        }
    }

    #[test]
    fn without_a_home_folder_only_a_named_file_is_written() {
        let mut world = World::new(Client::ClaudeDesktop);
        let homeless = ConnectSettings { home: None, ..world.settings() };
        let refused = connect(&homeless, &world.request).unwrap_err();
        assert!(refused.hint.contains("--config") && refused.details.join("").contains("/opt/chora"), "{refused:?}");
        world.request.write = false;
        let shown = connect(&homeless, &world.request).unwrap();
        assert!(shown.file.is_none() && shown.notes[0].contains("--config") && shown.next.is_empty());
        world.request = ConnectRequest { write: true, file: Some("x.json".into()), ..world.request };
        assert!(connect(&homeless, &world.request).unwrap().written);
        assert!(world.path("x.json").exists());
    }

    #[test]
    fn a_folder_that_may_not_be_written_is_named() {
        let world = World::new(Client::Cursor);
        let folder = world.path(".cursor");
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("mcp.json"), "{}").unwrap();
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o555)).unwrap();
        // Permissions do not bind root.
        if fs::write(folder.join("probe"), "").is_ok() {
            fs::remove_file(folder.join("probe")).unwrap();
        } else {
            let refused = world.run().unwrap_err();
            assert!(refused.kind == FailureKind::Denied && refused.details.join("").contains("mcpServers"), "{refused:?}");
            assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
        }
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
        fs::remove_dir_all(&folder).unwrap();
        fs::write(&folder, "a file").unwrap();
        assert_eq!(world.run().unwrap_err().kind, FailureKind::Invalid);
    }

    #[test]
    fn nothing_is_written_unless_asked_for() {
        let mut world = World::new(Client::Cursor);
        world.request.write = false;
        let shown = world.run().unwrap();
        assert_eq!(shown.configuration, Some(json!({ "mcpServers": { "notes": { "url": "http://127.0.0.1:8000/mcp" } } })));
        assert_eq!(shown.next, "chora connect cursor notes --url http://127.0.0.1:8000/mcp --write");
        assert!(!shown.written && shown.text.contains(".cursor/mcp.json") && world.files().is_empty(), "{shown:?}");
    }

    #[test]
    fn what_was_made_is_unmade() {
        for client in [Client::ClaudeDesktop, Client::ClaudeCode, Client::Cursor, Client::VsCode] {
            let world = World::new(client);
            fs::create_dir_all(world.path("home/.config")).unwrap();
            let before = world.files();
            let outcome = world.run().unwrap();
            let file = PathBuf::from(outcome.file.clone().unwrap());
            assert!(outcome.written && outcome.backup.is_none() && file.exists(), "{outcome:?}");
            assert!(outcome.next.ends_with("--undo"));
            let repeated = world.run().unwrap();
            assert!(!repeated.written && repeated.text.contains("already") && repeated.next == outcome.next, "{repeated:?}");
            assert!(world.undo().unwrap().written);
            assert!(!file.exists() && world.files() == before, "{client:?} {:?}", world.files());
            assert_eq!(fs::read_dir(world.path("home/.config")).unwrap().count(), 0);
            let again = world.undo().unwrap();
            assert!(!again.written && again.text.contains("nothing was changed"), "{again:?}");
        }
    }

    #[test]
    fn everything_else_in_the_file_keeps_its_bytes() {
        let table = [
            "",
            " \n",
            "{}",
            "{\n\t\"theme\": \"dark\",\n\t\"n\": 1.50\n}\n",
            "{\n    \"mcpServers\": {\n        \"a\": { \"command\": \"x\" }\n    },\n    \"z\": [ ]\n}",
            "{\"mcpServers\":{}}",
        ];
        for text in table {
            let world = World::new(Client::ClaudeCode);
            world.put(text);
            fs::set_permissions(world.path(".mcp.json"), fs::Permissions::from_mode(0o604)).unwrap();
            let outcome = world.run().unwrap();
            let copy = outcome.backup.unwrap();
            assert!(copy.ends_with(".mcp.json.chora-backup") && fs::read_to_string(copy).unwrap() == text);
            assert_ne!(world.text(), text);
            assert_eq!(fs::metadata(world.path(".mcp.json")).unwrap().permissions().mode() & 0o777, 0o604);
            world.undo().unwrap();
            assert_eq!((world.text().as_str(), world.files().len()), (text, 1));
        }
    }

    #[test]
    fn an_entry_of_somebody_else_is_told_replaced_and_put_back() {
        let mut world = World::new(Client::ClaudeCode);
        let text = "{\n  \"mcpServers\": {\n    \"notes\": { \"url\":  \"http://old\", \"headers\": { \"K\": \"abc\" } }\n  }\n}\n";
        world.put(text);
        world.request.write = false;
        let before = Some(json!({ "url": "http://old", "headers": { "K": "[redacted]" } }));
        assert_eq!(world.run().unwrap().before, before);
        assert_eq!((world.text().as_str(), world.files().len()), (text, 1));
        world.request.write = true;
        let outcome = world.run().unwrap();
        assert!(outcome.before == before && outcome.text.contains("http://old") && !outcome.text.contains("abc"), "{outcome:?}");
        world.request.url = Some("http://127.0.0.1:9000/mcp".into());
        assert!(world.run().unwrap().written);
        let undone = world.undo().unwrap();
        assert!(undone.written && undone.text.contains("what it was before"), "{undone:?}");
        assert_eq!(world.text(), text);
    }

    #[test]
    fn later_changes_of_others_stay() {
        let world = World::new(Client::ClaudeCode);
        world.run().unwrap();
        let theirs = world
            .text()
            .replace("\"mcpServers\": {", "\"mcpServers\": {\n    \"other\": {},")
            .replace("\"url\"", "\"disabled\": true, \"url\"");
        world.put(&theirs);
        assert!(!world.run().unwrap().written, "a field that the client has added is no reason to write again");
        assert!(world.undo().unwrap().written);
        assert_eq!(world.text(), "{\n  \"mcpServers\": {\n    \"other\": {}\n  }\n}\n");
        assert_eq!(world.files(), [".mcp.json"]);
    }

    #[test]
    fn an_entry_that_somebody_has_changed_or_removed_is_left_alone() {
        let world = World::new(Client::ClaudeCode);
        world.run().unwrap();
        let ours = world.text();
        world.put(&ours.replace(":8000", ":1"));
        let refused = world.undo().unwrap_err();
        assert!(refused.kind == FailureKind::Conflict && refused.message.contains("changed since"), "{refused:?}");
        assert!(world.text().contains(":1/"));
        world.put("{ \"mine\": 1 }");
        let undone = world.undo().unwrap();
        assert!(!undone.written && undone.text.contains("already"), "{undone:?}");
        assert_eq!((world.text().as_str(), world.files().len()), ("{ \"mine\": 1 }", 1));
        world.put(&ours);
        assert!(!world.undo().unwrap().written, "what chora does not remember is not its own");
        fs::remove_file(world.path(".mcp.json")).unwrap();
        assert!(!world.undo().unwrap().written);
    }

    #[test]
    fn two_servers_in_one_file_come_and_go_in_any_order() {
        for order in [[0, 1], [1, 0]] {
            let world = World::new(Client::ClaudeCode);
            world.put("{ \"a\": 1 }");
            let both = [world.named("one"), world.named("two")];
            both.iter().for_each(|one| assert!(one.run().unwrap().written));
            let first = both[order[0]].undo().unwrap();
            assert!(first.text.contains("others that chora wrote there: 1") && first.backup.is_some(), "{first:?}");
            assert!(world.text().contains(&both[order[1]].request.service));
            both[order[1]].undo().unwrap();
            assert_eq!((world.text().as_str(), world.files().len()), ("{ \"a\": 1 }", 1));
        }
    }

    #[test]
    fn a_link_stays_a_link() {
        for there in [true, false] {
            let world = World::new(Client::ClaudeCode);
            fs::create_dir(world.path("dotfiles")).unwrap();
            symlink("dotfiles/middle.json", world.path(".mcp.json")).unwrap();
            symlink("real.json", world.path("dotfiles/middle.json")).unwrap();
            let real = world.path("dotfiles/real.json");
            if there {
                fs::write(&real, "{}").unwrap();
            }
            let outcome = world.run().unwrap();
            assert!(outcome.written && outcome.file.unwrap().ends_with("real.json"));
            assert!(fs::read_to_string(&real).unwrap().contains("notes"));
            let is_link = |path: &Path| fs::symlink_metadata(path).unwrap().is_symlink();
            assert!(is_link(&world.path(".mcp.json")) && is_link(&world.path("dotfiles/middle.json")));
            world.undo().unwrap();
            assert_eq!((real.exists(), fs::read_dir(world.path("dotfiles")).unwrap().count()), (there, 1 + usize::from(there)));
        }
    }

    #[test]
    fn a_memory_that_cannot_be_read_stops_everything() {
        let world = World::new(Client::ClaudeCode);
        world.put("{}");
        fs::write(world.path(".mcp.json.chora-undo"), "?").unwrap();
        for refused in [world.run().unwrap_err(), world.undo().unwrap_err()] {
            assert!(refused.kind == FailureKind::Conflict && refused.message.contains(".chora-undo"), "{refused:?}");
        }
        assert_eq!(world.text(), "{}");
    }

    #[test]
    fn a_program_that_died_before_it_wrote_is_undone() {
        for text in ["{}", "{\n  \"mcpServers\": {\n    \"notes\": {\"url\": \"x\"}\n  }\n}"] {
            let world = World::new(Client::ClaudeCode);
            world.put(text);
            world.run().unwrap();
            world.put(text);
            assert!(!world.undo().unwrap().written);
            assert_eq!((world.text().as_str(), world.files().len()), (text, 1));
        }
    }

    #[test]
    fn a_secret_is_written_when_it_is_given_and_not_repeated() {
        let mut world = World::new(Client::VsCode);
        world.request.headers = vec!["X-Key: abc".into(), "Authorization: Bearer ${TOKEN}".into()];
        let outcome = world.run().unwrap();
        let said = serde_json::to_string(&outcome).unwrap();
        assert!(!said.contains("abc") && said.contains("${env:TOKEN}") && said.contains("[redacted]"), "{said}");
        let text = fs::read_to_string(world.path(".vscode/mcp.json")).unwrap();
        assert!(text.contains("\"X-Key\": \"abc\"") && text.contains("Bearer ${env:TOKEN}"), "{text}");
    }

    #[test]
    fn a_refusal_repeats_no_secret() {
        for client in [Client::ClaudeDesktop, Client::ClaudeCode, Client::N8n] {
            let mut world = World::new(client);
            fs::write(world.path("x.json"), "{ // ours\n}").unwrap();
            (world.request.file, world.request.headers) = (Some("x.json".into()), vec!["Authorization: Bearer abc".into()]);
            let refused = world.run().unwrap_err();
            let said = serde_json::to_string(&refused).unwrap();
            assert!(said.contains("http://127.0.0.1:8000/mcp") && !said.contains("abc"), "{said}");
        }
    }

    #[test]
    fn n8n_is_told_what_to_enter_and_has_no_file() {
        let mut world = World::new(Client::N8n);
        let refused = world.run().unwrap_err();
        assert!(refused.kind == FailureKind::Invalid && refused.details.join("").contains("HTTP Streamable"), "{refused:?}");
        assert_eq!(world.undo().unwrap_err().kind, FailureKind::Invalid);
        world.request.write = false;
        let shown = world.run().unwrap();
        assert!(shown.file.is_none() && shown.text.contains("Endpoint: http://127.0.0.1:8000/mcp"), "{shown:?}");
        (world.request.url, world.request.command) = (None, vec!["uvx".into(), "notes".into()]);
        assert_eq!(world.run().unwrap().next, "chora bridge --stdio -- uvx notes");
    }

    #[test]
    fn requests_are_read_as_the_command_line_names_things() {
        let request: ConnectRequest = serde_json::from_value(json!({ "client": "vscode", "service": "a" })).unwrap();
        assert_eq!((request.client, request.client.name()), (Client::VsCode, "vscode"));
        for client in [Client::ClaudeDesktop, Client::ClaudeCode, Client::Cursor, Client::VsCode, Client::N8n] {
            assert_eq!(serde_json::to_value(client).unwrap(), json!(client.name()));
        }
        assert!(serde_json::from_value::<ConnectRequest>(json!({ "client": "cursor", "service": "a", "x": 1 })).is_err());
        assert!(schemars::schema_for!(ConnectOutcome).get("properties").is_some());
    }
}
