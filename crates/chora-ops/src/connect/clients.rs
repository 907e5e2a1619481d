//! The clients: where each keeps its servers, and what an entry looks like there.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::headers::{Header, Variables};
use super::{ConnectRequest, ConnectSettings};
use crate::failure::{Failure, FailureKind};

/// A program that speaks MCP to servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Client {
    /// Claude Desktop; it starts programs only.
    ClaudeDesktop,
    /// Claude Code, in the project.
    ClaudeCode,
    /// Cursor, in the project.
    Cursor,
    /// Visual Studio Code, in the project.
    #[serde(rename = "vscode")]
    VsCode,
    /// n8n; it keeps its nodes in workflows, not in a file.
    N8n,
}

/// What the client runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OperatingSystem {
    /// Linux, and what is like it.
    Linux,
    /// macOS.
    MacOs,
    /// Windows.
    Windows,
}

impl OperatingSystem {
    /// By the name that Rust gives it.
    #[must_use]
    pub fn named(name: &str) -> Self {
        match name {
            "macos" => Self::MacOs,
            "windows" => Self::Windows,
            _ => Self::Linux,
        }
    }
}

/// An entry, and what a person should know about it.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) value: Value,
    pub(super) notes: Vec<String>,
}

/// What the entry leads to.
enum Server<'a> {
    Remote { url: &'a str, headers: Vec<Header> },
    Local { program: &'a str, arguments: &'a [String] },
}

impl Client {
    /// The name on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ClaudeDesktop => "claude-desktop",
            Self::ClaudeCode => "claude-code",
            Self::Cursor => "cursor",
            Self::VsCode => "vscode",
            Self::N8n => "n8n",
        }
    }

    /// The key that its file holds servers under.
    pub(super) const fn section(self) -> Option<&'static str> {
        match self {
            Self::ClaudeDesktop | Self::ClaudeCode | Self::Cursor => Some("mcpServers"),
            Self::VsCode => Some("servers"),
            Self::N8n => None,
        }
    }

    /// Where its file is.
    pub(super) fn file(self, settings: &ConnectSettings) -> Option<PathBuf> {
        match self {
            Self::ClaudeDesktop => Some(programs_folder(settings)?.join("Claude").join("claude_desktop_config.json")),
            Self::ClaudeCode => Some(settings.project.join(".mcp.json")),
            Self::Cursor => Some(settings.project.join(".cursor").join("mcp.json")),
            Self::VsCode => Some(settings.project.join(".vscode").join("mcp.json")),
            Self::N8n => None,
        }
    }

    /// What makes it see a changed file.
    pub(super) const fn afterwards(self) -> &'static str {
        match self {
            Self::ClaudeDesktop => "quit Claude Desktop and start it again",
            Self::ClaudeCode => "start Claude Code again in the project; it asks once whether the server may be used",
            Self::Cursor => "reload Cursor, and switch the server on in its MCP settings",
            Self::VsCode => "start the server in VS Code (`MCP: List Servers`)",
            Self::N8n => "",
        }
    }

    const fn variables(self) -> Variables {
        match self {
            Self::ClaudeDesktop => Variables::Unknown,
            Self::ClaudeCode => Variables::Braces,
            Self::Cursor | Self::VsCode => Variables::EnvBraces,
            Self::N8n => Variables::Expression,
        }
    }
}

/// Where programs keep their settings.
fn programs_folder(settings: &ConnectSettings) -> Option<PathBuf> {
    let home = settings.home.as_ref();
    match settings.system {
        OperatingSystem::MacOs => Some(home?.join("Library").join("Application Support")),
        OperatingSystem::Windows => settings.settings_folder.clone().or_else(|| Some(home?.join("AppData").join("Roaming"))),
        OperatingSystem::Linux => settings.settings_folder.clone().or_else(|| Some(home?.join(".config"))),
    }
}

