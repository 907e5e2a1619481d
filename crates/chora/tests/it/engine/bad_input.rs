//! Bad images, bad builds, bad services: each refused with what is wrong, the state of the world, and what to do.

use std::io::{Read, Write};
use std::net::TcpListener;

use super::site::Site;
use crate::support::Ran;
use insta::assert_snapshot;

const SOON: &str = "environments: { production: { gate_timeout: 3s } }\n";

/// Deploys one service; the text is what a Compose file says of it.
fn refused(service: &str) -> Ran {
    Site::new(&format!("services:\n  web: {service}\n"), SOON).deploy("v1")
}

/// What engines say about networks differs; what Chora says about it does not.
fn without_reason(ran: Ran, before: &str) -> Ran {
    let lines =
        ran.stderr.lines().map(|line| line.split_once(before).map_or(line.to_owned(), |(known, _)| format!("{known}{before}[reason]")));
    Ran { stderr: lines.collect::<Vec<_>>().join("\n"), ..ran }
}

#[test]
fn a_registry_that_cannot_be_reached() {
    let port = { TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port() };
    let ran = refused(&format!("{{ image: \"127.0.0.1:{port}/none:1\" }}")).replace(&port.to_string(), "[closed]");
    assert_snapshot!(without_reason(ran, "cannot be reached: "), @r"
    exit 69
    --- stderr
    error: registry of `127.0.0.1:[closed]/none:1` cannot be reached: [reason]
    state: nothing was changed
    next: run the command again when the registry answers
    ");
}

#[test]
fn an_image_that_does_not_exist() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || listener.incoming().flatten().for_each(|stream| drop(knows_nothing(stream))));
    let ran = refused(&format!("{{ image: \"127.0.0.1:{port}/none:1\" }}")).replace(&port.to_string(), "[registry]");
    assert_snapshot!(without_reason(ran, "cannot be pulled: "), @r"
    exit 66
    --- stderr
    error: image `127.0.0.1:[registry]/none:1` cannot be pulled: [reason]
    state: nothing was changed
    next: check the image's name and the login to its registry
    ");
}

