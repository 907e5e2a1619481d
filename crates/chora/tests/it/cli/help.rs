//! Help, version, completions and manual pages.

use crate::support::Chora;
use insta::{assert_snapshot, with_settings};

const COMMANDS: [&str; 36] = [
    "init",
    "patterns",
    "upgrade",
    "audit",
    "config",
    "schema",
    "plan",
    "deploy",
    "rollback",
    "resume",
    "abort",
    "status",
    "history",
    "prune",
    "up",
    "down",
    "ps",
    "logs",
    "exec",
    "maintenance",
    "build",
    "verify",
    "push",
    "release",
    "health",
    "contract",
    "probe",
    "wait",
    "entrypoint",
    "events",
    "serve",
    "bridge",
    "connect",
    "gateway",
    "completions",
    "man",
];

#[test]
fn the_program_names_every_command() {
    with_settings!({ snapshot_path => "../snapshots" }, { assert_snapshot!(Chora::new().run(["--help"])) });
    let short = Chora::new().run(["-h"]).stdout;
    for command in COMMANDS {
        assert!(short.contains(&format!("\n  {command} ")), "`{command}` is not in the help:\n{short}");
    }
}

#[test]
fn every_command_explains_itself() {
    for command in COMMANDS {
        let ran = Chora::new().run([command, "--help"]);
        with_settings!({ snapshot_path => "../snapshots", snapshot_suffix => command }, { assert_snapshot!(ran) });
    }
}

#[test]
fn subcommands_explain_themselves() {
    let pairs = [
        ("patterns", "show"),
        ("contract", "record"),
        ("contract", "diff"),
        ("gateway", "attend"),
        ("probe", "http"),
        ("probe", "tcp"),
        ("probe", "mcp"),
        ("probe", "file"),
        ("probe", "process"),
        ("events", "list"),
        ("events", "verify"),
        ("events", "repair"),
    ];
    for (command, sub) in pairs {
        let ran = Chora::new().run([command, sub, "--help"]);
        with_settings!({ snapshot_path => "../snapshots", snapshot_suffix => format!("{command}-{sub}") }, { assert_snapshot!(ran) });
    }
}

#[test]
fn the_version_is_the_workspaces() {
    let ran = Chora::new().run(["--version"]);
    assert_eq!((ran.code, ran.stdout), (0, format!("chora {}\n", env!("CARGO_PKG_VERSION"))));
}

#[test]
fn completions_come_for_every_shell() {
    for (shell, mark) in
        [("bash", "complete -F"), ("zsh", "#compdef chora"), ("fish", "complete -c chora"), ("powershell", "Register-ArgumentCompleter")]
    {
        let ran = Chora::new().run(["completions", shell]);
        assert!(ran.code == 0 && ran.stdout.contains(mark) && ran.stdout.contains("rollback"), "{ran}");
    }
}

#[test]
fn manual_pages_are_written_for_every_command() {
    let chora = Chora::new();
    let ran = chora.run(["man", "--out", "pages"]);
    assert_eq!(ran.code, 0, "{ran}");
    for command in COMMANDS {
        assert!(chora.read(&format!("pages/chora-{command}.1")).contains(".TH"), "no page for {command}");
    }
    assert!(chora.run(["man"]).stdout.contains(".TH chora 1"));
}
