//! Does an MCP server do its work: shake hands, list what it offers, compare with the contract, make a call?
//!
//! Our own small client, for every published revision and all transports. It declares no capabilities.

mod events;
mod hello;
mod legacy;
mod listing;
mod message;
mod stdio;
mod streamable;
mod wire;

use chora_core::model::contract::{self, Contract, ContractChange};
use chora_core::model::health::{McpCall, McpProbe, McpTransport};
use serde_json::{Value, json};

use self::hello::Hello;
pub(super) use self::stdio::Stdio;
use self::wire::{Fault, Wire};
use super::answer::{Deadline, Passed, Trouble, excerpt};
use super::http::{Peer, health_status};

/// The path to ask: the one given, else what servers use by default.
pub(super) fn path_of(probe: &McpProbe) -> &str {
    match (probe.path.as_str(), probe.transport) {
        ("", McpTransport::Sse) => "/sse",
        ("", McpTransport::StreamableHttp | McpTransport::Stdio) => "/mcp",
        (path, _) => path,
    }
}

pub(super) async fn ask(peer: &Peer, probe: &McpProbe, deadline: Deadline) -> Result<Passed, Trouble> {
    let mut wire = match probe.transport {
        McpTransport::Sse => Wire::Legacy(legacy::Legacy::open(peer, path_of(probe), deadline).await?),
        McpTransport::StreamableHttp | McpTransport::Stdio => Wire::Streamable(streamable::Streamable::new(peer, path_of(probe), deadline)),
    };
    let outcome = converse(&mut wire, probe).await;
    wire.close().await;
    outcome
}

/// Asks a server whose standard streams are at hand; ending it is the caller's.
pub(super) async fn ask_stdio(stdio: &mut Stdio, probe: &McpProbe) -> Result<Passed, Trouble> {
    let passed = converse(&mut Wire::Stdio(stdio), probe).await?;
    let Some(stray) = stdio.stray() else { return Ok(passed) };
    let answered = format!("{}; standard output holds what is no message: {stray}", passed.answered);
    Ok(Passed { degraded: true, answered, ..passed })
}

async fn converse(wire: &mut Wire<'_>, probe: &McpProbe) -> Result<Passed, Trouble> {
    let spoke_stateless = probe.contract.as_ref().is_some_and(|contract| contract.protocol_version == wire::STATELESS);
    let hello = hello::shake_hands(wire, spoke_stateless).await?;
    let observed = listing::observe(wire, &hello).await?;
    let note = match &probe.contract {
        Some(recorded) => compare(recorded, &observed)?,
        None => something_offered(&observed)?,
    };
    let mut answered = describe(&hello, &observed, &note);
    let mut degraded = false;
    if let Some(call) = &probe.call
        && let Some(text) = make_call(wire, &observed, call).await?
    {
        answered = format!("{answered}; status is `degraded`: {text}");
        degraded = true;
    }
    Ok(Passed { degraded, answered, contract: Some(observed) })
}

/// A broken contract refuses; additions become a note.
fn compare(recorded: &Contract, observed: &Contract) -> Result<String, Trouble> {
    let changes = contract::compare(recorded, observed);
    let (breaking, others): (Vec<_>, Vec<_>) = changes.iter().partition(|change| change.breaking);
    let words = |changes: &[&ContractChange]| changes.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
    if !breaking.is_empty() {
        return Err(Trouble::Refused(format!("contract broken: {}", words(&breaking)), Some(Box::new(observed.clone()))));
    }
    if recorded.tools.is_empty() && observed.tools.is_empty() {
        return Ok(String::new());
    }
    Ok(if others.is_empty() { ", contract kept".to_owned() } else { format!(", contract kept; {}", words(&others)) })
}

fn something_offered(observed: &Contract) -> Result<String, Trouble> {
    if observed.tools.is_empty() && observed.resources.is_empty() && observed.prompts.is_empty() {
        return Err(Trouble::Wrong(format!("`{}` lists no tools", observed.server)));
    }
    Ok(String::new())
}

fn describe(hello: &Hello, observed: &Contract, note: &str) -> String {
    let mut parts = vec![counted(observed.tools.len(), "tool")];
    if !observed.resources.is_empty() {
        parts.push(counted(observed.resources.len(), "resource"));
    }
    if !observed.prompts.is_empty() {
        parts.push(counted(observed.prompts.len(), "prompt"));
    }
    format!("{} {} speaks {}: {}{note}", hello.server, hello.server_version, hello.revision, parts.join(", "))
}

fn counted(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

/// Makes a call; gives what is told where the answer is a health document that says `degraded`.
async fn make_call(wire: &mut Wire<'_>, observed: &Contract, call: &McpCall) -> Result<Option<String>, Trouble> {
    let Some(tool) = observed.tools.iter().find(|tool| tool.name == call.tool) else {
        return Err(Trouble::Wrong(format!("there is no tool `{}` to call", call.tool)));
    };
    let arguments = if call.arguments.is_null() { json!({}) } else { call.arguments.clone() };
    let params = json!({ "name": call.tool, "arguments": arguments });
    let step = format!("tools/call {}", call.tool);
    let extra = streamable::parameter_headers(&tool.input_schema, &arguments);
    let result = wire.call(params, &call.tool, extra).await.map_err(|fault: Fault| fault.into_trouble(&step))?;
    let text = text_of(&result);
    if result.get("isError").and_then(Value::as_bool) == Some(true) {
        return Err(Trouble::Wrong(format!("{step} failed: {}", excerpt(&text, 200))));
    }
    if result.get("resultType").and_then(Value::as_str).is_some_and(|kind| kind != "complete") {
        return Err(Trouble::Wrong(format!("{step} asks for input")));
    }
    if let Some(expected) = call.expect.as_ref().filter(|expected| !text.contains(expected.as_str())) {
        return Err(Trouble::Wrong(format!("{step} does not contain `{expected}`: {}", excerpt(&text, 200))));
    }
    // Whoever expects something particular has said what is good.
    match document_of(&result).as_ref().filter(|_| call.expect.is_none()).and_then(health_status) {
        Some("down") => Err(Trouble::Wrong(format!("{step}: status is `down`: {}", excerpt(&text, 200)))),
        Some("degraded") => Ok(Some(excerpt(&text, 200))),
        _ => Ok(None),
    }
}

/// The structured content of a tool result, else its one text where that is JSON.
fn document_of(result: &Value) -> Option<Value> {
    let text = || match result.get("content")?.as_array()?.as_slice() {
        [block] => serde_json::from_str(block.get("text")?.as_str()?).ok(),
        _ => None,
    };
    result.get("structuredContent").cloned().or_else(text)
}

/// All text of a tool result, and its structured content as JSON.
fn text_of(result: &Value) -> String {
    let blocks = result.get("content").and_then(Value::as_array).into_iter().flatten();
    let mut parts: Vec<String> = blocks.filter_map(|block| block.get("text")?.as_str().map(str::to_owned)).collect();
    parts.extend(result.get("structuredContent").map(Value::to_string));
    parts.join("\n")
}