/// A registry without images.
fn knows_nothing(mut stream: std::net::TcpStream) -> std::io::Result<()> {
    let mut request = [0; 4096];
    let length = stream.read(&mut request)?;
    let ping = request[..length].split(|byte| *byte == b' ').nth(1) == Some(b"/v2/");
    let body = if ping { "{}" } else { r#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}"# };
    let status = if ping { "200 OK" } else { "404 Not Found" };
    let head = format!("HTTP/1.1 {status}\r\nContent-Type: application/json\r\nDocker-Distribution-Api-Version: registry/2.0\r\n");
    write!(stream, "{head}Content-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
}

#[test]
fn a_build_that_fails() {
    let site = Site::new("services: { web: { build: . } }\n", SOON);
    site.chora.write("Dockerfile", "FROM scratch\nCOPY absent /x\n");
    let ran = site.deploy("v1");
    assert_eq!(ran.code, 64, "{ran}");
    assert!(ran.stderr.starts_with("error: build of `web` failed: "), "{ran}");
    assert!(ran.stderr.contains("absent"), "{ran}");
    assert!(ran.stderr.ends_with("state: nothing was changed\nnext: mend the build, try it with `chora build`\n"), "{ran}");
}

#[test]
fn a_port_that_is_taken() {
    let site = Site::new("services: { web: { image: \"${IMAGE}\", ports: [\"127.0.0.1:${PORT}:8080\"] } }\n", SOON);
    let _holder = TcpListener::bind(("127.0.0.1", site.port)).unwrap();
    assert_snapshot!(site.deploy("v1"), @r"
    exit 75
    --- stderr
    error: port [port] of `web` is held by another process of this machine
    state: nothing was changed
    next: stop what holds it, or publish another port
    ");
}

#[test]
fn a_container_that_exits_with_0() {
    assert_snapshot!(refused("{ image: \"${IMAGE}\", command: [echo, done] }"), @r"
    exit 12
    --- stderr
    error: deploy of v1 refused: `web` failed level 1 (container): engine state: exited with exit code 0
      done
    state: nothing serves in production: there was no release before
    next: mend the cause, then `chora deploy` again; `chora plan` shows what it would do
    ");
}

#[test]
fn a_container_that_exits_with_1() {
    assert_snapshot!(refused("{ image: \"${IMAGE}\", environment: { EXIT_AFTER_MS: \"1\", EXIT_CODE: \"1\", STDERR_LINES: \"2\" } }"), @r"
    exit 12
    --- stderr
    error: deploy of v1 refused: `web` failed level 1 (container): engine state: exited with exit code 1
      err 0
      err 1
    state: nothing serves in production: there was no release before
    next: mend the cause, then `chora deploy` again; `chora plan` shows what it would do
    ");
}

#[test]
fn a_container_that_is_killed_for_memory() {
    assert_snapshot!(refused("{ image: \"${IMAGE}\", mem_limit: 16m, environment: { EAT_MEMORY: \"1\" } }"), @r"
    exit 12
    --- stderr
    error: deploy of v1 refused: `web` failed level 1 (container): engine state: exited with exit code 137, killed for memory
    state: nothing serves in production: there was no release before
    next: mend the cause, then `chora deploy` again; `chora plan` shows what it would do
    ");
}

#[test]
fn a_health_check_that_never_passes() {
    let check = "{ test: [CMD, /chora-test-server, fail, \"1\"], interval: 200ms, retries: 1 }";
    let ran = refused(&format!("{{ image: \"${{IMAGE}}\", healthcheck: {check} }}"));
    assert_eq!(ran.code, 12, "{ran}");
    assert!(ran.stderr.contains("`web` failed level 1 (container)"), "{ran}");
}

/// Deploys the test server and asks it as an MCP server.
fn refused_as_mcp(path: &str) -> Ran {
    let checks = format!("services: {{ web: {{ health: {{ function: {{ mcp: {{ port: 8080, path: {path} }} }} }} }} }}\n");
    Site::new("services: { web: { image: \"${IMAGE}\" } }\n", &format!("{SOON}{checks}")).deploy("v1")
}

#[test]
fn an_mcp_server_that_hangs_in_initialize() {
    let ran = refused_as_mcp("/hang");
    assert_eq!(ran.code, 12, "{ran}");
    assert!(ran.stderr.starts_with("error: deploy of v1 refused: `web` failed level 5 (function): mcp http://"), "{ran}");
    assert!(ran.stderr.contains("(out of time: the gate had "), "{ran}");
}

#[test]
fn a_server_that_does_not_speak_mcp() {
    let ran = refused_as_mcp("/");
    assert_eq!(ran.code, 12, "{ran}");
    assert!(ran.stderr.starts_with("error: deploy of v1 refused: `web` failed level 5 (function): mcp http://"), "{ran}");
}

/// Chora's own server, in an image that is built for the test.
const OWN_SERVER: &str = r#"
services:
  mcp:
    build: .
    command: [serve, --listen=0.0.0.0:8000, --insecure-no-token, --allow-host=*, "--tools=${TOOLS}"]
    ports: ["127.0.0.1:${PORT}:8000"]
"#;

#[test]
fn an_mcp_server_that_breaks_its_contract() {
    let checks = "services: { mcp: { health: { function: { mcp: { port: 8000 } } } } }\n";
    let site = Site::new(OWN_SERVER, &format!("{SOON}{checks}"));
    site.chora.write("chora", std::fs::read(env!("CARGO_BIN_EXE_chora")).unwrap());
    site.chora.write("Dockerfile", "FROM scratch\nCOPY --chmod=755 chora /chora\nENTRYPOINT [\"/chora\"]\n");
    site.set(&[("TOOLS", "status,history,health")]);
    let ran = site.deploy("v1");
    assert_eq!(ran.code, 0, "{ran}");
    let ran = site.chora.run(["contract", "record", "mcp"]);
    assert_eq!(ran.code, 0, "{ran}");
    site.set(&[("TOOLS", "status,health")]);
    let ran = site.deploy("v2");
    assert_eq!(ran.code, 11, "{ran}");
    assert!(ran.stderr.contains("failed level 5 (function)") && ran.stderr.contains("history"), "{ran}");
    assert!(ran.stderr.contains("v1 serves again in production and is healthy"), "{ran}");
}
