//! New releases that get some of the requests before all others do.

use super::load::Load;
use super::site::Site;

const WEB: &str = r#"
services:
  web:
    image: ${IMAGE}
    environment: { VERSION: "${RELEASE}", FAIL_EVERY: "${FAIL_EVERY:-}", SLOW_MS: "${SLOW_MS:-}" }
    ports: ["127.0.0.1:${PORT}:8080"]
    stop_grace_period: 1s
"#;

fn asked(canary: &str) -> String {
    format!(
        "
environments:
  production: {{ gate_timeout: 5s, releases_kept: 2 }}
services:
  web: {{ health: {{ endpoint: {{ http: /health, port: 8080 }} }}, rollout: {{ {canary} }} }}
"
    )
}

#[test]
fn one_that_fails_more_is_refused_with_the_figures_and_nothing_else_fails() {
    let site = Site::new(WEB, &asked("canary: 30%, for: 1m"));
    site.release("v1");
    let load = Load::every(site.port);
    site.set(&[("RELEASE", "v2"), ("FAIL_EVERY", "2")]);
    let refused = site.deploy("v2");
    assert_eq!(refused.code, 10, "{refused}");
    println!("{}", refused.stderr);
    for wanted in [
        "canary of web: more requests fail (new: ",
        " failed (",
        "; old: ",
        " 0 failed (0.0 %), p50 ",
        "v1 kept serving in production throughout",
    ] {
        assert!(refused.stderr.contains(wanted), "{wanted}: {refused}");
    }
    let seen = load.end();
    let own = |line: &&String| line.ends_with(" connection: 500 v2");
    assert_eq!(seen.failed.iter().filter(|line| !own(line)).collect::<Vec<_>>(), Vec::<&String>::new());
    assert!(!seen.failed.is_empty() && seen.sessions > 0, "{seen:?}");
    println!("{} answers, {} times 500 of the canary", seen.answered, seen.failed.len());
    let events = site.json(&["events", "--status", "failure"])["events"].clone();
    assert_eq!(events[0]["metadata"]["traffic"]["canaries"][0]["judgement"], "failing", "{events:#}");
    site.set(&[("RELEASE", "v1")]);
    site.assert_settled("v1");
}

#[test]
fn one_that_is_slower_is_refused_and_nothing_fails() {
    let site = Site::new(WEB, &asked("canary: 50%, for: 6s, requests: 8"));
    site.release("v1");
    let load = Load::plain(site.port);
    site.set(&[("RELEASE", "v2"), ("SLOW_MS", "300")]);
    let refused = site.deploy("v2");
    assert_eq!(refused.code, 10, "{refused}");
    assert!(refused.stderr.contains("canary of web: answers take longer (new: "), "{refused}");
    println!("{}", refused.stderr);
    let seen = load.end();
    assert_eq!(seen.failed, Vec::<String>::new(), "of {} answers", seen.answered);
    assert_eq!(seen.releases.into_iter().collect::<Vec<_>>(), ["v1", "v2"]);
    site.set(&[("RELEASE", "v1")]);
    site.assert_settled("v1");
}

/// Each session of the load is answered by the release that opened it, or the load says that it was not.
#[test]
fn one_that_is_not_worse_is_promoted_and_sessions_stay_where_they_are() {
    // How long equal releases take is up to a busy machine.
    let site = Site::new(WEB, &asked("canary: 50%, for: 3s, header: \"X-Canary: 1\", slower: 2000%"));
    site.release("v1");
    let load = Load::every(site.port);
    site.set(&[("RELEASE", "v2")]);
    let plan = site.chora.run(["plan", "--version", "v2"]);
    let wanted = "first 50 % of the requests and those with the header X-Canary: 1 for 3 s, then everything unless it is worse";
    assert!(plan.stdout.contains(wanted), "{plan}");
    let deployed = site.json(&["deploy", "--version", "v2"]);
    println!("{:#}", deployed["traffic"]);
    let canary = &deployed["traffic"]["canaries"][0];
    assert_eq!((&canary["service"], &canary["judgement"]), (&"web".into(), &"not_worse".into()), "{deployed:#}");
    let (new, old) = (canary["new"]["requests"].as_u64().unwrap(), canary["old"]["requests"].as_u64().unwrap());
    assert!(new >= 20 && old >= 20, "{canary:#}");
    let back = site.json(&["rollback"]);
    assert_eq!((&back["version"], &back["traffic"]["canaries"]), (&"v1".into(), &serde_json::Value::Null), "{back:#}");
    let seen = load.end();
    assert_eq!(seen.failed, Vec::<String>::new(), "of {} answers", seen.answered);
    assert!(seen.sessions > 0, "{seen:?}");
    site.set(&[("RELEASE", "v1")]);
    site.assert_settled("v1");
}