/// The entry that a client needs.
pub(super) fn wanted(settings: &ConnectSettings, request: &ConnectRequest) -> Result<Wanted, Failure> {
    let server = server(request)?;
    let mut notes = Vec::new();
    let value = match (request.client, server) {
        (Client::N8n, server) => n8n(server, &mut notes),
        (Client::ClaudeDesktop, Server::Remote { url, headers }) => bridged(&settings.program, url, &headers)?,
        (Client::ClaudeDesktop, Server::Local { program, arguments }) => {
            let is_relative = |word: &&str| word.starts_with("./") || word.starts_with("../");
            if let Some(word) = std::iter::once(program).chain(arguments.iter().map(String::as_str)).find(is_relative) {
                notes.push(format!("Claude Desktop starts it in a folder of its own choice: write `{word}` as a full path"));
            }
            json!({ "command": program, "args": arguments })
        }
        (_, Server::Local { program, arguments }) => json!({ "type": "stdio", "command": program, "args": arguments }),
        (client, Server::Remote { url, headers }) => remote(client, url, &headers, &mut notes),
    };
    notes.extend(open_secrets(request));
    Ok(Wanted { value, notes })
}

/// Secrets that would stand in the file.
fn open_secrets(request: &ConnectRequest) -> impl Iterator<Item = String> {
    let way = match request.client {
        Client::ClaudeDesktop => "`@FILE` has it read from a file",
        _ => "`${NAME}` has it read from a variable",
    };
    let headers = request.headers.iter().filter_map(|text| Header::parse(text).ok());
    let open = headers.filter(|header| request.client != Client::N8n && header.is_open_secret());
    open.map(move |header| format!("the value of `{}` stands in the file as it is; {way}", header.name))
}

fn server(request: &ConnectRequest) -> Result<Server<'_>, Failure> {
    let invalid = |message: &str| Failure::new(FailureKind::Invalid, message);
    let headers: Vec<Header> = request.headers.iter().map(|text| Header::parse(text)).collect::<Result<_, _>>()?;
    let places = "give --url http://HOST:PORT/mcp (`chora ps` shows the ports), or --stdio -- COMMAND…";
    match (&request.url, request.command.split_first()) {
        (Some(_), Some(_)) => Err(invalid("an address and a command are two servers").hint("give --url or --stdio")),
        (None, None) => Err(invalid("it is not said where the server is").hint(places)),
        (Some(url), None) => {
            let host = ["http://", "https://"].iter().find_map(|scheme| url.strip_prefix(scheme));
            let is_address = host.is_some_and(|host| !host.is_empty() && !host.starts_with('/'));
            if !is_address || url.contains(|c: char| c.is_whitespace() || c.is_control()) {
                return Err(invalid("the address is none of HTTP").hint("write it as https://example.com/mcp"));
            }
            Ok(Server::Remote { url, headers })
        }
        (None, Some(_)) if !headers.is_empty() => Err(invalid("a program is sent no headers").hint("leave --header out")),
        (None, Some((program, _))) if program.is_empty() => Err(invalid("the command is empty").hint(places)),
        (None, Some((program, arguments))) => Ok(Server::Local { program, arguments }),
    }
}

/// A remote server for a client that can only start programs.
fn bridged(program: &Path, url: &str, headers: &[Header]) -> Result<Value, Failure> {
    let invalid = |message: String| Failure::new(FailureKind::Invalid, message);
    let program = program.to_str().ok_or_else(|| invalid("the path of chora is no text".to_owned()).hint("install it elsewhere"))?;
    let mut arguments = vec!["bridge".to_owned(), url.to_owned()];
    for header in headers {
        if let Some(name) = header.variables().first() {
            let failure = invalid(format!("Claude Desktop would send `{}` with the text of `{name}`, not its value", header.name));
            return Err(failure.hint(format!("--header '{}: @FILE' with the full path of a file has it read from there", header.name)));
        }
        if header.file().is_some_and(|file| !Path::new(file).is_absolute()) {
            let failure = invalid(format!("the file with `{}` would be looked for in a folder of Claude Desktop's choice", header.name));
            return Err(failure.hint("name it by its full path"));
        }
        arguments.extend(["--header".to_owned(), format!("{}: {}", header.name, header.value)]);
    }
    Ok(json!({ "command": program, "args": arguments }))
}

