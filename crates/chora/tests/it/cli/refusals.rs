//! Bad input: each is refused with what is wrong, what was changed, and what to do.

use std::os::unix::fs::PermissionsExt;

use crate::support::{Chora, Ran};
use insta::assert_snapshot;

const SHOP: &str = "name: shop\nservices:\n  web:\n    image: nginx:1\n";

fn refused(compose: &str) -> Ran {
    Chora::new().file("compose.yaml", compose).run(["deploy"])
}

#[test]
fn no_compose_file() {
    let empty = Chora::new();
    assert_snapshot!(empty.run(["deploy"]), @r#"
    exit 66
    --- stderr
    error: no Compose file in [project]
    state: nothing was changed
    next: go to the project's directory, or name it with --project; `compose.yaml` is the usual name
    "#);
    assert!(!empty.path().join(".chora").exists(), "a directory without a project was written to");
}

#[test]
fn no_compose_file_in_json() {
    assert_snapshot!(Chora::new().run(["deploy", "--json"]), @r#"
    exit 66
    --- stdout
    {
      "ok": false,
      "kind": "not_found",
      "message": "no Compose file in [project]",
      "state": "nothing was changed",
      "hint": "go to the project's directory, or name it with --project; `compose.yaml` is the usual name",
      "details": []
    }
    "#);
}

#[test]
fn a_name_that_the_gateway_cannot_resolve() {
    let name = "a".repeat(64);
    let service = format!("services:\n  web:\n    image: nginx\n    container_name: {name}\n");
    let project = |compose: &str| Chora::new().env("DOCKER_HOST", "unix:///nowhere.sock").file("compose.yaml", compose);
    let refused = project(&format!("{service}    ports: [\"80:80\"]\n")).run(["plan"]);
    assert_eq!(refused.code, 64, "{refused}");
    for words in ["more than 63 characters", "`services.web.container_name` is `aaa", "nothing was changed", "leave it out"] {
        assert!(refused.stderr.contains(words), "{refused}");
    }
    // Nobody looks it up: what is refused is the engine.
    assert_eq!(project(&service).run(["plan"]).code, 69);
}

#[test]
fn broken_yaml() {
    assert_snapshot!(refused("services:\n  web:\n    image: [nginx\n"), @r#"
    exit 64
    --- stderr
    error: the project has a problem
      error: broken YAML: unclosed bracket '['
       --> compose.yaml:3:12
        |
      3 |     image: [nginx
        |            ^
    state: nothing was changed
    next: mend the files, then see `chora config`
    "#);
}

#[test]
fn unknown_key() {
    assert_snapshot!(refused("services:\n  web:\n    imgae: nginx\n"), @r#"
    exit 64
    --- stderr
    error: the project has a problem
      error: unknown key `imgae` in `services.web`
       --> compose.yaml:3:5
        |
      3 |     imgae: nginx
        |     ^^^^^
        |
        = help: did you mean `image`?
    state: nothing was changed
    next: mend the files, then see `chora config`
    "#);
}

#[test]
fn missing_variable() {
    assert_snapshot!(refused("services:\n  web:\n    image: nginx:${TAG:?which one}\n"), @r#"
    exit 64
    --- stderr
    error: the project has a problem
      error: variable `TAG` is required: which one
       --> compose.yaml:3:18
        |
      3 |     image: nginx:${TAG:?which one}
        |                  ^^^^^
        |
        = help: set `TAG` in the environment or in an env file
    state: nothing was changed
    next: mend the files, then see `chora config`
    "#);
}

#[test]
fn every_problem_of_a_file_at_once() {
    let ran = refused("services:\n  web:\n    imgae: nginx\n    ports: [\"99999:80\"]\n");
    assert_eq!(ran.code, 64, "{ran}");
    assert!(ran.stderr.contains("imgae") && ran.stderr.contains("99999"), "{ran}");
}

#[test]
fn broken_manifest() {
    let ran = Chora::new().file("compose.yaml", SHOP).file("chora.yaml", "enviroments: {}\n").run(["status"]);
    assert_snapshot!(ran, @r#"
    exit 64
    --- stderr
    error: chora.yaml has problems
      error: unknown key `enviroments`
       --> chora.yaml:1:1
        |
      1 | enviroments: {}
        | ^^^^^^^^^^^
        |
        = help: did you mean `environments`?
    state: nothing was changed
    next: mend the file; `chora schema` describes it
    "#);
}

#[test]
fn unknown_environment() {
    let ran =
        Chora::new().file("compose.yaml", SHOP).file("chora.yaml", "environments:\n  staging: {}\n").run(["status", "--env", "stagin"]);
    assert_snapshot!(ran, @r#"
    exit 66
    --- stderr
    error: no environment `stagin` in chora.yaml
    state: nothing was changed
    next: its environments are staging
    "#);
}

#[test]
fn engine_not_running() {
    assert_snapshot!(refused(SHOP), @r#"
    exit 69
    --- stderr
    error: no container engine answers at unix:///nonexistent/docker.sock: No such file or directory (os error 2)
    state: nothing was changed
    next: start the engine, or name another one with DOCKER_HOST, then run the command again
    "#);
}

#[test]
fn engine_not_running_in_json() {
    assert_snapshot!(Chora::new().file("compose.yaml", SHOP).run(["ps", "--json"]), @r#"
    exit 69
    --- stdout
    {
      "ok": false,
      "kind": "unavailable",
      "message": "no container engine answers at unix:///nonexistent/docker.sock: No such file or directory (os error 2)",
      "state": "nothing was changed",
      "hint": "start the engine, or name another one with DOCKER_HOST, then run the command again",
      "details": []
    }
    "#);
}

#[test]
fn engine_address_that_is_none() {
    assert_snapshot!(Chora::new().file("compose.yaml", SHOP).env("DOCKER_HOST", "docker").run(["ps"]), @r#"
    exit 64
    --- stderr
    error: `docker` is not an engine's address: it has no unix://, tcp:// or ssh://
    state: nothing was changed
    next: change what it refuses in the Compose file (see `chora config`), or the engine's address
    "#);
}

#[test]
fn engine_of_the_environment_wins_over_the_variable() {
    let manifest = "environments:\n  production:\n    engine: unix:///elsewhere/docker.sock\n";
    let ran = Chora::new().file("compose.yaml", SHOP).file("chora.yaml", manifest).run(["ps"]);
    assert!(ran.stderr.contains("/elsewhere/docker.sock"), "{ran}");
}

#[test]
fn no_permission_on_the_socket() {
    // Root may use every socket, so the program is run as somebody else.
    let shop = Chora::new().file("compose.yaml", SHOP);
    let folder = shop.path();
    std::fs::set_permissions(&folder, PermissionsExt::from_mode(0o777)).unwrap();
    let socket = folder.join("engine.sock");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    std::fs::set_permissions(&socket, PermissionsExt::from_mode(0o600)).unwrap();
    let shop = shop.env("DOCKER_HOST", &format!("unix://{}", socket.display()));
    let ran = shop.run_as_nobody(["ps"]);
    assert_snapshot!(ran, @r#"
    exit 77
    --- stderr
    error: no permission to use the container engine at unix://[project]/engine.sock
    state: nothing was changed
    next: run as a member of the group that owns the socket (usually `docker`), or as root
    "#);
}

#[test]
fn store_from_a_newer_version() {
    let shop = Chora::new().file("compose.yaml", SHOP).file(".chora/schema_version.txt", "999\n");
    assert_snapshot!(shop.run(["status"]), @r#"
    exit 75
    --- stderr
    error: the store has schema 999, this program knows up to 1
    state: nothing was changed
    next: use the newer chora that wrote it
    "#);
}

#[test]
fn read_only_project_directory() {
    let shop = Chora::new().file("compose.yaml", SHOP);
    std::fs::set_permissions(shop.path(), PermissionsExt::from_mode(0o555)).unwrap();
    let ran = shop.run_as_nobody(["down"]);
    assert_snapshot!(ran, @r#"
    exit 77
    --- stderr
    error: the store cannot be written: [project]/.chora: Permission denied (os error 13)
    state: nothing was changed
    next: make the project's .chora directory writable
    "#);
    assert!(!shop.path().join(".chora").exists());
}

#[test]
fn commands_that_only_ask_need_no_place_to_write() {
    let shop = Chora::new().file("compose.yaml", SHOP);
    std::fs::set_permissions(shop.path(), PermissionsExt::from_mode(0o555)).unwrap();
    for command in [&["config", "--check"][..], &["history"], &["events"], &["events", "verify"]] {
        let ran = shop.run_as_nobody(command);
        assert_eq!(ran.code, 0, "{command:?}: {ran}");
    }
    // These need the engine, which does not answer, and nothing else.
    for command in ["status", "ps", "plan", "logs"] {
        let ran = shop.run_as_nobody([command]);
        assert!(ran.code == 69 && ran.stderr.contains("no container engine answers"), "{command}: {ran}");
    }
    assert!(!shop.path().join(".chora").exists());
}

#[test]
fn commands_that_only_ask_make_nothing() {
    let shop = Chora::new().file("compose.yaml", SHOP);
    for command in ["config", "history", "events", "status", "ps", "plan", "health"] {
        shop.run([command]);
        assert!(!shop.path().join(".chora").exists(), "{command} wrote something");
    }
}

#[test]
fn the_next_command_is_about_the_same_environment() {
    let shop = Chora::new().file("compose.yaml", SHOP);
    let history = shop.run(["history", "--env", "staging", "--json"]);
    assert_eq!(history.json()["next"], "chora deploy --env staging", "{history}");
    assert_eq!(shop.run(["history", "--json"]).json()["next"], "chora deploy");
    let broken = Chora::new().file("compose.yaml", "services: {web: {imgae: a}}\n");
    for command in ["config", "deploy", "status"] {
        let ran = broken.run([command, "--env", "staging", "--json"]).json();
        assert_eq!(ran["hint"], "mend the files, then see `chora config --env staging`", "{command}");
        assert_eq!(ran["state"], "nothing was changed", "{command}");
    }
}

#[test]
fn a_directory_below_the_project_is_of_the_project() {
    let shop = Chora::new().file("compose.yaml", SHOP).file("below/notes.txt", "");
    let ran = shop
        .command(std::path::Path::new(env!("CARGO_BIN_EXE_chora")))
        .current_dir(shop.path().join("below"))
        .arg("history")
        .output()
        .unwrap();
    assert!(ran.status.success() && !shop.path().join("below/.chora").exists());
}

#[test]
fn project_directory_that_is_not_there() {
    assert_snapshot!(Chora::new().run(["config", "--project", "nowhere"]), @r#"
    exit 66
    --- stderr
    error: the project directory nowhere does not exist
    state: nothing was changed
    next: it was named by --project; name the directory that holds the Compose file
    "#);
    assert_snapshot!(Chora::new().env("CHORA_PROJECT", "/nowhere").run(["config"]), @r#"
    exit 66
    --- stderr
    error: the project directory /nowhere does not exist
    state: nothing was changed
    next: it was named by CHORA_PROJECT; name the directory that holds the Compose file
    "#);
}

#[test]
fn data_is_not_destroyed_without_being_asked() {
    let shop = Chora::new().file("compose.yaml", SHOP);
    assert_snapshot!(shop.run(["down", "--volumes"]), @r#"
    exit 77
    --- stderr
    error: this would remove the volumes of development and all data in them, and there is nobody to ask
    state: nothing was changed
    next: say so with --yes
    "#);
    assert_snapshot!(shop.run(["down", "--volumes", "--json"]), @r#"
    exit 77
    --- stdout
    {
      "ok": false,
      "kind": "denied",
      "message": "this would remove the volumes of development and all data in them, and there is nobody to ask",
      "state": "nothing was changed",
      "hint": "say so with --yes",
      "details": []
    }
    "#);
}

#[test]
fn command_lines_that_cannot_be_read() {
    let shop = Chora::new();
    assert_snapshot!(shop.run(["deplyo"]), @r#"
    exit 64
    --- stderr
    error: unrecognized subcommand 'deplyo'

      tip: a similar subcommand exists: 'deploy'

    Usage: chora [OPTIONS] <COMMAND>

    For more information, try '--help'.
    "#);
    assert_snapshot!(shop.run(["health", "--level", "7"]), @r#"
    exit 64
    --- stderr
    error: invalid value '7' for '--level <1-5>': 7 is not in 1..=5

    For more information, try '--help'.
    "#);
    assert_snapshot!(shop.run(["logs", "--since", "soon", "--json"]), @r#"
    exit 64
    --- stdout
    {
      "ok": false,
      "kind": "invalid",
      "message": "invalid value 'soon' for '--since <WHEN>': write it as `10m` (ago), `2026-11-21` or `2026-11-21T10:00:00Z`",
      "state": "nothing was changed",
      "hint": "chora help",
      "details": [
        "For more information, try '--help'."
      ]
    }
    "#);
    assert_eq!(shop.run([] as [&str; 0]).code, 64);
}
