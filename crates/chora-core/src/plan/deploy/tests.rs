use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use indexmap::IndexMap;
use jiff::Timestamp;

use super::{DeployInput, PlanError, Reuse, plan_deploy};
use crate::compose::{Condition, Dependency, Network, Port, Service, Stack, Volume};
use crate::model::container::ContainerState;
use crate::model::digest::Digest;
use crate::model::environment::{Environment, EnvironmentClass};
use crate::model::ids::{DeploymentId, EnvironmentName, ImageId, ReleaseId};
use crate::model::image::ImagePin;
use crate::model::release::Release;
use crate::plan::definition::DefinitionError;
use crate::plan::observed::{Observed, ObservedContainer, ObservedNetwork, ObservedVolume};
use crate::plan::step::{Action, Plan, StepPhase};

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
pub(super) fn release(id: &str, images: &[(&str, &str)]) -> Release {
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
        bridges: IndexMap::new(),
    }
}

pub(super) fn container(service: &str, image: &str, deployment: &str, state: ContainerState) -> ObservedContainer {
    ObservedContainer {
        name: format!("shop-{service}-{deployment}-1"),
        service: service.into(),
        number: 1,
        image: ImageId::new(image),
        state,
        fingerprint: Some(Digest::of(image.as_bytes())),
        release: Some(deployment.into()),
        deployment: Some(deployment.into()),
        networks: BTreeSet::from(["shop_default".to_owned()]),
        published: BTreeSet::new(),
        succeeded: service == "migrate" && state == ContainerState::Exited,
    }
}

fn plan(release: &Release, live: Option<&Release>, observed: &Observed, reuse: Reuse) -> Plan {
    try_plan(release, live, observed, reuse).unwrap()
}

fn try_plan(release: &Release, live: Option<&Release>, observed: &Observed, reuse: Reuse) -> Result<Plan, PlanError> {
    plan_in(&environment(), release, live, observed, reuse)
}

pub(super) fn environment() -> Environment {
    Environment {
        name: EnvironmentName::new("production"),
        class: EnvironmentClass::Production,
        project: "shop".into(),
        releases_kept: 5,
        gate_timeout: Duration::from_secs(60),
        gap_timeout: None,
        drain: Duration::from_secs(30),
        drains: BTreeMap::new(),
        watch: None,
        watch_rules: crate::model::environment::WatchRules::default(),
    }
}

pub(super) fn plan_in(
    environment: &Environment,
    release: &Release,
    live: Option<&Release>,
    observed: &Observed,
    reuse: Reuse,
) -> Result<Plan, PlanError> {
    let (second, third) = ("000000000000000-d2", "000000000000000-d3");
    let taken = observed.containers.iter().any(|container| container.deployment.as_deref() == Some(second));
    let deployment = DeploymentId::new(if taken { third } else { second });
    let input = DeployInput {
        deployment: &deployment,
        environment,
        release,
        live,
        retained: live.into_iter().chain([release]).collect(),
        observed,
        reuse,
        rollouts: &IndexMap::new(),
        canaries: &IndexMap::new(),
        labels: &IndexMap::from([("where".to_owned(), "here".to_owned())]),
        recreate: false,
    };
    plan_deploy(&input)
}

pub(super) fn words(plan: &Plan) -> Vec<String> {
    plan.steps.iter().map(|step| step.action.to_string().replace("00000-d2", "new")).collect()
}

pub(super) const V1: [(&str, &str); 4] = [("web", "web:1"), ("api", "api:1"), ("migrate", "api:1"), ("db", "db:1")];

pub(super) fn after_v1() -> Observed {
    Observed {
        containers: vec![
            container("api", "api:1", "d1", ContainerState::Running),
            container("db", "db:1", "d1", ContainerState::Running),
            container("migrate", "api:1", "d1", ContainerState::Exited),
            container("web", "web:1", "d1", ContainerState::Running),
        ],
        networks: BTreeMap::from([("shop_default".to_owned(), network())]),
        volumes: BTreeMap::from([("shop_data".to_owned(), ObservedVolume { driver: "local".into(), fingerprint: None })]),
    }
}

fn network() -> ObservedNetwork {
    ObservedNetwork { key: Some("default".into()), ..ObservedNetwork::default() }
}

/// What is there when all steps of a plan have succeeded.
pub(super) fn after(observed: Observed, plan: &Plan) -> Observed {
    plan.steps.iter().fold(observed, |observed, step| observed.after(&step.action))
}

