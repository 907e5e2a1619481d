//! The `health` section of a service, as checks.

use std::path::Path;

use chora_core::compose::Service;
use chora_core::model::contract::Contract;
use chora_core::model::health::{FunctionCheck, HttpProbe, McpCall, McpProbe, McpTransport, Probe, ServiceHealth};
use chora_syntax::manifest::{self, Health, HttpCheck, McpCheck};
use serde_json::Value;

use crate::failure::{Failure, FailureKind};

/// `service` is its Compose definition, where it has one.
pub(super) fn service_health(name: &str, health: &Health, contract: &Path, service: Option<&Service>) -> Result<ServiceHealth, Failure> {
    let at = |key: &str| format!("services.{name}.health.{key}");
    let endpoint = match &health.endpoint {
        None => None,
        Some(check) => Some(match (&check.http, check.tcp) {
            (Some(target), _) => {
                let (port, path) = target_of(target, check.port, &at("endpoint.http"))?;
                let status = check.status.into_iter().collect();
                Probe::Http(HttpProbe {
                    port,
                    path,
                    status,
                    body_contains: check.body_contains.clone(),
                    body_json: check.body_json.clone(),
                    ..HttpProbe::default()
                })
            }
            (None, Some(port)) => Probe::Tcp { port },
            (None, None) => return Err(refused(&at("endpoint"), "needs `http` or `tcp`")),
        }),
    };
    let speaks_stdio = service.is_some_and(|service| service.stdin_open && service.ports.is_empty());
    let function = match &health.function {
        None => recorded(contract, speaks_stdio)?,
        Some(check) => Some(match (&check.mcp, &check.http, &check.command) {
            (Some(mcp), _, _) => FunctionCheck::Probe(Box::new(Probe::Mcp(mcp_probe(mcp, contract, speaks_stdio, &at("function.mcp"))?))),
            (None, Some(http), _) => FunctionCheck::Probe(Box::new(Probe::Http(http_probe(http, &at("function.http"))?))),
            (None, None, Some(command)) => FunctionCheck::Command(command.clone()),
            (None, None, None) => return Err(refused(&at("function"), "needs `mcp`, `http` or `command`")),
        }),
    };
    let process = health.process.as_ref();
    Ok(ServiceHealth {
        restarts_allowed: health.container.restarts_allowed,
        stable_for: health.container.stable_for.map(|duration| duration.0),
        endpoint,
        required_variables: health.configuration.required_variables.clone(),
        configuration_command: health.configuration.command.clone().unwrap_or_default(),
        process: process.and_then(|check| check.name.clone()),
        process_is_fatal: process.is_some_and(|check| check.fatal),
        process_uptime: process.and_then(|check| check.uptime).map(|duration| duration.0),
        function,
        dispensable: health.dispensable,
    })
}

fn refused(key: &str, why: &str) -> Failure {
    Failure::new(FailureKind::Invalid, format!("{key} in chora.yaml {why}")).hint("mend the file; `chora schema` describes it")
}

/// `http://…:port/path`, or a path with the port beside it.
fn target_of(target: &str, port: Option<u16>, key: &str) -> Result<(u16, String), Failure> {
    if target.starts_with("https://") {
        return Err(refused(key, "asks for https; checks are made inside, over http"));
    }
    let Some(rest) = target.strip_prefix("http://") else {
        let port = port.ok_or_else(|| refused(key, "is a path and needs `port`"))?;
        return Ok((port, target.to_owned()));
    };
    let (authority, path) = rest.find('/').map_or((rest, "/"), |slash| rest.split_at(slash));
    let own = authority.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
    Ok((port.or(own).unwrap_or(80), path.to_owned()))
}

fn http_probe(check: &HttpCheck, key: &str) -> Result<HttpProbe, Failure> {
    if check.method.as_deref().is_some_and(|method| method != "GET") || check.body.is_some() {
        return Err(refused(key, "has a method or body, which are not honoured: a check asks with GET"));
    }
    let (port, path) = target_of(&check.url, check.port, key)?;
    Ok(HttpProbe {
        port,
        path,
        headers: check.headers.clone(),
        status: check.status.into_iter().collect(),
        body_contains: check.body_contains.clone(),
        body_json: check.body_json.clone(),
    })
}

/// A service whose contract was recorded is an MCP server: without a check of its own it is held to that.
fn recorded(contract: &Path, speaks_stdio: bool) -> Result<Option<FunctionCheck>, Failure> {
    let transport = if speaks_stdio { McpTransport::Stdio } else { McpTransport::StreamableHttp };
    let probe = |contract| McpProbe { transport, contract: Some(contract), ..McpProbe::default() };
    Ok(read_contract(contract)?.map(|contract| FunctionCheck::Probe(Box::new(Probe::Mcp(probe(contract))))))
}

fn mcp_probe(check: &McpCheck, contract: &Path, speaks_stdio: bool, key: &str) -> Result<McpProbe, Failure> {
    let names_a_place = check.port.is_some() || check.path.is_some();
    let transport = match check.transport {
        manifest::McpTransport::StreamableHttp if speaks_stdio && !names_a_place => McpTransport::Stdio,
        manifest::McpTransport::StreamableHttp => McpTransport::StreamableHttp,
        manifest::McpTransport::Sse => McpTransport::Sse,
        manifest::McpTransport::Stdio => McpTransport::Stdio,
    };
    if check.headers.values().any(|value| value.contains("${secret:")) {
        return Err(refused(&format!("{key}.headers"), "names a secret, which is not honoured yet"));
    }
    let default_path = if transport == McpTransport::Sse { "/sse" } else { "/mcp" };
    let call = match &check.tool {
        None => None,
        Some(tool) => {
            let expect = tool.expect.clone().unwrap_or_default();
            if !expect.json.is_empty() {
                return Err(refused(&format!("{key}.tool.expect.json"), "is not honoured yet; use `contains`"));
            }
            let arguments = Value::Object(tool.arguments.clone().into_iter().collect());
            Some(McpCall { tool: tool.name.clone(), arguments, expect: expect.contains })
        }
    };
    Ok(McpProbe {
        transport,
        // The container's first port where none is named; it is known once there is a container.
        port: check.port.unwrap_or_default(),
        path: check.path.clone().unwrap_or_else(|| default_path.to_owned()),
        headers: check.headers.clone(),
        command: check.command.clone(),
        contract: read_contract(contract)?,
        call,
    })
}

fn read_contract(path: &Path) -> Result<Option<Contract>, Failure> {
    let text = match std::fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Failure::new(FailureKind::Invalid, format!("contract {} cannot be read: {error}", path.display()))),
    };
    serde_json::from_slice(&text).map(Some).map_err(|error| {
        Failure::new(FailureKind::Invalid, format!("contract {} is damaged: {error}", path.display()))
            .hint("`chora contract record` writes it anew")
    })
}
