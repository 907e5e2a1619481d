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
