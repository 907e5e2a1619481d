//! The handshake: `initialize`, or `server/discover` where a server only speaks revision 2026-07-28.

use serde_json::{Value, json};

use super::wire::{Fault, OFFERED, REVISIONS, STATELESS, Wire};
use crate::probe::answer::{Trouble, excerpt};

/// What a server says of itself.
#[derive(Debug)]
pub(super) struct Hello {
    pub(super) server: String,
    pub(super) server_version: String,
    pub(super) revision: String,
    pub(super) capabilities: Value,
}

/// Tries the era the server was last seen to speak, else `initialize`: every server up to 2025-11-25 and every dual one
/// answers it, and only a server of the newest era alone costs a second request.
pub(super) async fn shake_hands(wire: &mut Wire<'_>, stateless_first: bool) -> Result<Hello, Trouble> {
    if !wire.can_be_stateless() {
        return initialize(wire).await.map_err(|fault| fault.into_trouble("initialize"));
    }
    if stateless_first {
        return match discover(wire).await {
            Err(fault) if fault.is_era_signal() => {
                wire.disagree();
                initialize(wire).await.map_err(|fault| fault.into_trouble("initialize"))
            }
            outcome => outcome.map_err(|fault| fault.into_trouble("server/discover")),
        };
    }
    match initialize(wire).await {
        Err(fault) if fault.is_era_signal() => match discover(wire).await {
            Ok(hello) => Ok(hello),
            // It speaks neither: what it said first is the better evidence.
            Err(_) => Err(fault.into_trouble("initialize")),
        },
        outcome => outcome.map_err(|fault| fault.into_trouble("initialize")),
    }
}

async fn initialize(wire: &mut Wire<'_>) -> Result<Hello, Fault> {
    let client = json!({ "name": "chora-probe", "version": env!("CARGO_PKG_VERSION") });
    let params = json!({ "protocolVersion": OFFERED, "capabilities": {}, "clientInfo": client });
    let result = wire.request("initialize", params).await?;
    let hello = read("initialize", &result, result.get("protocolVersion"), result.get("serverInfo"))?;
    wire.agree(&hello.revision);
    wire.notify("notifications/initialized").await.map_err(|fault| Fault::Trouble(fault.into_trouble("notifications/initialized")))?;
    Ok(hello)
}

async fn discover(wire: &mut Wire<'_>) -> Result<Hello, Fault> {
    wire.agree(STATELESS);
    let result = wire.request("server/discover", json!({})).await?;
    let supported = result.get("supportedVersions").and_then(Value::as_array);
    let revision = supported.and_then(|versions| versions.iter().find(|version| version.as_str() == Some(STATELESS)));
    let info = result.pointer("/_meta/io.modelcontextprotocol~1serverInfo").or_else(|| result.get("serverInfo"));
    read("server/discover", &result, revision, info)
}

fn read(step: &str, result: &Value, revision: Option<&Value>, info: Option<&Value>) -> Result<Hello, Fault> {
    let wrong = |words: String| Fault::Trouble(Trouble::Wrong(words));
    let Some(revision) = revision.and_then(Value::as_str) else {
        return Err(wrong(format!("{step} names no protocol version: {}", excerpt(&result.to_string(), 200))));
    };
    if !REVISIONS.contains(&revision) {
        return Err(wrong(format!("{step} chose protocol version `{}`, which is not a published one", excerpt(revision, 40))));
    }
    let text = |key: &str| excerpt(info.and_then(|info| info.get(key)?.as_str()).unwrap_or_default(), 100);
    Ok(Hello {
        server: text("name"),
        server_version: text("version"),
        revision: revision.to_owned(),
        capabilities: result.get("capabilities").cloned().unwrap_or_default(),
    })
}
