//! Patterns of several languages, each built, deployed, asked on five levels and used.

use serde_json::{Value, json};

use super::{Site, assert_fit, assert_five_levels, assert_store, make_images, passed, project, project_of};
use crate::mcp::sdk::drive_at;
use crate::share;

/// What makes a project one of Python that is built without a network.
const PYTHON: &str = "build_image=chora-test/python:1";
const STORES: [&str; 4] =
    ["database=web", "migrate=python -m web.migrate", "postgres_image=chora-test/postgres-vector:1", "redis_image=chora-test/redis:1"];

fn visit(site: &Site) -> Value {
    let (status, body) = site.get("/");
    assert_eq!(status, 200, "{body}");
    serde_json::from_str(&body).unwrap()
}

/// Deploys it twice; what was built is not built again, and what did not change is left alone.
fn deploy(site: &Site, services: &[&str]) {
    for version in ["v1", "v2"] {
        let deployed = site.deploy(version);
        assert_eq!(deployed.code, 0, "{deployed}");
        assert_five_levels(site, services);
    }
    assert_fit(site, services[0], &[]);
}

#[test]
fn minimal_with_node() {
    if !share::is_of_the_newest() {
        return;
    }
    make_images(&["node"]);
    let site = project("web-node", "minimal", &["build_image=chora-test/node:1"]);
    deploy(&site, &["app"]);
    assert_eq!((visit(&site), visit(&site)), (json!({ "visits": 1 }), json!({ "visits": 2 })));
}

