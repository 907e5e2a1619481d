//! Maintenance: the gateway answers in place of the services.

use chora_core::model::event::{Event, EventStatus, EventType};
use chora_core::model::ids::EnvironmentName;
use chora_core::plan::gateway::GATEWAY;
use serde_json::{Map, json};

use crate::context::Context;
use crate::failure::{Failure, FailureKind};
use crate::instances::instances;
use crate::project::Project;

/// Whether an environment is in maintenance, from now on.
#[derive(Debug, Clone, Default, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct MaintenanceRequest {
    /// Environment; `production` unless named.
    pub environment: Option<String>,
    /// In maintenance, or not.
    pub on: bool,
    /// What the page says.
    pub message: Option<String>,
    /// Paths that are served all the same, with everything below them.
    pub allow: Vec<String>,
}

/// What is so now.
#[derive(Debug, Clone, serde::Serialize, schemars::JsonSchema)]
pub struct MaintenanceOutcome {
    /// Environment.
    pub environment: EnvironmentName,
    /// In maintenance, or not.
    pub on: bool,
    /// Worth knowing.
    pub warnings: Vec<String>,
    /// The next command.
    pub next: String,
}

/// Begins or ends maintenance: HTTP requests are answered with 503, a page and `Retry-After`. It lasts through deployments.
///
/// # Errors
/// Conflict when the environment has no running gateway; invalid when a path does not begin with a slash.
pub async fn maintenance(cx: &Context, request: &MaintenanceRequest) -> Result<MaintenanceOutcome, Failure> {
    if let Some(path) = request.allow.iter().find(|path| !path.starts_with('/')) {
        let failure = Failure::new(FailureKind::Invalid, format!("`{path}` is not a path"));
        return Err(failure.state("nothing was changed").hint("paths begin with a slash, such as /health"));
    }
    let (project, containers) = instances(cx, request.environment.as_deref(), &[]).await?;
    let gateway = containers.iter().find(|container| container.service == GATEWAY && container.is_up());
    let gateway = gateway.ok_or_else(|| no_gateway(&project))?;
    let message = request.message.clone().unwrap_or_default();
    let told = cx.gateways.maintenance(&gateway.summary.name, request.on, &message, &request.allow).await;
    told.map_err(|error| Failure::new(FailureKind::Unavailable, error.to_string()).hint("see `chora logs chora-gateway`"))?;
    let mut warnings = Vec::new();
    if let Err(error) = cx.record(&event(cx, &project, request)) {
        warnings.push(format!("it could not be written into the log: {error}"));
    }
    let next = if request.on { "chora maintenance off" } else { "chora health" };
    Ok(MaintenanceOutcome { environment: project.environment.name, on: request.on, warnings, next: next.to_owned() })
}

fn no_gateway(project: &Project) -> Failure {
    let message = format!("no gateway runs in {}", project.environment.name);
    Failure::new(FailureKind::Conflict, message)
        .state("nothing was changed")
        .hint("`chora deploy` starts one where a stack publishes TCP ports; development and `gateway: false` have none")
}

fn event(cx: &Context, project: &Project, request: &MaintenanceRequest) -> Event {
    let word = if request.on { "on" } else { "off" };
    let mut metadata = Map::new();
    metadata.insert("action".to_owned(), json!("maintenance"));
    metadata.insert("environment_name".to_owned(), json!(project.environment.name));
    metadata.insert("maintenance".to_owned(), json!(request.on));
    Event {
        timestamp: cx.clock.now(),
        event_type: EventType::ConfigurationChange,
        repository: project.repository.clone(),
        environment: project.environment.class,
        version: String::new(),
        status: EventStatus::Success,
        duration_seconds: 0.0,
        errors: Vec::new(),
        notes: Some(format!("maintenance {word}")),
        deployed_by: Some(cx.settings.deployed_by),
        trace_id: None,
        services: Vec::new(),
        metadata,
    }
}
