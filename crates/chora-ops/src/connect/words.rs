//! What is said to a person, and the next command.

use serde_json::{Value, json};

use super::shown::shown;
use super::{ConnectOutcome, ConnectRequest};
use crate::failure::Failure;

/// What would stand in the file.
pub(super) fn preview(outcome: &ConnectOutcome) -> String {
    let head = match (&outcome.file, &outcome.before) {
        (None, _) => format!("for the file of {}:", outcome.client.name()),
        (Some(file), None) => format!("for {file}:"),
        (Some(file), Some(before)) => format!("for {file}, in place of {before}:"),
    };
    format!("{head}\n\n{}\n{}", pretty(outcome.configuration.as_ref()), notes(outcome))
}

/// What to enter in n8n.
pub(super) fn fields(outcome: &ConnectOutcome) -> String {
    let mut text = String::from("in n8n, add the node `MCP Client Tool` to an AI Agent and enter:\n\n");
    let plain = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    for (name, value) in outcome.configuration.iter().filter_map(Value::as_object).flatten() {
        let credentials = match value {
            Value::Array(items) => items.iter().collect(),
            one => vec![one],
        };
        for value in credentials {
            let value = match value.as_object() {
                Some(parts) => parts.iter().map(|(name, value)| format!("{name} {}", plain(value))).collect::<Vec<_>>().join(", "),
                None => plain(value),
            };
            text.push_str(&format!("  {name}: {value}\n"));
        }
    }
    text + &notes(outcome)
}

pub(super) fn written(outcome: &ConnectOutcome) -> String {
    let ConnectOutcome { client, service, .. } = outcome;
    let before = outcome.before.as_ref().map(|before| format!("before, there stood {before}\n")).unwrap_or_default();
    let backup = outcome.backup.as_ref().map(|backup| format!("the file as it was: {backup}\n")).unwrap_or_default();
    format!("`{service}` is written to {}\n{before}{backup}{}\n{}", file(outcome), client.afterwards(), notes(outcome))
}

pub(super) fn unchanged(outcome: &ConnectOutcome) -> String {
    format!("`{}` stands in {} already, nothing was changed\n{}", outcome.service, file(outcome), notes(outcome))
}

pub(super) fn nothing_of_ours(outcome: &ConnectOutcome) -> String {
    format!("nothing of chora's stands under `{}` in {}, nothing was changed\n", outcome.service, file(outcome))
}

pub(super) fn taken_back(outcome: &ConnectOutcome, restored: bool, left: usize) -> String {
    let name = &outcome.service;
    let head = match (outcome.written, restored) {
        (true, true) => format!("`{name}` in {} is what it was before\n", file(outcome)),
        (true, false) => format!("`{name}` is taken out of {}\n", file(outcome)),
        (false, _) => format!("`{name}` was taken out of {} already, nothing was changed\n", file(outcome)),
    };
    let backup = outcome.backup.as_ref().map(|backup| format!("the file before chora changed it first: {backup}\n")).unwrap_or_default();
    let others = if left > 0 { format!("others that chora wrote there: {left}\n") } else { String::new() };
    format!("{head}{backup}{others}")
}

/// A refusal with what a person can add without us; refusals are logged, so secrets are left out.
pub(super) fn by_hand(failure: Failure, request: &ConnectRequest, entry: &Value) -> Failure {
    let snippet = match request.client.section() {
        Some(section) => json!({ section: { &request.service: shown(entry) } }),
        None => shown(entry),
    };
    let mut details = failure.details.clone();
    details.push("to add by hand, printed in full without --write:".to_owned());
    details.extend(pretty(Some(&snippet)).lines().map(str::to_owned));
    failure.details(details)
}

/// The same command with another ending.
pub(super) fn again(request: &ConnectRequest, ending: &str) -> String {
    let mut words = vec!["chora".to_owned(), "connect".to_owned(), request.client.name().to_owned(), request.service.clone()];
    let undo = ending == "--undo";
    for (flag, value) in request.url.iter().map(|url| ("--url", url)).chain(request.headers.iter().map(|header| ("--header", header))) {
        if !undo {
            words.extend([flag.to_owned(), quoted(value)]);
        }
    }
    if let Some(file) = &request.file {
        words.extend(["--config".to_owned(), quoted(&file.display().to_string())]);
    }
    words.push(ending.to_owned());
    if !undo && !request.command.is_empty() {
        words.extend(["--stdio".to_owned(), "--".to_owned()]);
        words.extend(request.command.iter().map(|word| quoted(word)));
    }
    words.join(" ")
}

/// The command that serves a program over HTTP.
pub(super) fn served(command: &[String]) -> String {
    let words: Vec<String> = command.iter().map(|word| quoted(word)).collect();
    format!("chora bridge --stdio -- {}", words.join(" "))
}

fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@%+,".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) { word.to_owned() } else { format!("'{}'", word.replace('\'', "'\\''")) }
}

fn pretty(value: Option<&Value>) -> String {
    value.map(|value| format!("{value:#}")).unwrap_or_default()
}

fn file(outcome: &ConnectOutcome) -> &str {
    outcome.file.as_deref().unwrap_or_default()
}

fn notes(outcome: &ConnectOutcome) -> String {
    outcome.notes.iter().map(|note| format!("note: {note}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::{again, quoted, served};
    use crate::connect::{Client, ConnectRequest};

    #[test]
    fn words_are_quoted_for_a_shell() {
        let table = [("https://x/mcp", "https://x/mcp"), ("", "''"), ("a b", "'a b'"), ("it's", "'it'\\''s'"), ("$(x)", "'$(x)'")];
        for (word, wanted) in table {
            assert_eq!(quoted(word), wanted);
        }
        assert_eq!(served(&["uvx".into(), "a b".into()]), "chora bridge --stdio -- uvx 'a b'");
    }

    #[test]
    fn the_next_command_says_the_same() {
        let mut request = ConnectRequest {
            client: Client::Cursor,
            service: "notes".into(),
            url: Some("http://x/mcp".into()),
            command: Vec::new(),
            headers: vec!["X: ${Y}".into()],
            write: false,
            undo: false,
            file: Some("/c d/mcp.json".into()),
        };
        let wanted = "chora connect cursor notes --url http://x/mcp --header 'X: ${Y}' --config '/c d/mcp.json' --write";
        assert_eq!(again(&request, "--write"), wanted);
        assert_eq!(again(&request, "--undo"), "chora connect cursor notes --config '/c d/mcp.json' --undo");
        (request.url, request.headers, request.file, request.command) = (None, Vec::new(), None, vec!["uvx".into(), "--x".into()]);
        assert_eq!(again(&request, "--write"), "chora connect cursor notes --write --stdio -- uvx --x");
    }
}