/// A package of Python, which is found out, installed and started by its script.
fn package(manager: &str, images: &[&str]) {
    if !share::is_of_the_newest() {
        return;
    }
    make_images(&[&["python"], images].concat());
    let site = project_of(&["package", &format!("package-{manager}")], "minimal", &[PYTHON, "uv_image=chora-test/uv:1"][..=images.len()]);
    let answers = site.chora.read(".chora/answers.yaml");
    assert!(answers.contains(&format!(r#""package_manager": "{manager}""#)) && answers.contains(r#""command": ["desk"]"#), "{answers}");
    deploy(&site, &["app"]);
    assert_eq!((visit(&site), visit(&site)), (json!({ "visits": 1 }), json!({ "visits": 2 })));
}

#[test]
fn minimal_with_python_and_uv() {
    package("uv", &["uv"]);
}

#[test]
fn minimal_with_python_and_poetry() {
    package("poetry", &[]);
}

#[test]
fn minimal_with_python_and_no_list_of_requirements() {
    package("pip", &[]);
}

#[test]
fn minimal_with_rust() {
    if !share::is_of_the_newest() {
        return;
    }
    make_images(&["rust"]);
    let site = project("web-rust", "minimal", &["build_image=chora-test/rust:1", "base_image=chora-test/debian:12"]);
    deploy(&site, &["app"]);
    assert_eq!((visit(&site), visit(&site)), (json!({ "visits": 1 }), json!({ "visits": 2 })));
}

#[test]
fn hot_reload_with_node() {
    if !share::is_of_the_newest() {
        return;
    }
    make_images(&["node"]);
    let site = project("web-node", "hot-reload", &["build_image=chora-test/node:1"]);
    deploy(&site, &["app"]);
    assert_eq!(visit(&site), json!({ "visits": 1 }));
}

#[test]
fn feature_branch_with_go() {
    if !share::is_of_the_newest() {
        return;
    }
    make_images(&["go"]);
    let site = project("web-go", "feature-branch", &["build_image=chora-test/go:1", "base_image=chora-test/debian:12"]);
    deploy(&site, &["app"]);
    assert_eq!(visit(&site), json!({ "visits": 1 }));
}

#[test]
fn minimal_with_go_and_a_workflow() {
    if !share::is_of_the_newest() {
        return;
    }
    make_images(&["go"]);
    let site = project("web-go", "minimal", &["build_image=chora-test/go:1", "base_image=chora-test/debian:12", "ci=github"]);
    deploy(&site, &["app"]);
    assert_eq!(visit(&site), json!({ "visits": 1 }));
}

/// What a visitor leaves in the stores outlives the release.
fn keeps_its_visitors(pattern: &str, more: &[&str]) {
    if !share::is_of_the_newest() {
        return;
    }
    make_images(&["python", "postgres", "redis"]);
    let answers: Vec<&str> = STORES.iter().chain(&[PYTHON, "command=python -m web"]).chain(more).copied().collect();
    let site = project("web-python", pattern, &answers);
    deploy(&site, &["app", "postgres"]);
    assert_store(&site, "redis");
    assert_eq!(visit(&site), json!({ "kept": 1, "counted": 1 }));
    let stores = ["postgres", "redis"].map(|service| site.running(service)["Id"].clone());
    let deployed = site.deploy("v3");
    assert_eq!(deployed.code, 0, "{deployed}");
    assert_eq!(visit(&site), json!({ "kept": 2, "counted": 2 }));
    assert_eq!(["postgres", "redis"].map(|service| site.running(service)["Id"].clone()), stores);
}

#[test]
fn full_stack_with_python_postgresql_and_redis() {
    keeps_its_visitors("full-stack", &[]);
}

#[test]
fn project_scoped_with_python_postgresql_and_redis() {
    keeps_its_visitors("project-scoped", &["block=20100"]);
}

/// Nobody asks it anything: it is well as long as it stays up.
#[test]
fn a_worker_with_python() {
    if !share::is_of_the_newest() {
        return;
    }
    make_images(&["python"]);
    let site = project("worker-python", "worker", &[PYTHON]);
    let deployed = site.deploy("v1");
    assert_eq!(deployed.code, 0, "{deployed}");
    assert_eq!(passed(&site.json(&["health"]), "app"), ["configuration", "container", "process"].map(str::to_owned).into());
    assert_fit(&site, "app", &[]);
}

/// A project that joins later gets a database of its own, whose password is its own, too.
#[test]
fn shared_services_with_postgresql_and_redis() {
    if !share::is_of_the_newest() {
        return;
    }
    make_images(&["postgres", "redis"]);
    let site = Site::new("services: {}\n", "");
    for name in ["postgres", "shop", "crm"] {
        site.chora.write(&format!("secrets/{name}_password.txt"), format!("correct-horse-of-{name}"));
    }
    let (name, network) = (format!("name={}", site.name), format!("network={}-shared", site.name));
    let images = ["postgres_image=chora-test/postgres-vector:1", "redis_image=chora-test/redis:1"];
    let answers = [name.as_str(), &network, "databases=shop"].into_iter().chain(images).flat_map(|answer| ["--set", answer]);
    let written = site.chora.run(["init", "--replace", "--pattern", "shared-services"].into_iter().chain(answers));
    assert_eq!(written.code, 0, "{written}");
    let run = |arguments: &[&str]| {
        let ran = site.chora.run(arguments);
        assert_eq!(ran.code, 0, "{ran}");
        ran.stdout
    };
    run(&["deploy", "--quiet", "--version", "v1"]);
    assert_five_levels(&site, &["postgres"]);
    assert_store(&site, "redis");
    run(&["upgrade", "--dirty", "--set", "databases=shop crm"]);
    run(&["deploy", "--quiet", "--version", "v2"]);
    run(&["exec", "postgres", "sh", "/docker-entrypoint-initdb.d/10-databases.sh"]);
    for own in ["shop", "crm"] {
        let address = format!("host=127.0.0.1 dbname={own} user={own} password=correct-horse-of-{own}");
        let told = run(&["exec", "postgres", "psql", &address, "--tuples-only", "--command", "select current_database()"]);
        assert_eq!(told.trim(), own);
    }
}

/// A server of a third party's library, over streamable HTTP.
#[test]
fn mcp_server_with_fastmcp() {
    if !share::is_of_the_newest() {
        return;
    }
    make_images(&["python"]);
    let site = project("mcp-python", "mcp-server", &[PYTHON, "transport=http", "command=python -m notes"]);
    deploy(&site, &["app"]);
    let steps = json!([{ "do": "call", "tool": "remember", "arguments": { "text": "hello" } }]);
    let seen = drive_at(&format!("http://127.0.0.1:{}/mcp", site.port), &["--mode", "legacy"], &steps);
    assert_eq!(seen["results"][0]["structured"], json!({ "result": 1 }), "{seen:#}");
}
