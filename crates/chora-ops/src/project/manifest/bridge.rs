//! Services that are run under a bridge: decided, and with every default filled in.

use chora_core::compose::{FileReference, Service, Stack};
use chora_core::model::bridge::{Bridge, BridgeChild};
use chora_core::model::digest::Digest;
use chora_core::model::environment::EnvironmentClass;
use chora_core::plan::bridge::{Mark, port_of, why_bridged};
use chora_core::plan::file_targets;
use chora_syntax::manifest::{self, BridgeOptions, Manifest, McpTransport};
use indexmap::IndexMap;

use crate::failure::{Failure, FailureKind};

/// The bridges of a stack, by service; their tokens become secrets of their services.
pub(in crate::project) fn bridges(
    manifest: Option<&Manifest>,
    stack: &mut Stack,
    class: EnvironmentClass,
    has_contract: impl Fn(&str) -> bool,
) -> Result<IndexMap<String, Bridge>, Failure> {
    let mut bridges = IndexMap::new();
    let names: Vec<String> = stack.services.keys().cloned().collect();
    for name in names {
        let settings = manifest.and_then(|manifest| manifest.services.get(&name));
        let mark = mark(settings, has_contract(&name));
        let Some(why) = why_bridged(stack, &name, class, mark) else { continue };
        let options = match settings.and_then(|settings| settings.bridge.as_ref()) {
            Some(manifest::Bridge::On(options)) => options.clone(),
            Some(manifest::Bridge::Off) | None => BridgeOptions::default(),
        };
        if let Some(token) = options.token.as_ref().filter(|token| !stack.secrets.contains_key(*token)) {
            let message = format!("services.{name}.bridge.token in chora.yaml names `{token}`, and no service has a secret of that name");
            return Err(Failure::new(FailureKind::Invalid, message)
                .state("nothing was changed")
                .hint(format!("declare it in the Compose file (`secrets: {{ {token}: {{ file: {token}.txt }} }}`), and list it under the service's `secrets:`")));
        }
        if let Some(service) = stack.services.get_mut(&name) {
            bridges.insert(name, bridge(options, service, why));
        }
    }
    Ok(bridges)
}

/// What `chora.yaml` tells of a service.
fn mark(settings: Option<&manifest::ServiceSettings>, has_contract: bool) -> Mark {
    let unsaid = if has_contract { Mark::Server } else { Mark::Unsaid };
    let Some(settings) = settings else { return unsaid };
    match &settings.bridge {
        Some(manifest::Bridge::On(_)) => return Mark::Wanted,
        Some(manifest::Bridge::Off) => return Mark::Unwanted,
        None => {}
    }
    if settings.health.endpoint.is_some() {
        return Mark::Elsewhere;
    }
    let Some(function) = &settings.health.function else { return unsaid };
    match (&function.mcp, &function.http) {
        (Some(mcp), _) if mcp.transport != McpTransport::StreamableHttp || mcp.port.is_some() || mcp.path.is_some() => Mark::Elsewhere,
        (Some(_), _) => Mark::Server,
        (None, Some(_)) => Mark::Elsewhere,
        (None, None) => unsaid,
    }
}

fn bridge(options: BridgeOptions, service: &mut Service, why: String) -> Bridge {
    let token_file = options.token.map(|token| {
        if !service.secrets.iter().any(|secret| secret.source == token) {
            service.secrets.push(FileReference { source: token.clone(), ..FileReference::default() });
        }
        let named = IndexMap::from([(format!("secret:{token}"), Digest::of(b""))]);
        // Only where it is matters here, not what it holds.
        file_targets(service, &named).into_iter().next().map_or_else(|| format!("/run/secrets/{token}"), |file| file.path)
    });
    Bridge {
        port: port_of(service, options.port),
        child: match options.child {
            manifest::BridgeChild::Shared => BridgeChild::Shared,
            manifest::BridgeChild::Session => BridgeChild::Session,
            manifest::BridgeChild::Request => BridgeChild::Request,
        },
        max_sessions: options.max_sessions,
        idle: options.idle.map(|idle| idle.0),
        token_file,
        hosts: options.allow_hosts,
        origins: options.allow_origins,
        why,
    }
}

