//! Which release a container is of: candidate, active or retired (SPEC §1). Whether it runs is another matter.

use std::collections::BTreeSet;

use chora_core::model::container::ContainerSummary;
use chora_core::model::deployment::Deployment;
use chora_core::model::ids::EnvironmentName;
use chora_core::model::release::Release;
use chora_core::plan::{Action, Observed, ObservedContainer, labels};
use indexmap::IndexMap;

use crate::context::Context;
use crate::failure::Failure;
use crate::release;
use crate::rollout::settle::open_deployments;

/// What is known of the containers of one environment.
#[derive(Debug)]
pub(super) struct Roles {
    candidates: BTreeSet<String>,
    warm: BTreeSet<String>,
    active: BTreeSet<String>,
}

impl Roles {
    pub(super) async fn find(cx: &Context, environment: &EnvironmentName, containers: &[ContainerSummary]) -> Result<Self, Failure> {
        let live = release::live(cx, environment).await?;
        let open = open_deployments(cx, environment).await?;
        let own = IndexMap::from([(labels::ENVIRONMENT.to_owned(), environment.to_string())]);
        let observed = Observed::new(containers, &cx.engine.networks(&own).await?, &[]);
        let warm = observed.containers.iter().filter(|container| observed.is_warm(container)).map(|container| container.name.clone());
        let roles = Self::judge(live.as_ref(), &open, &observed.containers);
        Ok(Self { warm: warm.collect(), ..roles })
    }

    fn judge(live: Option<&Release>, open: &[Deployment], containers: &[ObservedContainer]) -> Self {
        let unrecorded = open.iter().filter(|deployment| live.is_none_or(|live| live.id != deployment.release));
        let candidates: BTreeSet<String> = unrecorded.flat_map(brings).collect();
        let of_live = |container: &&ObservedContainer| {
            let wanted = live.and_then(|live| live.fingerprints.get(&container.service));
            wanted.is_some() && container.fingerprint.as_ref() == wanted
        };
        // Of several that are interchangeable the one that is up counts, else the newest.
        let better = |one: &ObservedContainer, other: &ObservedContainer| {
            (one.is_up(), &one.deployment) > (other.is_up(), &other.deployment)
                && one.service == other.service
                && one.number == other.number
        };
        let active = containers
            .iter()
            .filter(|container| !candidates.contains(&container.name))
            // What runs and is nobody's candidate may be found by clients, whoever made it.
            .filter(|container| {
                let first = of_live(container) && !containers.iter().filter(of_live).any(|other| better(other, container));
                container.is_up() || first
            })
            .map(|container| container.name.clone())
            .collect();
        Self { candidates, warm: BTreeSet::new(), active }
    }

    pub(super) fn of(&self, container: &str) -> &'static str {
        match container {
            one if self.candidates.contains(one) => "candidate",
            one if self.warm.contains(one) => "warm",
            one if self.active.contains(one) => "active",
            _ => "retired",
        }
    }
}

/// The containers that a deployment's plan creates or starts.
fn brings(deployment: &Deployment) -> Vec<String> {
    let steps = deployment.plan.iter().flat_map(|plan| &plan.steps);
    let names = steps.filter_map(|step| match &step.action {
        Action::CreateContainer { instance } => Some(instance.name.clone()),
        Action::StartContainer { container, .. } | Action::RunToCompletion { container, .. } => Some(container.clone()),
        _ => None,
    });
    names.collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use chora_core::model::container::ContainerState;
    use chora_core::model::ids::ImageId;
    use chora_core::plan::ObservedContainer;

    use super::Roles;

    fn container(name: &str, state: ContainerState) -> ObservedContainer {
        ObservedContainer {
            name: name.to_owned(),
            service: "web".to_owned(),
            number: 1,
            image: ImageId::new("sha256:1"),
            state,
            fingerprint: None,
            release: None,
            deployment: None,
            networks: BTreeSet::new(),
            published: BTreeSet::new(),
            succeeded: false,
        }
    }

    #[test]
    fn with_nothing_live_what_runs_is_active_and_what_does_not_is_retired() {
        let roles = Roles::judge(None, &[], &[container("one", ContainerState::Running), container("two", ContainerState::Exited)]);
        assert_eq!((roles.of("one"), roles.of("two")), ("active", "retired"));
    }
}
