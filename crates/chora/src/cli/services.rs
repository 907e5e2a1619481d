//! Containers of services, for the commands that work on one.

use chora_core::model::container::{ContainerFilter, ContainerSummary};
use chora_core::plan::labels;
use chora_ops::project::{Project, Selection, load};
use chora_ops::{Context, Failure, FailureKind};
use indexmap::IndexMap;

/// One container of a service.
#[derive(Debug, Clone)]
pub(crate) struct Instance {
    pub(crate) service: String,
    pub(crate) number: u32,
    pub(crate) container: ContainerSummary,
}

impl Instance {
    pub(crate) fn name(&self) -> String {
        format!("{}-{}", self.service, self.number)
    }

    pub(crate) fn is_up(&self) -> bool {
        self.container.status.starts_with("Up")
    }
}

/// The project and the containers of the named services (all, when none is named), newest last.
///
/// # Errors
/// Not found when a service is neither in the project nor on the engine.
pub(crate) async fn instances(cx: &Context, environment: Option<&str>, services: &[String]) -> Result<(Project, Vec<Instance>), Failure> {
    let project = load(cx, &Selection { environment: environment.map(str::to_owned) })?;
    let filter = ContainerFilter { labels: IndexMap::from([(labels::PROJECT.to_owned(), project.environment.project.clone())]), all: true };
    let mut found: Vec<Instance> = cx.engine.containers(&filter).await?.into_iter().filter_map(instance).collect();
    found.sort_by(|a, b| (a.container.created_at, &a.service, a.number).cmp(&(b.container.created_at, &b.service, b.number)));
    let known = |name: &String| project.stack.services.contains_key(name) || found.iter().any(|instance| &instance.service == name);
    if let Some(unknown) = services.iter().find(|name| !known(name)) {
        let names: Vec<&str> = project.stack.services.keys().map(String::as_str).collect();
        return Err(
            Failure::new(FailureKind::NotFound, format!("no service `{unknown}`")).hint(format!("the services are {}", names.join(", ")))
        );
    }
    found.retain(|instance| services.is_empty() || services.contains(&instance.service));
    Ok((project, found))
}

fn instance(container: ContainerSummary) -> Option<Instance> {
    let service = container.labels.get(labels::SERVICE)?.clone();
    let number = container.labels.get(labels::NUMBER).and_then(|number| number.parse().ok()).unwrap_or(1);
    Some(Instance { service, number, container })
}

/// The running container of one service.
///
/// # Errors
/// Not found when there is no such service, conflict when none of its containers runs.
pub(crate) async fn running(
    cx: &Context,
    environment: Option<&str>,
    service: &str,
    number: Option<u32>,
) -> Result<(Project, Instance), Failure> {
    let (project, found) = instances(cx, environment, &[service.to_owned()]).await?;
    let up = found.into_iter().rev().filter(Instance::is_up);
    let mut up: Vec<Instance> = up.filter(|instance| number.is_none_or(|number| instance.number == number)).collect();
    up.sort_by_key(|instance| instance.number);
    let first = up.into_iter().next();
    first.map(|instance| (project.clone(), instance)).ok_or_else(|| {
        let which = number.map_or_else(String::new, |number| format!(" with number {number}"));
        let failure =
            Failure::new(FailureKind::Conflict, format!("no container of `{service}`{which} is running in {}", project.environment.name));
        failure.hint(super::door::next("chora ps", project.environment.name.as_str()))
    })
}
