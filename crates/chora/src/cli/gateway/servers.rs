//! The file that names MCP servers, as their clients have it: `{"mcpServers": {NAME: {"command", …} | {"url", …}}}`.
//!
//! What it holds may be secret: no value of it is ever shown.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::http::{HeaderMap, Uri};
use chora_gateway::{ChildCommand, NamedServer, RemoteSettings, Server, name_faults};
use chora_ops::{Failure, FailureKind};
use serde_json::{Map, Value};

use crate::cli::header;

/// How long a server that cannot be reached is tried again before a call fails; others wait for nothing.
const PATIENCE: Duration = Duration::from_secs(1);

/// Everything that is wrong, each in words.
type Faults = Vec<String>;

/// Reads the servers of a file, in its order.
pub(super) fn read(path: &Path) -> Result<Vec<NamedServer>, Failure> {
    let failed = |faults: Faults| {
        let file = path.display();
        let (message, details) = match faults.as_slice() {
            [why] => (format!("{file}: {why}"), Vec::new()),
            _ => (format!("{file} has problems"), faults),
        };
        Failure::new(FailureKind::Invalid, message)
            .state("nothing is served")
            .hint("docs/guide/servers.md describes the file")
            .details(details)
    };
    let text = std::fs::read_to_string(path).map_err(|error| failed(vec![format!("it cannot be read: {error}")]))?;
    parse(&text).map_err(failed)
}

fn parse(text: &str) -> Result<Vec<NamedServer>, Faults> {
    let file: Value = serde_json::from_str(text).map_err(|error| vec![format!("it is not JSON: {error}")])?;
    let servers = file.get("mcpServers").and_then(Value::as_object).ok_or_else(|| vec!["it has no object `mcpServers`".to_owned()])?;
    let wanted = || servers.iter().filter(|(_, server)| server.get("disabled") != Some(&Value::Bool(true)));
    let (mut named, mut faults) = (Vec::new(), Faults::new());
    for (name, told) in wanted() {
        match server(told) {
            Ok(server) => named.push(NamedServer { name: name.clone(), server }),
            Err(whys) => faults.extend(whys.iter().map(|why| format!("mcpServers.{name}: {why}"))),
        }
    }
    faults.extend(name_faults(wanted().map(|(name, _)| name.as_str())).iter().map(ToString::to_string));
    if wanted().next().is_none() {
        faults.push("`mcpServers` names no server".to_owned());
    }
    if faults.is_empty() { Ok(named) } else { Err(faults) }
}

fn server(told: &Value) -> Result<Server, Faults> {
    let told = told.as_object().ok_or_else(|| vec!["it is no object".to_owned()])?;
    match (told.contains_key("command"), told.contains_key("url")) {
        (true, false) => process(told).map(Server::Process),
        (false, true) => remote(told).map(Server::Remote),
        (true, true) => Err(vec!["it has both `command` and `url`".to_owned()]),
        (false, false) => Err(vec!["it has neither `command` nor `url`".to_owned()]),
    }
}

fn process(told: &Map<String, Value>) -> Result<ChildCommand, Faults> {
    let mut faults = Faults::new();
    let program = text(told, "command").and_then(|program| {
        let program = program.filter(|program| !program.is_empty());
        program.ok_or_else(|| "`command` is empty".to_owned())
    });
    let program = program.map_err(|why| faults.push(why)).unwrap_or_default();
    let arguments = arguments(told).map_err(|why| faults.push(why)).unwrap_or_default();
    let environment = pairs(told, "env").map_err(|whys| faults.extend(whys)).unwrap_or_default();
    let directory = text(told, "cwd").map_err(|why| faults.push(why)).unwrap_or_default().map(PathBuf::from);
    let command = std::iter::once(OsString::from(program)).chain(arguments).collect();
    let environment = environment.into_iter().map(|(name, value)| (name, value.into())).collect();
    let command = ChildCommand { command, environment, directory, patience: chora_gateway::PATIENCE };
    if faults.is_empty() { Ok(command) } else { Err(faults) }
}

fn arguments(told: &Map<String, Value>) -> Result<Vec<OsString>, String> {
    match told.get("args") {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(arguments)) => arguments
            .iter()
            .map(|argument| argument.as_str().map(OsString::from).ok_or_else(|| "`args` holds something that is no text".to_owned()))
            .collect(),
        Some(_) => Err("`args` is no list".to_owned()),
    }
}

fn remote(told: &Map<String, Value>) -> Result<RemoteSettings, Faults> {
    let mut faults = Faults::new();
    let url = url(told).map_err(|why| faults.push(why)).unwrap_or_default();
    let mut headers = HeaderMap::new();
    for (name, value) in pairs(told, "headers").map_err(|whys| faults.extend(whys)).unwrap_or_default() {
        match header::read(&name, &value) {
            Ok((name, value)) => drop(headers.append(name, value)),
            Err(error) => faults.push(error.to_string()),
        }
    }
    if faults.is_empty() { Ok(RemoteSettings { url, headers, patience: PATIENCE }) } else { Err(faults) }
}