/// The images of `V1` with some replaced.
fn but(changed: &[(&str, &str)]) -> Vec<(&'static str, String)> {
    let image = |service: &str, image: &str| changed.iter().find(|(name, _)| *name == service).map_or(image, |(_, image)| image).to_owned();
    V1.iter().map(|(service, old)| (*service, image(service, old))).collect()
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
    let staging = ObservedNetwork { staging: Some("d9".into()), ..ObservedNetwork::default() };
    observed.networks.insert("shop_default_d9".into(), staging);
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

/// A release of these services, each with the definition and the image that are given.
fn release_of(id: &str, services: &[(&str, Service, &str)]) -> Release {
    let images: Vec<_> = services.iter().map(|(name, _, image)| (*name, *image)).collect();
    let mut release = release(id, &images);
    release.stack.services = services.iter().map(|(name, service, _)| ((*name).to_owned(), service.clone())).collect();
    release
}

/// What is left of a plan after the preparations, in words.
fn from_start(plan: &Plan) -> Vec<String> {
    let first = plan.steps.iter().position(|step| step.phase > StepPhase::Prepare).unwrap();
    words(plan).split_off(first)
}

#[test]
fn a_dependent_starts_only_when_what_it_depends_on_was_swapped_and_started() {
    let db = Service { container_name: Some("db".into()), ..Service::default() };
    let depends_on = IndexMap::from([("db".to_owned(), Dependency { condition: Condition::Started, restart: false, required: true })]);
    let app = Service { depends_on, ..Service::default() };
    let of = |id: &str, image: &str| release_of(id, &[("app", app.clone(), image), ("db", db.clone(), image)]);
    let mut old = container("db", "1", "d1", ContainerState::Running);
    old.name = "db".into();
    let containers = vec![container("app", "1", "d1", ContainerState::Running), old];
    let plan = plan(&of("v2", "2"), Some(&of("v1", "1")), &Observed { containers, ..after_v1() }, Reuse::LiveOnly);
    assert_eq!(
        from_start(&plan),
        [
            "stop db",
            "rename db to db-retired-new",
            "create db",
            "start db",
            "start shop-app-new-1",
            "gate db",
            "gate shop-app-new-1",
            "record release v2 as live",
            "stop shop-app-d1-1",
        ]
    );
}

#[test]
fn a_one_shot_runs_after_the_start_of_what_it_depends_on() {
    let on = |name: &str, condition| Service {
        depends_on: IndexMap::from([(name.to_owned(), Dependency { condition, restart: false, required: true })]),
        ..Service::default()
    };
    let services = [
        ("app", on("migrate", Condition::CompletedSuccessfully), "1"),
        ("migrate", on("db", Condition::Started), "1"),
        ("db", Service::default(), "1"),
    ];
    let plan = plan(&release_of("v1", &services), None, &Observed::default(), Reuse::LiveOnly);
    let starts: Vec<_> = words(&plan).into_iter().filter(|word| word.starts_with("start") || word.starts_with("run")).collect();
    assert_eq!(starts, ["start shop-db-new-1", "run shop-migrate-new-1 to completion", "start shop-app-new-1"]);
}

#[test]
fn what_lives_in_a_swapped_services_namespace_is_created_after_it() {
    let web = Service { container_name: Some("web".into()), ..Service::default() };
    let depends_on = IndexMap::from([("web".to_owned(), Dependency::default())]);
    let b = Service { network_mode: Some("service:web".into()), depends_on, ..Service::default() };
    let of = |id: &str, image: &str| release_of(id, &[("b", b.clone(), "b"), ("web", web.clone(), image)]);
    let mut old = container("web", "1", "d1", ContainerState::Running);
    old.name = "web".into();
    let observed = Observed { containers: vec![container("b", "b", "d1", ContainerState::Running), old], ..after_v1() };
    let deployed = plan(&of("v2", "2"), Some(&of("v1", "1")), &observed, Reuse::LiveOnly);
    assert_eq!(
        words(&deployed),
        [
            "stop web",
            "rename web to web-retired-new",
            "create web",
            "start web",
            "stop shop-b-d1-1",
            "create shop-b-new-1",
            "start shop-b-new-1",
            "gate web",
            "gate shop-b-new-1",
            "record release v2 as live",
        ]
    );
    let peer = deployed.steps.iter().find_map(|step| match &step.action {
        Action::CreateContainer { instance } if instance.service == "b" => instance.peers.get("web").cloned(),
        _ => None,
    });
    assert_eq!(peer.as_deref(), Some("web"));
    let placed = |step: &crate::plan::step::Step| match &step.action {
        Action::CreateContainer { instance } => instance.labels.get("where").map(String::as_str) == Some("here"),
        _ => true,
    };
    assert!(deployed.steps.iter().all(placed), "every container says where its project is");
    let back = plan(&of("v1", "1"), Some(&of("v2", "2")), &after(observed, &deployed), Reuse::Retained);
    let words = words(&back);
    let place = |word: &str| words.iter().position(|other| other == word).unwrap_or_else(|| panic!("{word} in {words:?}"));
    assert!(place("rename web-retired-new to web") < place("start web"));
    assert!(place("start web") < place("create shop-b-00000-d3-1"));
}

/// The release after `V1` with another definition of its network.
fn with_network(id: &str, images: &[(&'static str, String)], network: Network) -> Release {
    let images: Vec<_> = images.iter().map(|(service, image)| (*service, image.as_str())).collect();
    let mut release = release(id, &images);
    release.stack.networks.insert("default".to_owned(), Network { name: "shop_default".into(), ..network });
    release
}

#[test]
fn a_changed_network_gets_a_successor_and_the_old_one_stays_for_rollback() {
    let live = with_network("v1", &but(&[]), Network::default());
    // The network is part of every fingerprint: all services are replaced.
    let all = but(&[("web", "web:1i"), ("api", "api:1i"), ("migrate", "api:1i"), ("db", "db:1i")]);
    let next = with_network("v2", &all, Network { internal: true, ..Network::default() });
    let first = plan(&live, None, &Observed::default(), Reuse::LiveOnly);
    let observed = after(Observed::default(), &first);
    let second = plan(&next, Some(&live), &observed, Reuse::LiveOnly);
    let created: Vec<_> = second.steps.iter().filter(|step| matches!(step.action, Action::CreateNetwork { .. })).collect();
    let Action::CreateNetwork { spec } = &created[0].action else { panic!("{created:?}") };
    assert!(spec.name.starts_with("shop_default_") && spec.network.internal, "{spec:?}");
    assert!(created[0].why.contains("the definition of shop_default changed"), "{}", created[0].why);
    assert_eq!(created[0].undo.as_ref().unwrap().to_string(), format!("remove network {}", spec.name));
    for step in &second.steps {
        if let Action::CreateContainer { instance } = &step.action {
            assert_eq!(instance.attachments[0].network, spec.name, "{}", instance.name);
        }
    }
    let observed = after(observed, &second);
    assert!(observed.networks.contains_key("shop_default"), "the old release can come back");
    assert_eq!(words(&plan(&next, Some(&next), &observed, Reuse::LiveOnly)), Vec::<String>::new(), "the successor is known again");
    let back = plan(&live, Some(&next), &observed, Reuse::Retained);
    assert!(back.steps.iter().all(|step| !matches!(step.action, Action::CreateContainer { .. })), "{:?}", words(&back));
}

#[test]
fn a_swapped_service_is_found_in_the_old_network_until_what_looks_there_is_retired() {
    let live = with_network("v1", &but(&[]), Network::default());
    let all = but(&[("web", "web:1i"), ("api", "api:1i"), ("migrate", "api:1i"), ("db", "db:1i")]);
    let next = with_network("v2", &all, Network { internal: true, ..Network::default() });
    let observed = after(Observed::default(), &plan(&live, None, &Observed::default(), Reuse::LiveOnly));
    let words = words(&plan(&next, Some(&live), &observed, Reuse::LiveOnly));
    let place = |word: &str| words.iter().position(|other| other == word).unwrap_or_else(|| panic!("{word} in {words:#?}"));
    assert!(place("stop shop-api-new-1") < place("disconnect shop-web-00000-d3-1 from shop_default"));
}

#[test]
fn a_network_that_cannot_have_a_successor_is_refused() {
    let pool = |subnet: &str| crate::compose::Ipam {
        config: vec![crate::compose::IpamPool { subnet: Some(subnet.into()), ..Default::default() }],
        ..Default::default()
    };
    let fixed = |internal, subnet: &str| Network { internal, ipam: pool(subnet), ..Network::default() };
    let live = with_network("v1", &but(&[]), fixed(false, "10.9.0.0/24"));
    let observed = after(Observed::default(), &plan(&live, None, &Observed::default(), Reuse::LiveOnly));
    let to = |network: Network| try_plan(&with_network("v2", &but(&[]), network), Some(&live), &observed, Reuse::LiveOnly);
    let refused = to(fixed(true, "10.9.0.128/25")).unwrap_err();
    assert_eq!(
        refused,
        PlanError::Definition(DefinitionError::NetworkAddresses { name: "shop_default".into(), subnet: "10.9.0.128/25".into() })
    );
    assert!(to(fixed(true, "10.10.0.0/24")).is_ok());
}

#[test]
fn a_changed_volume_is_refused() {
    let live = release("v1", &V1);
    let observed = after(Observed::default(), &plan(&live, None, &Observed::default(), Reuse::LiveOnly));
    let to = |volume: Volume, observed: &Observed| {
        let mut next = release("v2", &V1);
        next.stack.volumes.insert("data".to_owned(), Volume { name: "shop_data".into(), ..volume });
        try_plan(&next, Some(&live), observed, Reuse::LiveOnly)
    };
    let differs = |result: Result<Plan, PlanError>| match result {
        Err(PlanError::Definition(DefinitionError::Volume { differs, .. })) => differs,
        other => panic!("{other:?}"),
    };
    let opts = Volume { driver_opts: IndexMap::from([("type".to_owned(), "nfs".to_owned())]), ..Volume::default() };
    assert!(to(Volume::default(), &observed).is_ok());
    assert_eq!(differs(to(opts.clone(), &observed)), "driver_opts");
    assert_eq!(differs(to(opts, &after_v1())), "driver_opts", "also when Chora did not make it");
    let other = Volume { driver: Some("nfs".into()), ..Volume::default() };
    assert_eq!(differs(to(other, &after_v1())), "driver local there, nfs in the file");
}
