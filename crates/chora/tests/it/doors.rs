//! One operation, three doors: which command and which tool every operation has, and why not where there is none.

use std::collections::BTreeSet;

use crate::mcp::{Pipe, Server, chora, empty_folder, offered};

/// Every operation with its command, its tool and its page; a blank needs a reason.
const DOORS: &[(&str, Door, Door, Door)] = &[
    ("write a pattern", Open("init"), Open("init"), Closed(NO_PAGES)),
    ("list patterns", Open("patterns"), Open("patterns"), Closed(NO_PAGES)),
    ("upgrade a pattern", Open("upgrade"), Open("upgrade"), Closed(NO_PAGES)),
    ("audit", Open("audit"), Open("audit"), Closed(NO_PAGES)),
    ("plan", Open("plan"), Open("plan"), Closed(NO_PAGES)),
    ("deploy", Open("deploy"), Open("deploy"), Closed(NO_PAGES)),
    ("roll back", Open("rollback"), Open("rollback"), Closed(NO_PAGES)),
    ("resume", Open("resume"), Open("resume"), Closed(NO_PAGES)),
    ("abort", Open("abort"), Open("abort"), Closed(NO_PAGES)),
    ("status", Open("status"), Open("status"), Closed(NO_PAGES)),
    ("history", Open("history"), Open("history"), Closed(NO_PAGES)),
    ("prune", Open("prune"), Open("prune"), Closed(NO_PAGES)),
    ("down", Open("down"), Open("down"), Closed(NO_PAGES)),
    ("list containers", Open("ps"), Open("ps"), Closed(NO_PAGES)),
    ("show output", Open("logs"), Open("logs"), Closed(NO_PAGES)),
    ("build", Open("build"), Open("build"), Closed(NO_PAGES)),
    ("build for several platforms", Open("build"), Open("build_multi"), Closed(NO_PAGES)),
    ("verify an image", Open("verify"), Open("verify"), Closed(NO_PAGES)),
    ("push", Open("push"), Open("push"), Closed(NO_PAGES)),
    ("release images", Open("release"), Open("release"), Closed(NO_PAGES)),
    ("check health", Open("health"), Open("health"), Closed(NO_PAGES)),
    ("resolve the stack", Open("config"), Open("config"), Closed(NO_PAGES)),
    ("read the log", Open("events"), Open("events"), Closed(NO_PAGES)),
    ("record a contract", Open("contract"), Open("contract_record"), Closed(NO_PAGES)),
    ("compare a contract", Open("contract"), Open("contract_diff"), Closed(NO_PAGES)),
    ("bring up", Open("up"), Closed("`deploy` with `environment: development` is the same"), Closed(NO_PAGES)),
    (
        "run a command in a container",
        Open("exec"),
        Closed("an agent with a shell in production needs more than a tool's consent"),
        Closed("a page with a shell in production needs more than a token"),
    ),
    ("probe", Open("probe"), Closed("it asks from where it runs; `health` asks from the right place"), Closed("as for MCP")),
    ("wait", Open("wait"), Closed("it holds back a process that starts"), Closed("as for MCP")),
    ("start a container's process", Open("entrypoint"), Closed("it becomes that process"), Closed("as for MCP")),
    ("print a schema", Open("schema"), Closed("every tool carries its own"), Closed("editors read files")),
    ("complete words", Open("completions"), Closed("shells only"), Closed("shells only")),
    ("print the manual", Open("man"), Closed("people only"), Closed("`chora help` says the same")),
    ("answer in place of the services", Open("maintenance"), Open("maintenance"), Closed(NO_PAGES)),
    ("bridge", Open("bridge"), Closed("it is a door of another server"), Closed("as for MCP")),
    ("connect", Open("connect"), Closed("it writes the files of a person's own clients"), Closed("as for MCP")),
    ("gateway", Open("gateway"), Closed("it is where the traffic of services goes through"), Closed("as for MCP")),
    ("serve", Open("serve"), Closed("it is the door itself"), Open("/health")),
];

/// Why an operation has no page.
const NO_PAGES: &str = "there are no pages yet, they come with the dashboard";

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
    assert_eq!(found, named(DOORS.iter().map(|(_, cli, _, _)| cli)), "commands of `chora --help` and the table differ");
}

#[test]
fn every_tool_has_its_row() {
    let folder = empty_folder();
    let mut pipe = Pipe::open(chora().args(["serve", "--stdio", "--project"]).arg(folder.path()));
    let found: BTreeSet<String> = offered(&mut pipe).into_iter().map(|tool| tool["name"].as_str().expect("a name").to_owned()).collect();
    assert_eq!(found, named(DOORS.iter().map(|(_, _, mcp, _)| mcp)), "tools of `chora serve` and the table differ");
}

#[test]
fn every_page_has_its_row() {
    let folder = empty_folder();
    let server = Server::start(chora().args(["serve", "--listen", "127.0.0.1:0", "--project"]).arg(folder.path()));
    let pages = named(DOORS.iter().map(|(_, _, _, web)| web));
    for page in ["/health", "/", "/dashboard", "/plan", "/deploy", "/status", "/history", "/logs", "/events", "/index.html"] {
        let there = server.request("GET", page, &[], b"").status != 404;
        assert_eq!(there, pages.contains(page), "pages of `chora serve` and the table differ: {page}");
    }
}

#[test]
fn every_closed_door_says_why() {
    for (operation, cli, mcp, web) in DOORS {
        for door in [cli, mcp, web] {
            if let Closed(reason) = door {
                assert!(reason.split_whitespace().count() > 1, "{operation}");
            }
        }
    }
}
