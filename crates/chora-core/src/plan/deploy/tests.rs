use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use indexmap::IndexMap;
use jiff::Timestamp;

use super::{DeployInput, Reuse, plan_deploy};
use crate::compose::{Condition, Dependency, Network, Port, Service, Stack, Volume};
use crate::model::container::ContainerState;
use crate::model::digest::Digest;
use crate::model::environment::{Environment, EnvironmentClass};
use crate::model::ids::{DeploymentId, EnvironmentName, ImageId, ReleaseId};
use crate::model::image::ImagePin;
use crate::model::release::Release;
use crate::plan::observed::{Observed, ObservedContainer};
use crate::plan::step::{Action, Plan};

fn stack() -> Stack {
    let on = |needs: &[(&str, Condition)]| Service {
        networks: IndexMap::from([("default".to_owned(), None)]),
        depends_on: needs
            .iter()
            .map(|(name, condition)| ((*name).to_owned(), Dependency { condition: *condition, restart: false, required: true }))
            .collect(),
        ..Service::default()
    };
    let port = Port { target: 80, published: Some("8080".into()), ..Port::default() };
    let services = IndexMap::from([
        ("web".to_owned(), Service { ports: vec![port], ..on(&[("api", Condition::Healthy)]) }),
        ("api".to_owned(), on(&[("db", Condition::Healthy), ("migrate", Condition::CompletedSuccessfully)])),
        ("migrate".to_owned(), on(&[("db", Condition::Healthy)])),
        ("db".to_owned(), on(&[])),
    ]);
    let networks = IndexMap::from([("default".to_owned(), Network { name: "shop_default".into(), ..Network::default() })]);
    let volumes = IndexMap::from([("data".to_owned(), Volume { name: "shop_data".into(), ..Volume::default() })]);
    Stack { name: "shop".into(), services, networks, volumes, ..Stack::default() }
}

/// A release whose services have these image names; the image name is the fingerprint's content.
fn release(id: &str, images: &[(&str, &str)]) -> Release {
    let pin = |image: &str| ImagePin { reference: image.into(), id: ImageId::new(image), digest: None };
    Release {
        id: ReleaseId::new(id),
        version: id.into(),
        environment: EnvironmentName::new("production"),
        created_at: Timestamp::UNIX_EPOCH,
        stack: stack(),
        images: images.iter().map(|(service, image)| ((*service).to_owned(), pin(image))).collect(),
        files: IndexMap::new(),
        fingerprints: images.iter().map(|(service, image)| ((*service).to_owned(), Digest::of(image.as_bytes()))).collect(),
    }
}

fn container(service: &str, image: &str, deployment: &str, state: ContainerState) -> ObservedContainer {
    ObservedContainer {
        name: format!("shop-{service}-{deployment}-1"),
        service: service.into(),
        number: 1,
        state,
        fingerprint: Some(Digest::of(image.as_bytes())),
        release: Some(deployment.into()),
        deployment: Some(deployment.into()),
        networks: BTreeSet::from(["shop_default".to_owned()]),
        succeeded: service == "migrate" && state == ContainerState::Exited,
    }
}

fn plan(release: &Release, live: Option<&Release>, observed: &Observed, reuse: Reuse) -> Plan {
    let environment = Environment {
        name: EnvironmentName::new("production"),
        class: EnvironmentClass::Production,
        project: "shop".into(),
        releases_kept: 5,
        gate_timeout: Duration::from_secs(60),
    };
    let deployment = DeploymentId::new("000000000000000-d2");
    let input = DeployInput {
        deployment: &deployment,
        environment: &environment,
        release,
        live,
        retained: live.into_iter().chain([release]).collect(),
        observed,
        reuse,
        rollouts: &IndexMap::new(),
        recreate: false,
    };
    plan_deploy(&input).unwrap()
}

fn words(plan: &Plan) -> Vec<String> {
    plan.steps.iter().map(|step| step.action.to_string().replace("00000-d2", "new")).collect()
}

const V1: [(&str, &str); 4] = [("web", "web:1"), ("api", "api:1"), ("migrate", "api:1"), ("db", "db:1")];

fn after_v1() -> Observed {
    Observed {
        containers: vec![
            container("api", "api:1", "d1", ContainerState::Running),
            container("db", "db:1", "d1", ContainerState::Running),
            container("migrate", "api:1", "d1", ContainerState::Exited),
            container("web", "web:1", "d1", ContainerState::Running),
        ],
        networks: BTreeMap::from([("shop_default".to_owned(), None)]),
        volumes: BTreeSet::from(["shop_data".to_owned()]),
    }
}

#[test]
fn a_first_deployment_creates_everything_and_gates_in_waves() {
    let release = release("v1", &V1);
    let plan = plan(&release, None, &Observed::default(), Reuse::LiveOnly);
    assert_eq!(
        words(&plan),
        [
            "create network shop_default",
            "create volume shop_data",
            "create shop-db-new-1",
            "create shop-migrate-new-1",
            "create shop-api-new-1",
            "create shop-web-new-1",
            "start shop-db-new-1",
            "gate shop-db-new-1",
            "run shop-migrate-new-1 to completion",
            "start shop-api-new-1",
            "gate shop-api-new-1",
            "start shop-web-new-1",
            "gate shop-web-new-1",
            "record release v1 as live",
        ]
    );
}

#[test]
fn the_same_release_again_needs_nothing() {
    let release = release("v1", &V1);
    assert_eq!(words(&plan(&release, Some(&release), &after_v1(), Reuse::LiveOnly)), Vec::<String>::new());
}