/// Bridges that no published port of their service leads to.
pub(in crate::project) fn astray(stack: &Stack, bridges: &IndexMap<String, Bridge>) -> Vec<String> {
    let lost = bridges.iter().filter_map(|(name, bridge)| {
        let service = stack.services.get(name)?;
        let targets: Vec<String> = service.ports.iter().map(|port| port.target.to_string()).collect();
        let leads_there = service.ports.is_empty() || service.ports.iter().any(|port| port.target == bridge.port);
        let words = || {
            let led = targets.join(", ");
            format!("`{name}` runs under a bridge on port {}, and its ports lead to {led}: nobody outside reaches the bridge", bridge.port)
        };
        (!leads_there).then(words)
    });
    lost.collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use chora_core::compose::{FileObject, FileReference, Port, Service, Stack};
    use chora_core::model::bridge::BridgeChild;
    use chora_core::model::environment::EnvironmentClass::{Development, Production};
    use chora_syntax::manifest;

    use super::{astray, bridges};

    fn stack() -> Stack {
        let tools = Service { stdin_open: true, ports: vec![Port { target: 3000, ..Port::default() }], ..Service::default() };
        Stack {
            services: [("tools".to_owned(), tools)].into_iter().collect(),
            secrets: [("key".to_owned(), FileObject::default())].into_iter().collect(),
            ..Stack::default()
        }
    }

    #[test]
    fn what_chora_yaml_says_decides() {
        let cases = [
            ("", true),
            ("bridge: true", true),
            ("bridge: false", false),
            ("health: {function: {mcp: {}}}", true),
            ("health: {function: {mcp: {tool: {name: add}}}}", true),
            ("health: {function: {mcp: {transport: stdio}}}", false),
            ("health: {function: {mcp: {transport: sse}}}", false),
            ("health: {function: {mcp: {port: 3000}}}", false),
            ("health: {function: {mcp: {path: /mcp}}}", false),
            ("health: {function: {http: {url: /health, port: 3000}}}", false),
            ("health: {function: {command: [check]}}", true),
            ("health: {endpoint: {tcp: 3000}}", false),
            ("bridge: true\n    health: {endpoint: {tcp: 3000}}", true),
        ];
        for (text, expected) in cases {
            let text = if text.is_empty() { String::new() } else { format!("services:\n  tools:\n    {text}\n") };
            let manifest = manifest::parse(&text, "chora.yaml").unwrap();
            let found = bridges(Some(&manifest), &mut stack(), Production, |_| false).unwrap();
            assert_eq!(found.contains_key("tools"), expected, "{text}");
        }
        assert!(bridges(None, &mut stack(), Development, |_| true).unwrap().is_empty());
    }

    #[test]
    fn a_recorded_contract_marks_a_server() {
        let mut stack = stack();
        stack.services.get_mut("tools").unwrap().ports.clear();
        assert!(bridges(None, &mut stack, Production, |_| false).unwrap().is_empty());
        let found = bridges(None, &mut stack, Production, |name| name == "tools").unwrap();
        assert_eq!(found["tools"].port, 8000);
    }

    #[test]
    fn options_are_filled_in_and_the_token_becomes_a_secret_of_the_service() {
        let text = "services: {tools: {bridge: {child: session, idle: 1m, token: key}}}";
        let manifest = manifest::parse(text, "chora.yaml").unwrap();
        let mut plain = stack();
        let tools = bridges(Some(&manifest), &mut plain, Development, |_| false).unwrap()["tools"].clone();
        assert_eq!((tools.port, tools.child, tools.idle), (3000, BridgeChild::Session, Some(Duration::from_secs(60))));
        assert_eq!(tools.token_file.as_deref(), Some("/run/secrets/key"));
        assert_eq!(plain.services["tools"].secrets[0].source, "key");
        // One that the service has already stays where the Compose file puts it.
        let mut own = stack();
        let reference = FileReference { source: "key".into(), target: Some("/etc/key".into()), ..FileReference::default() };
        own.services.get_mut("tools").unwrap().secrets.push(reference);
        let tools = bridges(Some(&manifest), &mut own, Development, |_| false).unwrap()["tools"].clone();
        assert_eq!((tools.token_file.as_deref(), own.services["tools"].secrets.len()), (Some("/etc/key"), 1));
    }

    #[test]
    fn what_cannot_be_reached_is_told() {
        let text = "services: {tools: {bridge: {port: 9000, token: other}}}";
        let manifest = manifest::parse(text, "chora.yaml").unwrap();
        let refused = bridges(Some(&manifest), &mut stack(), Production, |_| false).unwrap_err();
        assert!(refused.message.contains("names `other`, and no service has a secret"), "{}", refused.message);
        let manifest = manifest::parse(&text.replace(", token: other", ""), "chora.yaml").unwrap();
        let mut stack = stack();
        let found = bridges(Some(&manifest), &mut stack, Production, |_| false).unwrap();
        assert!(astray(&stack, &found)[0].contains("its ports lead to 3000"));
    }
}
