//! Containers of services, for the operations that work on some of them.

use chora_core::model::container::{ContainerFilter, ContainerState, ContainerSummary};
use chora_core::plan::labels;
use indexmap::IndexMap;

use crate::context::Context;
use crate::failure::{Failure, FailureKind};
use crate::project::{Project, Selection, load_or_recall};

/// One container of a service.
#[derive(Debug, Clone)]
pub(crate) struct ServiceContainer {
    pub(crate) service: String,
    /// Number from 1 among the service's replicas.
    pub(crate) number: u32,
    pub(crate) summary: ContainerSummary,
}

impl ServiceContainer {
    /// Whether it takes part: running, or about to again.
    pub(crate) const fn is_up(&self) -> bool {
        matches!(self.summary.state, ContainerState::Running | ContainerState::Restarting | ContainerState::Paused)
    }
}

/// The project and the containers of the named services (all, when none is named), newest last.
///
/// # Errors
/// Not found when a service is neither in the project nor on the engine.
pub(crate) async fn instances(
    cx: &Context,
    environment: Option<&str>,
    services: &[String],
) -> Result<(Project, Vec<ServiceContainer>), Failure> {
    let project = load_or_recall(cx, &Selection { environment: environment.map(str::to_owned) }).await?;
    let filter = ContainerFilter { labels: IndexMap::from([(labels::PROJECT.to_owned(), project.environment.project.clone())]), all: true };
    let mut found: Vec<ServiceContainer> = cx.engine.containers(&filter).await?.into_iter().filter_map(of_service).collect();
    found.sort_by(|a, b| (a.summary.created_at, &a.service, a.number).cmp(&(b.summary.created_at, &b.service, b.number)));
    let known = |name: &String| project.stack.services.contains_key(name) || found.iter().any(|container| &container.service == name);
    if let Some(unknown) = services.iter().find(|name| !known(name)) {
        let names: Vec<&str> = project.stack.services.keys().map(String::as_str).collect();
        let failure = Failure::new(FailureKind::NotFound, format!("no service `{unknown}`"));
        return Err(failure.hint(format!("the services are {}", names.join(", "))));
    }
    found.retain(|container| services.is_empty() || services.contains(&container.service));
    Ok((project, found))
}

fn of_service(summary: ContainerSummary) -> Option<ServiceContainer> {
    let service = summary.labels.get(labels::SERVICE)?.clone();
    let number = summary.labels.get(labels::NUMBER).and_then(|number| number.parse().ok()).unwrap_or(1);
    Some(ServiceContainer { service, number, summary })
}

/// The running container of one service: the newest of the lowest number, unless a number is given.
///
/// # Errors
/// Not found when there is no such service, conflict when none of its containers runs.
pub(crate) async fn running(
    cx: &Context,
    environment: Option<&str>,
    service: &str,
    number: Option<u32>,
) -> Result<(Project, ServiceContainer), Failure> {
    let (project, found) = instances(cx, environment, &[service.to_owned()]).await?;
    let runs = |container: &ServiceContainer| container.summary.state == ContainerState::Running;
    let wanted = |container: &ServiceContainer| runs(container) && number.is_none_or(|number| container.number == number);
    match found.into_iter().rev().filter(wanted).min_by_key(|container| container.number) {
        Some(container) => Ok((project, container)),
        None => {
            let which = number.map_or_else(String::new, |number| format!(" with number {number}"));
            let message = format!("no container of `{service}`{which} is running in {}", project.environment.name);
            Err(Failure::new(FailureKind::Conflict, message)
                .state("nothing was done")
                .hint(format!("`chora ps --env {}` shows what there is", project.environment.name)))
        }
    }
}
