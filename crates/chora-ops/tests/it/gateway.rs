//! Deployments behind a gateway.

use chora_core::plan::gateway::GATEWAY;
use chora_core::plan::{Action, StepPhase};
use chora_ops::deploy::{DeployRequest, deploy};
use chora_testkit::faults::{Call, Kind};

use crate::world::{World, expected_published};

fn steps(outcome: &chora_ops::deploy::DeployOutcome) -> Vec<String> {
    let hides = |word: String| {
        let id = outcome.deployment.as_ref().unwrap().short();
        word.replace(id, "new")
    };
    outcome.plan.steps.iter().map(|step| hides(step.action.to_string())).collect()
}

#[tokio::test]
async fn the_first_deployment_brings_a_gateway_that_owns_the_ports() {
    let world = World::with_gateway();
    let outcome = world.deploy("1").await.unwrap();
    assert_eq!(world.running(), expected_published("1"));
    let state = world.engine.world();
    let publishing: Vec<_> = state
        .containers
        .values()
        .filter(|container| !container.spec.service.ports.is_empty())
        .map(|container| container.spec.labels["com.docker.compose.service"].clone())
        .collect();
    assert_eq!(publishing, [GATEWAY]);
    let gateway = state.containers.values().find(|container| container.spec.name.contains(GATEWAY)).unwrap();
    assert!(gateway.spec.mounts.iter().all(|mount| !mount.target.contains("docker.sock")));
    assert!(outcome.plan.services.iter().any(|plan| plan.service == GATEWAY && plan.why == "publishes 5432 for db, 8080 for web"));
    assert!(outcome.gaps.is_empty());
    let table = world.gateway.table();
    assert_eq!(table.services.len(), 2);
    assert_eq!(table.lost, Vec::<String>::new());
}

#[tokio::test]
async fn what_can_run_twice_is_switched_and_what_cannot_is_held() {
    let world = World::with_gateway();
    world.deploy("1").await.unwrap();
    let outcome = world.deploy("2").await.unwrap();
    assert_eq!(world.running(), expected_published("2"));
    let gateway = world.gateway.table();
    assert_eq!(gateway.lost, Vec::<String>::new());
    assert!(gateway.held.is_empty());
    let rollouts: Vec<_> = outcome.plan.services.iter().map(|plan| (plan.service.as_str(), plan.rollout.map(|r| r.to_string()))).collect();
    assert!(rollouts.contains(&("web", Some("start-first".into()))) && rollouts.contains(&("db", Some("stop-first".into()))));
    let steps = steps(&outcome);
    let at = |wanted: &str| steps.iter().position(|step| step.starts_with(wanted)).unwrap_or_else(|| panic!("{wanted}: {steps:#?}"));
    let order = [
        "hold requests to db",
        "drain db",
        "stop shop-production-db",
        "start shop-production-db-new",
        "gate shop-production-db-new",
        "route db",
        "let requests to db through",
        "verify db",
        "record",
        "drain web",
        "stop shop-production-web",
    ];
    let places: Vec<usize> = order.iter().map(|step| at(step)).collect();
    assert!(places.is_sorted(), "{places:?} {steps:#?}");
    assert_eq!(outcome.traffic.held.iter().map(|held| (held.service.as_str(), held.requests)).collect::<Vec<_>>(), [("db", 3)]);
}

#[tokio::test]
async fn a_rollback_goes_through_the_gateway_and_nothing_is_lost() {
    let world = World::with_gateway();
    world.deploy("1").await.unwrap();
    world.deploy("2").await.unwrap();
    world.roll_back().await.unwrap();
    assert_eq!(world.running(), expected_published("1"));
    let gateway = world.gateway.table();
    assert_eq!((gateway.lost.clone(), gateway.held.len()), (Vec::new(), 0));
}

#[tokio::test]
async fn a_refused_release_leaves_the_routes_as_they_were() {
    let world = World::with_gateway();
    world.deploy("1").await.unwrap();
    let before = world.gateway.table().services["web:8080"].clone();
    world.deploy("bad").await.unwrap_err();
    assert_eq!(world.running(), expected_published("1"));
    let gateway = world.gateway.table();
    assert_eq!(gateway.services["web:8080"], before);
    assert_eq!((gateway.lost.clone(), gateway.held.len()), (Vec::new(), 0));
}

