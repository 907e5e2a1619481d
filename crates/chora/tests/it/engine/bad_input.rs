//! Bad images, bad builds, bad services: each refused with what is wrong, the state of the world, and what to do.

use std::io::{Read, Write};
use std::net::TcpListener;

use super::daemon::Daemon;
use super::site::Site;
use crate::support::{Chora, Ran, Tmpfs};
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
    assert!(ran.stderr.contains("absent"), "{ran}");
    // Builders differ in what they print; it stands between the two.
    let told = ran.stderr.lines().filter(|line| !line.starts_with("  ")).collect::<Vec<_>>().join("\n");
    assert_snapshot!(without_reason(Ran { stderr: told, ..ran }, "`web` failed: "), @r"
    exit 64
    --- stderr
    error: build of `web` failed: [reason]
    state: nothing was changed
    next: mend the build, try it with `chora build`
    ");
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
    error: deploy of v1 refused: `web` failed level 1 (container): engine state: exited with exit code 0; a server keeps running, and nothing waits for it as a job: let a service depend on it with `condition: service_completed_successfully`, or give it a profile
      done
    state: nothing serves in production: there was no release before
    next: mend the cause, then `chora deploy` again; `chora plan` shows what it would do
    ");
}

#[test]
fn a_container_that_exits_with_1() {
    assert_snapshot!(refused("{ image: \"${IMAGE}\", environment: { EXIT_AFTER_MS: \"1\", EXIT_CODE: \"1\", PORT: none, STDERR_LINES: \"2\" } }"), @r"
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
    // The engine may have come to its own verdict meanwhile.
    assert_snapshot!(ran.replace("engine says starting", "engine says unhealthy"), @r"
    exit 12
    --- stderr
    error: deploy of v1 refused: `web` failed level 1 (container): HEALTHCHECK /chora-test-server fail 1: exit code 1: no output, engine says unhealthy (out of time: the gate had 3s for it)
    state: nothing serves in production: there was no release before
    next: mend the cause, then `chora deploy` again; `chora plan` shows what it would do
    ");
}

/// Containers' addresses on their network differ from run to run.
fn without_address(ran: Ran) -> Ran {
    let mut pieces = ran.stderr.split("http://");
    let first = pieces.next().unwrap_or_default().to_owned();
    let told =
        pieces.fold(first, |told, piece| told + "[address]" + piece.find(char::is_whitespace).map_or("", |end| piece.split_at(end).1));
    Ran { stderr: told, ..ran }
}

/// Replaces what stands between two texts.
fn without_words(ran: Ran, before: &str, after: &str) -> Ran {
    let replaced = ran.stderr.split_once(before).and_then(|(head, tail)| {
        let (_, tail) = tail.split_once(after)?;
        Some(format!("{head}{before}[some]{after}{tail}"))
    });
    Ran { stderr: replaced.unwrap_or(ran.stderr), ..ran }
}

/// Deploys the test server and asks it as an MCP server.
fn refused_as_mcp(path: &str) -> Ran {
    let checks = format!("services: {{ web: {{ health: {{ function: {{ mcp: {{ port: 8080, path: {path} }} }} }} }} }}\n");
    Site::new("services: { web: { image: \"${IMAGE}\" } }\n", &format!("{SOON}{checks}")).deploy("v1")
}

#[test]
fn an_mcp_server_that_hangs_in_initialize() {
    let ran = refused_as_mcp("/hang");
    // What is left of the time budget is asked with.
    assert_snapshot!(without_address(without_words(ran, "within ", " (out")), @r"
    exit 12
    --- stderr
    error: deploy of v1 refused: `web` failed level 5 (function): mcp [address] initialize did not answer within [some] (out of time: the gate had 3s for it)
    state: nothing serves in production: there was no release before
    next: mend the cause, then `chora deploy` again; `chora plan` shows what it would do
    ");
}

#[test]
fn an_mcp_server_that_lists_no_tools() {
    assert_snapshot!(without_address(refused_as_mcp("/mcp/bare")), @r"
    exit 12
    --- stderr
    error: deploy of v1 refused: `web` failed level 5 (function): mcp [address] `idle` lists no tools (out of time: the gate had 3s for it)
    state: nothing serves in production: there was no release before
    next: mend the cause, then `chora deploy` again; `chora plan` shows what it would do
    ");
}

#[test]
fn a_server_that_does_not_speak_mcp() {
    assert_snapshot!(without_address(refused_as_mcp("/")), @r"
    exit 12
    --- stderr
    error: deploy of v1 refused: `web` failed level 5 (function): mcp [address] initialize answered no JSON-RPC: ok (out of time: the gate had 3s for it)
    state: nothing serves in production: there was no release before
    next: mend the cause, then `chora deploy` again; `chora plan` shows what it would do
    ");
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
    assert_snapshot!(without_address(ran), @r"
    exit 10
    --- stderr
    error: deploy of v2 refused: `mcp` failed level 5 (function): mcp [address] contract broken: tool `history` removed
      serving MCP on [address] health on [address]
    state: v1 kept serving in production throughout
    next: mend the cause, then `chora deploy` again; `chora plan` shows what it would do
    ");
}

#[test]
fn a_read_only_file_system() {
    let disk = Tmpfs::mount("4m");
    let site = Site::on(Daemon::given(), Chora::on_disk(&disk), "services: { web: { image: \"${IMAGE}\" } }\n", SOON);
    site.release("v1");
    disk.set_read_only(true);
    let ran = site.deploy("v2");
    disk.set_read_only(false);
    // Whether the folder or a file in it is met first depends on what the command before left of its journal.
    let ran = ran.replace("/.chora/storage.db", "/.chora: Read-only file system (os error 30)");
    assert_snapshot!(ran, @r"
    exit 77
    --- stderr
    error: the store cannot be written: [project]/.chora: Read-only file system (os error 30)
    state: nothing was changed
    next: make the project's .chora directory writable
    ");
}

#[test]
fn a_project_of_somebody_else() {
    // Root may write everywhere, so the program is run as somebody else.
    let site = Site::on(Daemon::given(), Chora::new(), "services: { web: { image: \"${IMAGE}\" } }\n", SOON);
    assert_snapshot!(site.tidy(site.chora.run_as_nobody(["deploy"])), @r"
    exit 77
    --- stderr
    error: the store cannot be written: [project]/.chora: Permission denied (os error 13)
    state: nothing was changed
    next: make the project's .chora directory writable
    ");
}
