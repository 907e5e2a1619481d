//! One operation, three doors: which command and which tool every operation has, and why not where there is none.

use std::collections::BTreeSet;

use crate::mcp::{Pipe, chora, empty_folder, offered};

/// A blank needs a reason. The web door comes with the dashboard.
const DOORS: &[(&str, Door, Door)] = &[
    ("plan", Open("plan"), Open("plan")),
    ("deploy", Open("deploy"), Open("deploy")),
    ("roll back", Open("rollback"), Open("rollback")),
    ("resume", Open("resume"), Open("resume")),
    ("abort", Open("abort"), Open("abort")),
    ("status", Open("status"), Open("status")),
    ("history", Open("history"), Open("history")),
    ("prune", Open("prune"), Open("prune")),
    ("down", Open("down"), Open("down")),
    ("list containers", Open("ps"), Open("ps")),
    ("show output", Open("logs"), Open("logs")),
    ("build", Open("build"), Open("build")),
    ("check health", Open("health"), Open("health")),
    ("resolve the stack", Open("config"), Open("config")),
    ("read the log", Open("events"), Open("events")),
    ("record a contract", Open("contract"), Open("contract_record")),
    ("compare a contract", Open("contract"), Open("contract_diff")),
    ("bring up", Open("up"), Closed("`deploy` with `environment: development` is the same")),
    ("run a command in a container", Open("exec"), Closed("an agent with a shell in production needs more than a tool's consent")),
    ("probe", Open("probe"), Closed("it asks from where it runs; `health` asks from the right place")),
    ("wait", Open("wait"), Closed("it holds back a process that starts")),
    ("start a container's process", Open("entrypoint"), Closed("it becomes that process")),
    ("print a schema", Open("schema"), Closed("every tool carries its own")),
    ("complete words", Open("completions"), Closed("shells only")),
    ("print the manual", Open("man"), Closed("people only")),
    ("serve", Open("serve"), Closed("it is the door itself")),
];

use Door::{Closed, Open};

enum Door {
    Open(&'static str),
    Closed(&'static str),
}

fn named(doors: impl Iterator<Item = &'static Door>) -> BTreeSet<String> {
    doors.filter_map(|door| if let Open(name) = door { Some((*name).to_owned()) } else { None }).collect()
}

#[test]
fn every_command_has_its_row() {
    let output = chora().arg("--help").output().expect("help");
    let text = String::from_utf8(output.stdout).expect("text");
    let commands = text.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let found: BTreeSet<String> = commands
        .filter_map(|line| line.strip_prefix("  ")?.split_whitespace().next().filter(|_| !line.starts_with("   ")))
        .map(str::to_owned)
        .filter(|name| name != "help")
        .collect();
    assert_eq!(found, named(DOORS.iter().map(|(_, cli, _)| cli)), "commands of `chora --help` and the table differ");
}

#[test]
fn every_tool_has_its_row() {
    let folder = empty_folder();
    let mut pipe = Pipe::open(chora().args(["serve", "--stdio", "--project"]).arg(folder.path()));
    let found: BTreeSet<String> = offered(&mut pipe).into_iter().map(|tool| tool["name"].as_str().expect("a name").to_owned()).collect();
    assert_eq!(found, named(DOORS.iter().map(|(_, _, mcp)| mcp)), "tools of `chora serve` and the table differ");
}

#[test]
fn every_closed_door_says_why() {
    for (operation, cli, mcp) in DOORS {
        for door in [cli, mcp] {
            if let Closed(reason) = door {
                assert!(reason.split_whitespace().count() > 1, "{operation}");
            }
        }
    }
}
