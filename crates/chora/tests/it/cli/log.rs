//! `chora events` on a log from disk.

use crate::support::Chora;
use insta::assert_snapshot;

const LOG: &str = ".chora/memory/events/deployment.jsonl";

fn project() -> Chora {
    Chora::new().file("compose.yaml", "services: {}\n")
}

fn line(status: &str, second: u8) -> String {
    format!(
        r#"{{"timestamp":"2026-11-21T10:00:0{second}Z","event_type":"deployment","repository":"shop","environment":"production","version":"v1","status":"{status}","duration_seconds":1.5,"services":["web"],"metadata":{{"deployment_id":"d1"}}}}"#
    ) + "\n"
}

#[test]
fn a_log_is_listed_filtered_and_verified() {
    let shop = project().file(LOG, line("in_progress", 0) + &line("success", 2));
    assert_snapshot!(shop.run(["events"]), @r#"
    exit 0
    --- stdout
    TIME                  TYPE        ENVIRONMENT  VERSION  STATUS       TOOK   SERVICES
    2026-11-21 10:00:00Z  deployment  production   v1       in_progress         web
    2026-11-21 10:00:02Z  deployment  production   v1       success      1.5 s  web
    "#);
    assert_snapshot!(shop.run(["events", "list", "--status", "success"]), @r#"
    exit 0
    --- stdout
    TIME                  TYPE        ENVIRONMENT  VERSION  STATUS   TOOK   SERVICES
    2026-11-21 10:00:02Z  deployment  production   v1       success  1.5 s  web
    "#);
    assert_snapshot!(shop.run(["events", "--service", "db"]), @r#"
    exit 0
    --- stdout
    no events
    "#);
    assert_snapshot!(shop.run(["events", "verify"]), @r#"
    exit 0
    --- stdout
    ✓ the log is sound: 2 lines
    "#);
    assert_eq!(shop.run(["events", "--since", "2026-11-21T10:00:01Z", "--json"]).json()["events"].as_array().map(Vec::len), Some(1));
}

#[test]
fn no_log_is_no_failure() {
    assert_snapshot!(project().run(["events"]), @r#"
    exit 0
    --- stdout
    no events
    "#);
}

#[test]
fn a_damaged_log_is_told_and_mended_without_loss() {
    let shop = project().file(LOG, line("in_progress", 0) + "{broken\n" + &line("success", 2));
    assert_snapshot!(shop.run(["events"]), @r#"
    exit 0
    --- stdout
    TIME                  TYPE        ENVIRONMENT  VERSION  STATUS       TOOK   SERVICES
    2026-11-21 10:00:00Z  deployment  production   v1       in_progress         web
    2026-11-21 10:00:02Z  deployment  production   v1       success      1.5 s  web
    --- stderr
    warning: 1 line cannot be read: `chora events repair` mends the log
    "#);
    assert_snapshot!(shop.run(["events", "verify"]), @r#"
    exit 1
    --- stdout
    ✗ the log is not sound: 3 lines
      line 2 cannot be read: no JSON: key must be a string at line 1 column 2
    next: chora events repair
    "#);
    assert_snapshot!(shop.run(["events", "repair"]), @r#"
    exit 0
    --- stdout
    ✓ the log is mended: 2 lines
      moved to deployment.damaged.jsonl, line: 2
      the original is [project]/.chora/memory/events/deployment.backup-1.jsonl
    "#);
    assert_eq!(shop.run(["events", "verify"]).code, 0);
    assert!(shop.read(".chora/memory/events/deployment.backup-1.jsonl").contains("{broken"));
}

#[test]
fn a_log_without_its_store_says_what_it_can_be_mended_with() {
    let shop = project().file(LOG, line("in_progress", 0) + &line("success", 2) + &line("success", 2));
    assert_snapshot!(shop.run(["events", "verify"]), @r#"
    exit 1
    --- stdout
    ✗ the log is not sound: 3 lines
      deployment d1 ended twice
    next: chora events repair
    "#);
    assert_snapshot!(shop.run(["events", "repair"]), @r#"
    exit 0
    --- stdout
    ✓ the log is mended: 2 lines
      told before and moved there too, line: 3
      the original is [project]/.chora/memory/events/deployment.backup-1.jsonl
    "#);
    shop.write(LOG, line("success", 2));
    assert_snapshot!(shop.run(["events", "repair"]), @r#"
    exit 0
    --- stdout
    ✓ the log is mended: 2 lines
      written again: the beginning of deployment d1
      the original is [project]/.chora/memory/events/deployment.backup-2.jsonl
    "#);
    shop.write(LOG, line("in_progress", 0));
    assert_snapshot!(shop.run(["events", "verify"]), @r#"
    exit 1
    --- stdout
    ✗ the log is not sound: 1 line
      deployment d1 has no end
    next: `chora events repair` where deployment d1 was made: the store here does not know it
    "#);
    assert!(!shop.path().join(".chora/storage.db").exists(), "a look makes no store");
}

#[test]
fn documents_have_names_for_everything_and_damage_is_marked() {
    let older = r#"{"timestamp":"2025-11-11","event":"deployment_failed","environment":"prod","version":"v0"}"#;
    let shop = project().file(LOG, format!("{older}\n{{broken\n"));
    let report = shop.run(["events", "verify", "--json"]).json()["report"].clone();
    let normalised = &report["normalised"][0];
    assert_eq!((&normalised["number"], normalised["changes"].as_array().map(Vec::len)), (&1.into(), Some(7)), "{report:#}");
    let read = shop.run(["events", "--json"]);
    let document = read.json();
    assert_eq!((read.code, &document["ok"], &document["damaged_lines"]), (0, &true.into(), &1.into()), "{document:#}");
    assert_snapshot!(shop.run(["events"]), @r#"
    exit 0
    --- stdout
    TIME                  TYPE        ENVIRONMENT  VERSION  STATUS   TOOK
    2025-11-11 00:00:00Z  deployment  production   v0       failure  –
    --- stderr
    warning: 1 line cannot be read: `chora events repair` mends the log
    "#);
    let following = shop.start(["events", "--follow", "--json"]);
    following.wait_for("damaged");
    following.signal("INT");
    let told: Vec<serde_json::Value> = following.wait().stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(
        (&told[0]["version"], &told[1]["damaged"]["number"], told[1].as_object().map(serde_json::Map::len)),
        (&"v0".into(), &2.into(), Some(1))
    );
}

#[test]
fn following_ends_with_a_signal() {
    let shop = project().file(LOG, line("in_progress", 0));
    let running = shop.start(["events", "--follow", "--json"]);
    running.wait_for("in_progress");
    shop.write(LOG, line("in_progress", 0) + &line("success", 2));
    running.wait_for("success");
    running.signal("INT");
    let ran = running.wait();
    assert_eq!((ran.code, ran.stdout.lines().count()), (130, 2), "{ran}");
}