#[tokio::test]
async fn an_environment_without_a_gateway_gets_one_and_loses_it_again() {
    let world = World::with_gateway();
    let manifest = |gateway: bool| {
        let text = format!("environments: {{production: {{gate_timeout: 1s, gateway: {gateway}}}}}\n");
        std::fs::write(world.project.path().join("chora.yaml"), text).unwrap();
    };
    manifest(false);
    world.deploy("1").await.unwrap();
    let published = || {
        let state = world.engine.world();
        let up = state.containers.values().filter(|container| container.state == chora_core::model::container::ContainerState::Running);
        let up = up.filter(|container| !container.spec.service.ports.is_empty());
        up.map(|container| container.spec.labels["com.docker.compose.service"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(published(), ["db", "web"]);
    manifest(true);
    world.deploy("1").await.unwrap();
    assert_eq!((published(), world.running()), (vec![GATEWAY.to_owned()], expected_published("1")));
    manifest(false);
    world.deploy("1").await.unwrap();
    assert_eq!((published(), world.running()), (vec!["db".to_owned(), "web".to_owned()], expected_published("1")));
    // Back to where there was one.
    world.roll_back().await.unwrap();
    assert_eq!((published(), world.running()), (vec![GATEWAY.to_owned()], expected_published("1")));
}

#[tokio::test]
async fn another_published_port_needs_another_gateway_and_nothing_else() {
    let world = World::with_gateway();
    world.deploy("1").await.unwrap();
    let before = world.running();
    let path = world.project.path().join("compose.yaml");
    let text = std::fs::read_to_string(&path).unwrap().replace("8080:80", "8081:80");
    std::fs::write(&path, text).unwrap();
    let outcome = Box::pin(deploy(&world.context(), &DeployRequest::default())).await.unwrap();
    let changed: Vec<_> = outcome
        .plan
        .services
        .iter()
        .filter(|plan| plan.change != chora_core::plan::Change::Keep)
        .map(|plan| plan.service.as_str())
        .collect();
    assert_eq!((changed, world.running()), (vec![GATEWAY], before));
    assert!(world.gateway.table().services.contains_key("web:8081"));
    assert_eq!(outcome.gaps.iter().map(|gap| gap.service.as_str()).collect::<Vec<_>>(), [GATEWAY]);
}

#[tokio::test]
async fn a_port_that_changes_hands_is_routed_although_every_container_stays() {
    let world = World::with_gateway();
    world.deploy("1").await.unwrap();
    let path = world.project.path().join("compose.yaml");
    let text = std::fs::read_to_string(&path).unwrap();
    let text = text.replace("8080:80", "XX:80").replace("5432:5432", "8080:5432").replace("XX:80", "5432:80");
    std::fs::write(&path, text).unwrap();
    let outcome = Box::pin(deploy(&world.context(), &DeployRequest::default())).await.unwrap();
    assert_eq!(outcome.outcome, Some(chora_core::model::deployment::OutcomeKind::Deployed));
    let table = world.gateway.table();
    assert_eq!(table.services.keys().collect::<Vec<_>>(), ["db:8080", "web:5432"]);
}

#[tokio::test]
async fn nothing_to_do_is_nothing_to_do() {
    let world = World::with_gateway();
    world.deploy("1").await.unwrap();
    let calls = world.gateway.table().calls.len();
    let outcome = world.deploy("1").await.unwrap();
    assert_eq!(outcome.outcome, Some(chora_core::model::deployment::OutcomeKind::Unchanged));
    assert_eq!(world.gateway.table().calls.len(), calls);
}

#[tokio::test]
async fn what_answers_badly_through_the_gateway_gets_no_requests() {
    let world = World::with_gateway();
    world.deploy("1").await.unwrap();
    let before = world.gateway.table().services["web:8080"].clone();
    world.gateway.table().spoils = true;
    let failure = world.deploy("2").await.unwrap_err();
    assert!(failure.message.contains("the candidate, through the gateway: 502"), "{failure:?}");
    assert_eq!(world.running(), expected_published("1"));
    let table = world.gateway.table();
    assert_eq!((&table.services["web:8080"], &table.lost), (&before, &Vec::new()));
}

#[tokio::test]
async fn a_service_may_have_a_drain_time_of_its_own() {
    let world = World::with_gateway();
    let text = "environments: {production: {gate_timeout: 1s, drain: 10s}}\nservices: {web: {drain: 5m}}\n";
    std::fs::write(world.project.path().join("chora.yaml"), text).unwrap();
    world.deploy("1").await.unwrap();
    let outcome = world.deploy("2").await.unwrap();
    let drains = outcome.plan.steps.iter().filter_map(|step| match &step.action {
        Action::Drain { service, limit_seconds, .. } if step.phase == StepPhase::Retire => Some((service.as_str(), *limit_seconds)),
        _ => None,
    });
    assert_eq!(drains.collect::<Vec<_>>(), [("web", 300)]);
    assert_eq!(world.gateway.table().drains, [("web:8080".to_owned(), 300_000)].into());
    assert_eq!(world.deploy("2").await.unwrap().outcome, Some(chora_core::model::deployment::OutcomeKind::Unchanged));
}

#[tokio::test]
async fn another_certificate_is_sent_to_the_gateway_that_runs() {
    let world = World::with_gateway();
    let write = |file: &str, text: &str| std::fs::write(world.project.path().join(file), text).unwrap();
    write(
        "chora.yaml",
        "services: {web: {hosts: [a.example], port: 80}}\n\
         environments: {production: {gate_timeout: 1s, http_port: 8081, tls: {certificates: [{hosts: [a.example], certificate: a.pem, key: \
         a.key}]}}}\n",
    );
    write("a.pem", "certificate one");
    write("a.key", "hunter2-hunter2-one");
    world.deploy("1").await.unwrap();
    let before = world.running();
    let first = world.gateway.table().files.clone();
    assert_eq!((first.len(), world.gateway.table().certificates.len()), (2, 2));
    write("a.pem", "certificate two");
    write("a.key", "hunter2-hunter2-two");
    let begun = world.faults.calls().len();
    let outcome = world.deploy("1").await.unwrap();
    let journals = |(offset, call): (usize, &Call)| (call.name == "store.append_journal").then_some(offset);
    let journaled: Vec<usize> = world.faults.calls()[begun..].iter().enumerate().filter_map(journals).collect();
    assert_eq!((outcome.outcome, world.running()), (Some(chora_core::model::deployment::OutcomeKind::Deployed), before));
    let gateway = outcome.plan.services.iter().find(|plan| plan.service == GATEWAY).unwrap();
    assert!(gateway.change == chora_core::plan::Change::Keep && gateway.why.contains("certificates changed"), "{gateway:?}");
    assert!(outcome.gaps.is_empty() && !serde_json::to_string(&outcome).unwrap().contains("hunter2"));
    let second = world.gateway.table().files.clone();
    assert!(second.len() == 2 && second.is_disjoint(&first), "what is not served any more is forgotten");
    // A refused release leaves the certificates as they were.
    write("a.pem", "certificate three");
    let named = world.gateway.table().certificates.clone();
    world.deploy("bad").await.unwrap_err();
    assert_eq!(world.gateway.table().certificates, named);
    // So does one that fails when the gateway has them already; what it was sent is taken away again.
    let mut failed = 0;
    for (round, offset) in journaled.into_iter().enumerate() {
        let before = world.gateway.table().clone();
        write("a.pem", &format!("certificate of round {round}"));
        world.faults.fail_at(world.faults.calls().len() + offset, Kind::Error);
        let outcome = world.deploy("1").await;
        world.faults.revive();
        let table = world.gateway.table().clone();
        failed += usize::from(outcome.is_err());
        let unchanged = (table.certificates == before.certificates, table.files == before.files);
        assert_eq!(unchanged, (outcome.is_err(), outcome.is_err()), "round {round}: {outcome:?}");
        assert_eq!(table.files.len(), 2, "round {round}");
    }
    assert!(failed > 0, "none of them failed");
    // A rollback keeps those of the live release, and the way back to what it went back to keeps them too.
    world.deploy("2").await.unwrap();
    let named = world.gateway.table().certificates.clone();
    world.roll_back().await.unwrap();
    assert_eq!(world.gateway.table().certificates, named);
    assert_eq!(world.gateway.table().lost, Vec::<String>::new());
}
