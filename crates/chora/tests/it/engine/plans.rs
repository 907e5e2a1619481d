//! Orders and definitions that only a real engine can hold a plan to.

use serde_json::Value;

use super::site::Site;

/// `b` lives in `web`'s network namespace, and `web` has a fixed name; `late` needs a fixed one as well.
const BOUND: &str = r#"
services:
  b:
    image: ${IMAGE}
    command: [sleep, "600000"]
    network_mode: "service:web"
    depends_on: [web]
    stop_grace_period: 1s
  web:
    image: ${IMAGE}
    container_name: "chora-plans-${PORT}"
    environment: { VERSION: "${RELEASE}" }
    ports: ["127.0.0.1:${PORT}:8080"]
    stop_grace_period: 1s
  late:
    image: ${IMAGE}
    environment: { VERSION: "${RELEASE}" }
    depends_on: [web]
    stop_grace_period: 1s
"#;

#[test]
fn what_depends_on_a_swapped_service_comes_after_it() {
    let site = Site::new(BOUND, "environments: { production: { gate_timeout: 20s } }\n");
    for version in ["v1", "v2", "v3"] {
        site.release(version);
        assert_eq!(site.get("/"), (200, version.to_owned()));
        let started = |service: &str| site.running(service)["State"]["StartedAt"].as_str().unwrap().to_owned();
        assert!(started("web") <= started("b") && started("web") <= started("late"));
        let web = site.running("web")["Id"].as_str().unwrap().to_owned();
        assert_eq!(site.running("b")["HostConfig"]["NetworkMode"], Value::from(format!("container:{web}")));
    }
    let ran = site.chora.run(["rollback", "--quiet"]);
    assert_eq!(ran.code, 0, "{ran}");
    site.assert_settled("v2");
}

const NETWORKED: &str = r#"
services:
  web:
    image: ${IMAGE}
    environment: { VERSION: "${RELEASE}" }
    ports: ["127.0.0.1:${PORT}:8080"]
    stop_grace_period: 1s
  worker:
    image: ${IMAGE}
    environment: { VERSION: "${RELEASE}" }
    volumes: ["data:/data:ro"]
    stop_grace_period: 1s
networks:
  default: { labels: { generation: "${GENERATION:-1}" }, driver_opts: { com.docker.network.driver.mtu: "${MTU:-1500}" } }
volumes:
  data: { labels: { generation: "${DATA:-1}" } }
"#;

#[test]
fn a_changed_network_takes_the_release_along_and_a_changed_volume_stops_it() {
    let site = Site::new(NETWORKED, "environments: { production: { gate_timeout: 20s } }\n");
    site.release("v1");
    let own = format!("{}_default", site.project());
    // Staging networks stay as long as their candidates; a deployment's short name is shorter than a definition's hash.
    let networks = |service: &str| {
        let container = site.running(service);
        let names = container["NetworkSettings"]["Networks"].as_object().unwrap().keys().cloned();
        names.filter(|name| *name == own || name.len() == own.len() + 13).collect::<Vec<_>>()
    };
    assert_eq!((networks("web"), networks("worker")), (vec![own.clone()], vec![own.clone()]));
    site.set(&[("RELEASE", "v2"), ("MTU", "1400"), ("GENERATION", "2")]);
    let plan = site.tidy(site.chora.run(["plan", "--version", "v2"]));
    assert!(plan.stdout.contains("the definition of shop-production_default changed"), "{plan}");
    assert_eq!(site.deploy("v2").code, 0);
    let successor = networks("web");
    assert!(successor.len() == 1 && successor[0].starts_with(&format!("{own}_")), "{successor:?}");
    assert!(networks("worker").contains(&successor[0]));
    site.assert_settled("v2");
    site.set(&[("RELEASE", "v3"), ("MTU", "1400"), ("GENERATION", "2"), ("DATA", "2")]);
    let refused = site.deploy("v3");
    assert_eq!(refused.code, 75, "{refused}");
    assert!(refused.stderr.contains("volume `shop-production_data` is on the engine with another definition (labels)"), "{refused}");
    site.assert_settled("v2");
    let ran = site.chora.run(["rollback", "--quiet"]);
    assert_eq!(ran.code, 0, "{ran}");
    assert!(networks("web").contains(&own));
    site.assert_settled("v1");
}