/// A remote server for a client that reaches it itself.
fn remote(client: Client, url: &str, headers: &[Header], notes: &mut Vec<String>) -> Value {
    let mut fields = Map::new();
    if client != Client::Cursor {
        fields.insert("type".to_owned(), Value::from(if is_sse(url) { "sse" } else { "http" }));
    }
    fields.insert("url".to_owned(), Value::from(url));
    let header = |header: &Header| {
        let header = header.spelled(client.variables());
        (header.name, Value::String(header.value))
    };
    let fields_of_headers: Map<_, _> = headers.iter().map(header).collect();
    if !fields_of_headers.is_empty() {
        fields.insert("headers".to_owned(), Value::Object(fields_of_headers));
    }
    if let Some(header) = headers.iter().find(|header| header.file().is_some()) {
        notes.push(format!("{} sends the value of `{}` as it is and reads no file", client.name(), header.name));
    }
    if client == Client::VsCode && headers.iter().any(|header| !header.variables().is_empty()) {
        // github.com/microsoft/vscode/issues/336232
        let note = "some versions of VS Code send `${env:…}` in headers as it is; `${input:…}` with an entry in `inputs` works in all";
        notes.push(note.to_owned());
    }
    Value::Object(fields)
}

/// HTTP+SSE, the transport of 2024, by the path that everybody gives it.
fn is_sse(url: &str) -> bool {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    path.trim_end_matches('/').ends_with("/sse")
}

/// What to enter in the node, by the words that stand there.
fn n8n(server: Server<'_>, notes: &mut Vec<String>) -> Value {
    let (url, headers) = match server {
        Server::Remote { url, headers } => (url, headers),
        Server::Local { .. } => {
            notes.push("n8n starts no programs: `chora bridge` serves it over HTTP".to_owned());
            ("http://127.0.0.1:8000/mcp", Vec::new())
        }
    };
    if ["//127.", "//localhost", "//[::1]"].iter().any(|host| url.contains(host)) {
        notes.push("in a container n8n reaches this machine as `host.docker.internal`, not as 127.0.0.1".to_owned());
    }
    let headers: Vec<Header> = headers.iter().map(|header| header.spelled(Variables::Expression)).collect();
    if headers.iter().any(|header| header.value.contains("{{ $env.")) {
        notes.push("enter `{{ $env.… }}` as an expression; n8n must allow it (N8N_BLOCK_ENV_ACCESS_IN_NODE=false)".to_owned());
    }
    let named = |header: &Header| json!({ "Name": header.name, "Value": header.value });
    let bearer = |header: &Header| {
        let is_authorization = header.name.eq_ignore_ascii_case("authorization");
        Some(header.value.strip_prefix("Bearer ")?.trim().to_owned()).filter(|_| is_authorization)
    };
    let (authentication, credential) = match headers.as_slice() {
        [] => ("None", Value::Null),
        [one] => match bearer(one) {
            Some(token) => ("Bearer Auth", json!({ "Bearer Token": token })),
            None => ("Header Auth", named(one)),
        },
        many => ("Multiple Headers Auth", Value::Array(many.iter().map(named).collect())),
    };
    let mut fields = Map::new();
    fields.insert("Endpoint".to_owned(), Value::from(url));
    let transport = if is_sse(url) { "Server Sent Events (Deprecated)" } else { "HTTP Streamable" };
    fields.insert("Server Transport".to_owned(), Value::from(transport));
    fields.insert("Authentication".to_owned(), Value::from(authentication));
    if !credential.is_null() {
        fields.insert("Credential".to_owned(), credential);
    }
    fields.insert("Tools to Include".to_owned(), Value::from("All"));
    Value::Object(fields)
}

#[cfg(test)]
mod tests {
    use super::{Client, OperatingSystem, wanted};
    use crate::connect::{ConnectRequest, ConnectSettings};
    use serde_json::{Value, json};
    use std::path::{Path, PathBuf};

