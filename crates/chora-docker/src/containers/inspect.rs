//! What the engine reports about containers.

use std::net::IpAddr;

use chora_core::model::container::{Container, ContainerFilter, ContainerState, ContainerSummary, EngineHealth, PublishedPort};
use chora_core::model::ids::{ContainerId, ImageId};
use chora_core::model::secret::Secret;
use chora_core::ports::EngineError;
use indexmap::IndexMap;
use jiff::Timestamp;
use serde::Deserialize;

use super::{about, path};
use crate::client::{Call, Client, label_filter};

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct ContainerDocument {
    id: String,
    name: String,
    image: String,
    created: String,
    path: String,
    args: Vec<String>,
    restart_count: u64,
    state: StateDocument,
    pub(super) config: ConfigDocument,
    pub(super) host_config: HostDocument,
    network_settings: NetworkDocument,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct StateDocument {
    status: String,
    #[serde(rename = "OOMKilled")]
    oom_killed: bool,
    pid: i64,
    exit_code: i64,
    error: String,
    started_at: String,
    finished_at: String,
    health: Option<HealthDocument>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct HealthDocument {
    status: String,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct ConfigDocument {
    pub(super) tty: bool,
    env: Option<Vec<String>>,
    pub(super) labels: Option<IndexMap<String, String>>,
    healthcheck: Option<CheckDocument>,
    exposed_ports: Option<IndexMap<String, serde_json::Value>>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct HostDocument {
    pub(super) restart_policy: RestartDocument,
}

#[derive(Deserialize, Default, PartialEq, Eq)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct RestartDocument {
    pub(super) name: String,
    pub(super) maximum_retry_count: i64,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct CheckDocument {
    pub(crate) test: Option<Vec<String>>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct NetworkDocument {
    ports: Option<IndexMap<String, Option<Vec<BindingDocument>>>>,
    networks: Option<IndexMap<String, EndpointDocument>>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct BindingDocument {
    host_ip: String,
    host_port: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct EndpointDocument {
    #[serde(rename = "IPAddress")]
    v4: String,
    #[serde(rename = "GlobalIPv6Address")]
    v6: String,
}

pub(super) async fn document(client: &Client, container: &str) -> Result<ContainerDocument, EngineError> {
    client.document(Call::get(path(container, "/json"), about(container))).await
}

pub(crate) async fn inspect(client: &Client, container: &str) -> Result<Option<Container>, EngineError> {
    match document(client, container).await {
        Ok(document) => Ok(Some(Container::from(document))),
        Err(EngineError::NotFound { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

impl From<ContainerDocument> for Container {
    fn from(document: ContainerDocument) -> Self {
        let state = container_state(&document.state.status);
        let has_ended = matches!(state, ContainerState::Exited | ContainerState::Dead | ContainerState::Restarting);
        Self {
            id: ContainerId::new(document.id),
            name: document.name.trim_start_matches('/').to_owned(),
            image: ImageId::new(document.image),
            labels: document.config.labels.unwrap_or_default(),
            state,
            exit_code: has_ended.then_some(document.state.exit_code),
            oom_killed: document.state.oom_killed,
            restarts: document.restart_count,
            health: engine_health(document.state.health.as_ref()),
            healthcheck: document.config.healthcheck.and_then(|check| check.test).unwrap_or_default(),
            created_at: moment(&document.created),
            started_at: moment(&document.state.started_at),
            finished_at: moment(&document.state.finished_at),
            pid: document.state.pid,
            addresses: addresses(document.network_settings.networks.unwrap_or_default()),
            published: published(document.network_settings.ports.unwrap_or_default()),
            exposed: document.config.exposed_ports.unwrap_or_default().into_keys().collect(),
            error: document.state.error,
            command: Some(document.path).filter(|path| !path.is_empty()).into_iter().chain(document.args).collect(),
            environment: Secret::new(document.config.env.unwrap_or_default()),
        }
    }
}

fn container_state(status: &str) -> ContainerState {
    match status {
        "created" => ContainerState::Created,
        "paused" => ContainerState::Paused,
        "restarting" => ContainerState::Restarting,
        "removing" => ContainerState::Removing,
        "exited" => ContainerState::Exited,
        "dead" => ContainerState::Dead,
        // `stopping`, which the newest engines report, still runs.
        _ => ContainerState::Running,
    }
}

fn engine_health(health: Option<&HealthDocument>) -> EngineHealth {
    match health.map(|health| health.status.as_str()) {
        Some("starting") => EngineHealth::Starting,
        Some("healthy") => EngineHealth::Healthy,
        Some("unhealthy") => EngineHealth::Unhealthy,
        _ => EngineHealth::None,
    }
}

/// Reads a time; the engine writes year 1 for what has not happened.
fn moment(text: &str) -> Option<Timestamp> {
    text.parse::<Timestamp>().ok().filter(|at| at.as_second() > 0)
}

fn addresses(networks: IndexMap<String, EndpointDocument>) -> IndexMap<String, IpAddr> {
    let address = |endpoint: EndpointDocument| endpoint.v4.parse().or_else(|_| endpoint.v6.parse()).ok();
    networks.into_iter().filter_map(|(name, endpoint)| Some((name, address(endpoint)?))).collect()
}

fn published(ports: IndexMap<String, Option<Vec<BindingDocument>>>) -> Vec<PublishedPort> {
    let mut published = Vec::new();
    for (target, bindings) in ports {
        for binding in bindings.unwrap_or_default() {
            if let Ok(host_port) = binding.host_port.parse() {
                published.push(PublishedPort { target: target.clone(), host_ip: binding.host_ip, host_port });
            }
        }
    }
    published.sort_by(|a, b| (&a.target, &a.host_ip, a.host_port).cmp(&(&b.target, &b.host_ip, b.host_port)));
    published
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct SummaryDocument {
    id: String,
    names: Vec<String>,
    #[serde(rename = "ImageID")]
    image_id: String,
    labels: Option<IndexMap<String, String>>,
    state: String,
    status: String,
    created: i64,
    ports: Option<Vec<PortDocument>>,
    network_settings: NetworkNames,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct NetworkNames {
    networks: Option<IndexMap<String, serde::de::IgnoredAny>>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct PortDocument {
    #[serde(rename = "IP")]
    ip: String,
    private_port: u16,
    public_port: Option<u16>,
    r#type: String,
}

pub(crate) async fn list(client: &Client, filter: &ContainerFilter) -> Result<Vec<ContainerSummary>, EngineError> {
    let call = Call::get("/containers/json", "containers")
        .query("all", if filter.all { "1" } else { "0" })
        .query("filters", label_filter(&filter.labels).to_string());
    let documents: Vec<SummaryDocument> = client.document(call).await?;
    Ok(documents.into_iter().map(ContainerSummary::from).collect())
}

impl From<SummaryDocument> for ContainerSummary {
    fn from(document: SummaryDocument) -> Self {
        // Links add names of the form `/other/alias`.
        let own = |name: &&String| !name.trim_start_matches('/').contains('/');
        let name = document.names.iter().find(own).map(|name| name.trim_start_matches('/').to_owned()).unwrap_or_default();
        let mut published: Vec<PublishedPort> = document.ports.unwrap_or_default().into_iter().filter_map(published_port).collect();
        published.sort_by(|a, b| (&a.target, &a.host_ip, a.host_port).cmp(&(&b.target, &b.host_ip, b.host_port)));
        Self {
            id: ContainerId::new(document.id),
            name,
            image: ImageId::new(document.image_id),
            labels: document.labels.unwrap_or_default(),
            state: container_state(&document.state),
            status: document.status,
            published,
            networks: document.network_settings.networks.unwrap_or_default().into_keys().collect(),
            created_at: Timestamp::from_second(document.created).ok(),
        }
    }
}

fn published_port(port: PortDocument) -> Option<PublishedPort> {
    let host_port = port.public_port.filter(|port| *port > 0)?;
    Some(PublishedPort { target: format!("{}/{}", port.private_port, port.r#type), host_ip: port.ip, host_port })
}

#[cfg(test)]
mod tests {
    use chora_core::model::container::{Container, ContainerState, EngineHealth};

    use super::ContainerDocument;

    #[test]
    fn an_inspection_is_read_with_what_it_leaves_out() {
        let document: ContainerDocument = serde_json::from_value(serde_json::json!({
            "Id": "abc", "Name": "/web", "Image": "sha256:1", "Created": "2026-01-01T00:00:00.5Z",
            "State": {"Status": "running", "Pid": 7, "ExitCode": 0, "FinishedAt": "0001-01-01T00:00:00Z", "Health": {"Status": "starting"}},
            "Config": {"Env": null, "Labels": null, "Healthcheck": {"Test": ["CMD", "x"]}},
            "NetworkSettings": {"Ports": {"80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "8080"}], "81/tcp": null},
                "Networks": {"a": {"IPAddress": "10.0.0.2"}, "b": {"IPAddress": ""}}}
        }))
        .unwrap();
        let container = Container::from(document);
        assert_eq!((container.state, container.health, container.exit_code), (ContainerState::Running, EngineHealth::Starting, None));
        assert_eq!((container.name.as_str(), container.finished_at), ("web", None));
        assert_eq!(container.published.len(), 1);
        assert_eq!(container.addresses.len(), 1);
        assert_eq!(container.healthcheck, ["CMD", "x"]);
    }
}
