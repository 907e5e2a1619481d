//! Restart policies. An engine that comes back starts what ran when it went, and goes by the policy for the rest. What was stopped
//! on purpose therefore has none until it is started again: an engine that is itself about to stop does not note the difference.

use std::collections::HashMap;

use bollard_stubs::models::{RestartPolicy, RestartPolicyNameEnum};
use chora_core::compose;
use chora_core::plan::labels;
use chora_core::ports::EngineError;
use serde_json::json;

use super::inspect::{ContainerDocument, RestartDocument, document};
use super::request::clamp;
use super::{about, path};
use crate::client::{Call, Client};

/// `deploy.restart_policy` wins over `restart`, as it does in Docker Compose.
pub(super) fn policy(service: &compose::Service) -> Result<Option<RestartPolicy>, EngineError> {
    let invalid = |value: &str| EngineError::Invalid { reason: format!("restart policy `{value}` is unknown") };
    if let Some(policy) = service.deploy.as_ref().and_then(|deploy| deploy.restart_policy.as_ref()) {
        let name = match policy.condition.as_deref() {
            Some("none") => RestartPolicyNameEnum::NO,
            Some("on-failure") => RestartPolicyNameEnum::ON_FAILURE,
            Some("unless-stopped") => RestartPolicyNameEnum::UNLESS_STOPPED,
            None | Some("any" | "always" | "") => RestartPolicyNameEnum::ALWAYS,
            Some(other) => return Err(invalid(other)),
        };
        let attempts = policy.max_attempts.filter(|_| name == RestartPolicyNameEnum::ON_FAILURE).map(clamp);
        return Ok(Some(RestartPolicy { name: Some(name), maximum_retry_count: attempts }));
    }
    let Some(text) = service.restart.as_deref() else { return Ok(None) };
    let (word, attempts) = text.split_once(':').map_or((text, None), |(word, attempts)| (word, Some(attempts)));
    let name = match word {
        "no" => RestartPolicyNameEnum::NO,
        "always" => RestartPolicyNameEnum::ALWAYS,
        "unless-stopped" => RestartPolicyNameEnum::UNLESS_STOPPED,
        "on-failure" => RestartPolicyNameEnum::ON_FAILURE,
        _ => return Err(invalid(text)),
    };
    let attempts = attempts.map(str::parse).transpose().map_err(|_| invalid(text))?;
    Ok(Some(RestartPolicy { name: Some(name), maximum_retry_count: attempts }))
}

/// Notes on a container the policy that it has while it is meant to run.
pub(super) fn note(labels: &mut HashMap<String, String>, policy: Option<&RestartPolicy>) {
    let Some((policy, name)) = policy.and_then(|policy| Some((policy, policy.name?))) else { return };
    if name == RestartPolicyNameEnum::NO {
        return;
    }
    let attempts = policy.maximum_retry_count.map(|attempts| format!(":{attempts}")).unwrap_or_default();
    labels.insert(labels::RESTART.to_owned(), format!("{name}{attempts}"));
}

/// Takes the policy from a container that was stopped.
pub(super) async fn put_aside(client: &Client, container: &str) -> Result<(), EngineError> {
    let seen = document(client, container).await?;
    match noted(&seen) {
        Some(_) => set(client, container, &seen, RestartDocument { name: "no".to_owned(), maximum_retry_count: 0 }).await,
        None => Ok(()),
    }
}

/// Gives a container that is to run its policy again.
pub(super) async fn put_back(client: &Client, container: &str) -> Result<(), EngineError> {
    let seen = document(client, container).await?;
    match noted(&seen) {
        Some(policy) => set(client, container, &seen, policy).await,
        None => Ok(()),
    }
}

fn noted(seen: &ContainerDocument) -> Option<RestartDocument> {
    let text = seen.config.labels.as_ref()?.get(labels::RESTART)?;
    let (name, attempts) = text.split_once(':').unwrap_or((text, "0"));
    Some(RestartDocument { name: name.to_owned(), maximum_retry_count: attempts.parse().unwrap_or_default() })
}

async fn set(client: &Client, container: &str, seen: &ContainerDocument, policy: RestartDocument) -> Result<(), EngineError> {
    if seen.host_config.restart_policy == policy {
        return Ok(());
    }
    let body = json!({ "RestartPolicy": { "Name": policy.name, "MaximumRetryCount": policy.maximum_retry_count } });
    client.unit(Call::post(path(container, "/update"), about(container)).json(&body)).await
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use bollard_stubs::models::RestartPolicyNameEnum;
    use chora_core::compose::{Deploy, RestartPolicy, Service};

    use super::{note, noted, policy};
    use crate::containers::inspect::ContainerDocument;

    #[test]
    fn restart_policies_are_read_from_both_keys() {
        let mut service = Service { restart: Some("on-failure:3".into()), ..Service::default() };
        let read = policy(&service).unwrap().unwrap();
        assert_eq!((read.name, read.maximum_retry_count), (Some(RestartPolicyNameEnum::ON_FAILURE), Some(3)));
        let deploy = RestartPolicy { condition: Some("any".into()), max_attempts: Some(2), ..RestartPolicy::default() };
        service.deploy = Some(Deploy { restart_policy: Some(deploy), ..Deploy::default() });
        let read = policy(&service).unwrap().unwrap();
        assert_eq!((read.name, read.maximum_retry_count), (Some(RestartPolicyNameEnum::ALWAYS), None));
        service = Service { restart: Some("sometimes".into()), ..Service::default() };
        assert!(policy(&service).is_err());
    }

    #[test]
    fn a_policy_is_noted_and_read_again() {
        for (word, name, attempts) in [("on-failure:3", "on-failure", 3), ("unless-stopped", "unless-stopped", 0)] {
            let service = Service { restart: Some(word.into()), ..Service::default() };
            let mut labels = HashMap::new();
            note(&mut labels, policy(&service).unwrap().as_ref());
            let seen: ContainerDocument = serde_json::from_value(serde_json::json!({"Config": {"Labels": labels}})).unwrap();
            let noted = noted(&seen).unwrap();
            assert_eq!((noted.name.as_str(), noted.maximum_retry_count), (name, attempts));
        }
        let mut labels = HashMap::new();
        note(&mut labels, policy(&Service { restart: Some("no".into()), ..Service::default() }).unwrap().as_ref());
        assert!(labels.is_empty());
    }
}