    fn settings(system: OperatingSystem) -> ConnectSettings {
        ConnectSettings { home: Some("/h".into()), settings_folder: None, project: "/p".into(), system, program: "/opt/chora".into() }
    }

    fn request(client: Client, url: Option<&str>, command: &[&str], headers: &[&str]) -> ConnectRequest {
        let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        ConnectRequest {
            client,
            service: "notes".into(),
            url: url.map(str::to_owned),
            command: owned(command),
            headers: owned(headers),
            write: false,
            undo: false,
            file: None,
        }
    }

    const ALL: [Client; 5] = [Client::ClaudeDesktop, Client::ClaudeCode, Client::Cursor, Client::VsCode, Client::N8n];

    #[test]
    fn a_request_that_says_no_server_is_refused() {
        type Row<'a> = (Option<&'a str>, &'a [&'a str], &'a [&'a str]);
        let table: [Row<'_>; 9] = [
            (None, &[], &[]),
            (Some("http://x/mcp"), &["x"], &[]),
            (Some("ftp://x"), &[], &[]),
            (Some("https://"), &[], &[]),
            (Some("https:///mcp"), &[], &[]),
            (Some("http://x/a b"), &[], &[]),
            (None, &[""], &[]),
            (None, &["x"], &["A: b"]),
            (Some("http://x/mcp"), &[], &["nonsense"]),
        ];
        for (url, command, headers) in table {
            for client in ALL {
                let refused = wanted(&settings(OperatingSystem::Linux), &request(client, url, command, headers)).unwrap_err();
                assert!(!refused.hint.is_empty(), "{url:?} {command:?}");
            }
        }
    }

    #[test]
    fn a_client_that_knows_no_variables_is_not_given_one() {
        for header in ["Authorization: Bearer ${TOKEN}", "Authorization: env:TOKEN", "Authorization: @token"] {
            let request = request(Client::ClaudeDesktop, Some("http://x/mcp"), &[], &[header]);
            let refused = wanted(&settings(OperatingSystem::Linux), &request).unwrap_err();
            assert!(refused.message.contains("Authorization") && !refused.hint.is_empty(), "{refused:?}");
        }
    }

    #[test]
    fn every_client_has_its_file() {
        let path = |client: Client, system| client.file(&settings(system)).map(|path| path.display().to_string());
        let desktop = [
            (OperatingSystem::MacOs, "/h/Library/Application Support/Claude/claude_desktop_config.json"),
            (OperatingSystem::Linux, "/h/.config/Claude/claude_desktop_config.json"),
            (OperatingSystem::Windows, "/h/AppData/Roaming/Claude/claude_desktop_config.json"),
        ];
        for (system, wanted) in desktop {
            assert_eq!(path(Client::ClaudeDesktop, system).as_deref(), Some(wanted));
        }
        let others = ALL.map(|client| path(client, OperatingSystem::Linux)).into_iter().skip(1).collect::<Vec<_>>();
        assert_eq!(others, [Some("/p/.mcp.json".into()), Some("/p/.cursor/mcp.json".into()), Some("/p/.vscode/mcp.json".into()), None]);
        let homeless = ConnectSettings { home: None, ..settings(OperatingSystem::Linux) };
        assert_eq!(Client::ClaudeDesktop.file(&homeless), None);
        let moved = ConnectSettings { settings_folder: Some("/c".into()), ..homeless };
        assert_eq!(Client::ClaudeDesktop.file(&moved), Some(PathBuf::from("/c/Claude/claude_desktop_config.json")));
        assert_eq!(OperatingSystem::named(std::env::consts::OS) == OperatingSystem::Windows, Path::new("C:\\").is_absolute());
    }

    #[test]
    fn every_client_has_its_shape() {
        let entry = |request: &ConnectRequest| wanted(&settings(OperatingSystem::Linux), request).map(|wanted| wanted.value).unwrap();
        let url = Some("https://x.example/mcp");
        let bearer: &[&str] = &["Authorization: Bearer ${TOKEN}"];
        let stdio: &[&str] = &["uvx", "notes", "--root", "/srv"];
        let table: [(ConnectRequest, Value); 11] = [
            (
                request(Client::ClaudeDesktop, url, &[], &["Authorization: @/run/token"]),
                json!({ "command": "/opt/chora", "args": ["bridge", "https://x.example/mcp", "--header", "Authorization: @/run/token"] }),
            ),
            (request(Client::ClaudeDesktop, None, stdio, &[]), json!({ "command": "uvx", "args": ["notes", "--root", "/srv"] })),
            (
                request(Client::ClaudeCode, url, &[], bearer),
                json!({ "type": "http", "url": "https://x.example/mcp", "headers": { "Authorization": "Bearer ${TOKEN}" } }),
            ),
            (
                request(Client::ClaudeCode, None, stdio, &[]),
                json!({ "type": "stdio", "command": "uvx", "args": ["notes", "--root", "/srv"] }),
            ),
            (
                request(Client::Cursor, url, &[], bearer),
                json!({ "url": "https://x.example/mcp", "headers": { "Authorization": "Bearer ${env:TOKEN}" } }),
            ),
            (
                request(Client::VsCode, url, &[], &["X-Key: abc"]),
                json!({ "type": "http", "url": "https://x.example/mcp", "headers": { "X-Key": "abc" } }),
            ),
            (request(Client::VsCode, Some("http://x/sse"), &[], &[]), json!({ "type": "sse", "url": "http://x/sse" })),
            (
                request(Client::N8n, url, &[], bearer),
                json!({
                    "Endpoint": "https://x.example/mcp", "Server Transport": "HTTP Streamable", "Authentication": "Bearer Auth",
                    "Credential": { "Bearer Token": "{{ $env.TOKEN }}" }, "Tools to Include": "All"
                }),
            ),
            (
                request(Client::N8n, url, &[], &["X-Key: abc"]),
                json!({
                    "Endpoint": "https://x.example/mcp", "Server Transport": "HTTP Streamable", "Authentication": "Header Auth",
                    "Credential": { "Name": "X-Key", "Value": "abc" }, "Tools to Include": "All"
                }),
            ),
            (
                request(Client::N8n, url, &[], &["X: a", "Y: b"]),
                json!({
                    "Endpoint": "https://x.example/mcp", "Server Transport": "HTTP Streamable", "Authentication": "Multiple Headers Auth",
                    "Credential": [{ "Name": "X", "Value": "a" }, { "Name": "Y", "Value": "b" }], "Tools to Include": "All"
                }),
            ),
            (
                request(Client::N8n, None, stdio, &[]),
                json!({
                    "Endpoint": "http://127.0.0.1:8000/mcp", "Server Transport": "HTTP Streamable", "Authentication": "None",
                    "Tools to Include": "All"
                }),
            ),
        ];
        for (request, wanted) in table {
            assert_eq!(entry(&request), wanted, "{request:?}");
        }
    }

    #[test]
    fn what_a_person_should_know_is_said() {
        let url = Some("https://x.example/mcp");
        let table = [
            (request(Client::Cursor, url, &[], &["Authorization: Bearer abc"]), "stands in the file as it is"),
            (request(Client::ClaudeDesktop, url, &[], &["X-Key: abc"]), "@FILE"),
            (request(Client::Cursor, url, &[], &["X: @/run/x"]), "reads no file"),
            (request(Client::VsCode, url, &[], &["X: ${TOKEN}"]), "${input:"),
            (request(Client::ClaudeDesktop, None, &["./server"], &[]), "full path"),
            (request(Client::N8n, Some("http://localhost:9/mcp"), &[], &[]), "host.docker.internal"),
        ];
        for (request, word) in table {
            let notes = wanted(&settings(OperatingSystem::Linux), &request).unwrap().notes;
            assert!(notes.len() == 1 && notes[0].contains(word), "{notes:?}");
            assert!(!notes[0].contains("abc"), "{notes:?}");
        }
    }
}
