//! The file that names MCP servers, as their clients have it: `{"mcpServers": {NAME: {"command", …} | {"url", …}}}`.
//!
//! What it holds may be secret: no value of it is ever shown.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::http::HeaderMap;
use chora_gateway::{ChildCommand, NamedServer, RemoteSettings, Server};
use chora_ops::{Failure, FailureKind};
use serde_json::{Map, Value};

use crate::cli::header;

/// How long a server that cannot be reached is tried again before a call fails; others wait for nothing.
const PATIENCE: Duration = Duration::from_secs(1);

/// Reads the servers of a file, in its order.
pub(super) fn read(path: &Path) -> Result<Vec<NamedServer>, Failure> {
    let failed = |why: String| {
        Failure::new(FailureKind::Invalid, format!("{}: {why}", path.display()))
            .state("nothing is served")
            .hint("docs/guide/servers.md describes the file")
    };
    let text = std::fs::read_to_string(path).map_err(|error| failed(format!("it cannot be read: {error}")))?;
    parse(&text).map_err(failed)
}

fn parse(text: &str) -> Result<Vec<NamedServer>, String> {
    let file: Value = serde_json::from_str(text).map_err(|error| format!("it is not JSON: {error}"))?;
    let servers = file.get("mcpServers").and_then(Value::as_object).ok_or("it has no object `mcpServers`")?;
    let wanted = servers.iter().filter(|(_, server)| server.get("disabled") != Some(&Value::Bool(true)));
    let named: Vec<_> = wanted.map(|(name, told)| server(name, told)).collect::<Result<_, _>>()?;
    if named.is_empty() { Err("`mcpServers` names no server".to_owned()) } else { Ok(named) }
}

fn server(name: &str, told: &Value) -> Result<NamedServer, String> {
    let at = |why: String| format!("mcpServers.{name}: {why}");
    let told = told.as_object().ok_or_else(|| at("it is no object".to_owned()))?;
    let server = match (told.contains_key("command"), told.contains_key("url")) {
        (true, false) => Server::Process(process(told).map_err(at)?),
        (false, true) => Server::Remote(remote(told).map_err(at)?),
        (true, true) => return Err(at("it has both `command` and `url`".to_owned())),
        (false, false) => return Err(at("it has neither `command` nor `url`".to_owned())),
    };
    Ok(NamedServer { name: name.to_owned(), server })
}

fn process(told: &Map<String, Value>) -> Result<ChildCommand, String> {
    let program = text(told, "command")?.filter(|program| !program.is_empty()).ok_or("`command` is empty")?;
    let arguments = match told.get("args") {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(arguments)) => arguments
            .iter()
            .map(|argument| argument.as_str().map(OsString::from).ok_or("`args` holds something that is no text"))
            .collect::<Result<_, _>>()?,
        Some(_) => return Err("`args` is no list".to_owned()),
    };
    let command = std::iter::once(OsString::from(program)).chain(arguments).collect();
    let environment = pairs(told, "env")?.into_iter().map(|(name, value)| (name, value.into())).collect();
    Ok(ChildCommand { command, environment, directory: text(told, "cwd")?.map(PathBuf::from), patience: chora_gateway::PATIENCE })
}

fn remote(told: &Map<String, Value>) -> Result<RemoteSettings, String> {
    let invalid = "`url` is no http or https address";
    let url: axum::http::Uri = text(told, "url")?.unwrap_or_default().parse().map_err(|_| invalid)?;
    if !matches!(url.scheme_str(), Some("http" | "https")) || url.host().is_none() {
        return Err(invalid.to_owned());
    }
    let mut headers = HeaderMap::new();
    for (name, value) in pairs(told, "headers")? {
        let (name, value) = header::read(&name, &value).map_err(|error| error.to_string())?;
        headers.append(name, value);
    }
    Ok(RemoteSettings { url, headers, patience: PATIENCE })
}

fn text(told: &Map<String, Value>, key: &str) -> Result<Option<String>, String> {
    match told.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(format!("`{key}` is no text")),
    }
}

/// An object of texts. Numbers and truth values are taken as they are written: people leave the quotes out.
fn pairs(told: &Map<String, Value>, key: &str) -> Result<Vec<(String, String)>, String> {
    let members = match told.get(key) {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Object(members)) => members,
        Some(_) => return Err(format!("`{key}` is no object")),
    };
    let read = |(name, value): (&String, &Value)| match value {
        Value::String(text) => Ok((name.clone(), text.clone())),
        Value::Number(_) | Value::Bool(_) => Ok((name.clone(), value.to_string())),
        Value::Null | Value::Array(_) | Value::Object(_) => Err(format!("`{key}.{name}` is no text")),
    };
    members.iter().map(read).collect()
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
            let error = parse(text).expect_err(text);
            assert!(error.starts_with(told) && !error.contains("hidden"), "{error}");
        }
    }
}