#[test]
fn a_changed_internal_service_starts_beside_the_old_one_out_of_sight() {
    let live = release("v1", &V1);
    let next = release("v2", &[("web", "web:1"), ("api", "api:2"), ("migrate", "api:1"), ("db", "db:1")]);
    let plan = plan(&next, Some(&live), &after_v1(), Reuse::LiveOnly);
    assert_eq!(
        words(&plan),
        [
            "create network shop_default_new",
            "connect shop-db-d1-1 to shop_default_new",
            "connect shop-web-d1-1 to shop_default_new",
            "create shop-api-new-1",
            "connect shop-api-new-1 to shop_default_new",
            "disconnect shop-api-new-1 from shop_default",
            "start shop-api-new-1",
            "gate shop-api-new-1",
            "connect shop-api-new-1 to shop_default",
            "record release v2 as live",
            "stop shop-api-d1-1",
        ]
    );
    let switch = plan.steps.iter().rfind(|step| step.action.to_string().starts_with("connect shop-api")).unwrap();
    assert_eq!(switch.undo.as_ref().unwrap().to_string(), "disconnect shop-api-00000-d2-1 from shop_default");
}

#[test]
fn a_changed_published_service_is_swapped_and_every_touch_of_the_old_one_can_be_undone() {
    let live = release("v1", &V1);
    let next = release("v2", &[("web", "web:2"), ("api", "api:1"), ("migrate", "api:1"), ("db", "db:1")]);
    let plan = plan(&next, Some(&live), &after_v1(), Reuse::LiveOnly);
    assert_eq!(
        words(&plan),
        ["create shop-web-new-1", "stop shop-web-d1-1", "start shop-web-new-1", "gate shop-web-new-1", "record release v2 as live"]
    );
    let undone: Vec<_> = plan.steps.iter().rev().filter_map(|step| step.undo.as_ref()).map(ToString::to_string).collect();
    assert_eq!(undone, ["stop shop-web-00000-d2-1", "start shop-web-d1-1", "remove shop-web-00000-d2-1"]);
}

#[test]
fn a_rollback_starts_the_retained_containers() {
    let (live, old) = (release("v2", &[("web", "web:2"), ("api", "api:1"), ("migrate", "api:1"), ("db", "db:1")]), release("v1", &V1));
    let mut observed = after_v1();
    observed.containers.retain(|container| container.service != "web");
    observed.containers.push(container("web", "web:1", "d1", ContainerState::Exited));
    observed.containers.push(container("web", "web:2", "d3", ContainerState::Running));
    let plan = plan(&old, Some(&live), &observed, Reuse::Retained);
    assert_eq!(words(&plan), ["stop shop-web-d3-1", "start shop-web-d1-1", "gate shop-web-d1-1", "record release v1 as live"]);
}

#[test]
fn what_no_retained_release_needs_is_removed_at_the_end() {
    let live = release("v1", &V1);
    let next = release("v2", &[("web", "web:2"), ("api", "api:1"), ("migrate", "api:1"), ("db", "db:1")]);
    let mut observed = after_v1();
    observed.containers.push(container("web", "web:0", "d0", ContainerState::Exited));
    let plan = plan(&next, Some(&live), &observed, Reuse::LiveOnly);
    assert_eq!(words(&plan).last().unwrap(), "remove shop-web-d0-1");
    let record = plan.point_of_no_return().unwrap();
    assert!(plan.steps[record..].iter().all(|step| step.undo.is_none()), "nothing after the record is undone");
    assert!(plan.steps[record + 1..].iter().any(|step| matches!(step.action, Action::RemoveContainer { .. })));
}

#[test]
fn a_removed_service_stops_only_after_the_record() {
    let live = release("v1", &V1);
    let mut next = release("v2", &V1);
    next.stack.services.shift_remove("web");
    let plan = plan(&next, Some(&live), &after_v1(), Reuse::LiveOnly);
    assert_eq!(words(&plan), ["record release v2 as live", "stop shop-web-d1-1"]);
}

#[test]
fn a_stopped_live_container_is_started_again_not_replaced() {
    let live = release("v1", &V1);
    let mut observed = after_v1();
    observed
        .containers
        .iter_mut()
        .filter(|container| container.service == "api")
        .for_each(|container| container.state = ContainerState::Exited);
    let plan = plan(&live, Some(&live), &observed, Reuse::LiveOnly);
    assert_eq!(words(&plan), ["start shop-api-d1-1", "gate shop-api-d1-1"]);
}

#[test]
fn an_old_staging_network_goes_with_its_candidates() {
    let live = release("v2", &[("web", "web:1"), ("api", "api:2"), ("migrate", "api:1"), ("db", "db:1")]);
    let next = release("v3", &[("web", "web:1"), ("api", "api:3"), ("migrate", "api:1"), ("db", "db:1")]);
    let mut observed = after_v1();
    observed.containers.retain(|container| container.service != "api");
    let mut api = container("api", "api:2", "d9", ContainerState::Running);
    api.networks.insert("shop_default_d9".into());
    observed.containers.push(api);
    observed.containers.iter_mut().filter(|container| container.service == "db").for_each(|container| {
        container.networks.insert("shop_default_d9".into());
    });
    observed.networks.insert("shop_default_d9".into(), Some("d9".into()));
    let words = words(&plan(&next, Some(&live), &observed, Reuse::LiveOnly));
    let tail = &words[words.len() - 4..];
    assert_eq!(
        tail,
        [
            "stop shop-api-d9-1",
            "disconnect shop-db-d1-1 from shop_default_d9",
            "disconnect shop-api-d9-1 from shop_default_d9",
            "remove network shop_default_d9"
        ]
    );
}