fn url(told: &Map<String, Value>) -> Result<Uri, String> {
    let url: Option<Uri> = text(told, "url")?.unwrap_or_default().parse().ok();
    let is_url = |url: &Uri| matches!(url.scheme_str(), Some("http" | "https")) && url.host().is_some();
    url.filter(is_url).ok_or_else(|| "`url` is no http or https address".to_owned())
}

fn text(told: &Map<String, Value>, key: &str) -> Result<Option<String>, String> {
    match told.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(format!("`{key}` is no text")),
    }
}

/// An object of texts. Numbers and truth values are taken as they are written: people leave the quotes out.
fn pairs(told: &Map<String, Value>, key: &str) -> Result<Vec<(String, String)>, Faults> {
    let members = match told.get(key) {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Object(members)) => members,
        Some(_) => return Err(vec![format!("`{key}` is no object")]),
    };
    let (mut read, mut faults) = (Vec::new(), Faults::new());
    for (name, value) in members {
        match value {
            Value::String(text) => read.push((name.clone(), text.clone())),
            Value::Number(_) | Value::Bool(_) => read.push((name.clone(), value.to_string())),
            Value::Null | Value::Array(_) | Value::Object(_) => faults.push(format!("`{key}.{name}` is no text")),
        }
    }
    if faults.is_empty() { Ok(read) } else { Err(faults) }
}

#[cfg(test)]
mod tests {
    use chora_gateway::Server;

    use super::parse;

    #[test]
    fn servers_are_read_in_their_order() {
        let read = parse(
            r#"{"mcpServers":{
                "files":{"command":"npx","args":["-y","files"],"env":{"KEY":"hidden","N":1},"cwd":"/srv"},
                "away":{"type":"http","url":"https://example.com/mcp","headers":{"X-Key":"hidden"}},
                "off":{"command":"x","disabled":true}}}"#,
        )
        .expect("servers");
        assert_eq!(read.iter().map(|server| server.name.as_str()).collect::<Vec<_>>(), ["files", "away"]);
        let Server::Process(command) = &read[0].server else { panic!("a process") };
        assert_eq!((command.command.len(), command.environment[1].1.to_str()), (3, Some("1")));
        assert!(!format!("{read:?}").contains("hidden"), "{read:?}");
    }

    #[test]
    fn what_is_wrong_is_named_and_no_value_shown() {
        for (text, told) in [
            ("{", "it is not JSON"),
            ("{}", "it has no object `mcpServers`"),
            (r#"{"mcpServers":{}}"#, "`mcpServers` names no server"),
            (r#"{"mcpServers":{"a":"hidden"}}"#, "mcpServers.a: it is no object"),
            (r#"{"mcpServers":{"a":{"command":"x","url":"hidden"}}}"#, "mcpServers.a: it has both `command` and `url`"),
            (r#"{"mcpServers":{"a":{"args":["hidden"]}}}"#, "mcpServers.a: it has neither `command` nor `url`"),
            (r#"{"mcpServers":{"a":{"command":"x","env":{"KEY":["hidden"]}}}}"#, "mcpServers.a: `env.KEY` is no text"),
            (r#"{"mcpServers":{"a":{"command":"x","args":"hidden"}}}"#, "mcpServers.a: `args` is no list"),
            (r#"{"mcpServers":{"a":{"url":"hidden"}}}"#, "mcpServers.a: `url` is no http or https address"),
            (
                r#"{"mcpServers":{"a":{"url":"http://h/","headers":{"X":"hidden\u0001"}}}}"#,
                "mcpServers.a: the value of the header `X` cannot be sent",
            ),
        ] {
            let faults = parse(text).expect_err(text);
            assert!(faults.len() == 1 && faults[0].starts_with(told) && !faults[0].contains("hidden"), "{faults:?}");
        }
    }

    #[test]
    fn everything_that_is_wrong_is_told_at_once() {
        let text = r#"{"mcpServers":{
            "a":{"command":"","args":7,"env":{"A":[],"B":null},"cwd":1},
            "health":{"url":"x","headers":{"X":[]}},
            "fine":{"command":"x"},
            "b c":"y"}}"#;
        let told = [
            "mcpServers.a: `command` is empty",
            "mcpServers.a: `args` is no list",
            "mcpServers.a: `env.A` is no text",
            "mcpServers.a: `env.B` is no text",
            "mcpServers.a: `cwd` is no text",
            "mcpServers.health: `url` is no http or https address",
            "mcpServers.health: `headers.X` is no text",
            "mcpServers.b c: it is no object",
            "`health` cannot be a name: it is a path of the gateway itself",
            "`b c` cannot be a name: letters, digits, `-`, `_` and `.`, a letter or digit first, at most 64",
        ];
        assert_eq!(parse(text).expect_err("faults"), told);
    }
}
