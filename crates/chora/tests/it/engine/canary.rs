//! New releases that get some of the requests before all others do.

use std::collections::BTreeSet;

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
    let own = |line: &&String| line.contains(" connection: 500 v2 after ");
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

/// The releases that answer, of so many requests that each with half of them is met.
fn answering(site: &Site) -> BTreeSet<String> {
    let answer = |_| {
        let (status, release) = site.get("/");
        assert_eq!(status, 200, "{release}");
        release
    };
    (0..20).map(answer).collect()
}

#[test]
fn one_whose_process_is_killed_keeps_its_share_until_the_next_command_ends_it() {
    let lasts = |time: &str| asked(&format!("canary: 50%, for: {time}, requests: 8, slower: 2000%"));
    let site = Site::new(WEB, &lasts("5s"));
    site.release("v1");
    let load = Load::every(site.port);
    let mut live = "v1";
    for (version, next, ends) in
        [("v2", "abort", "v2 was undone; v1 serves"), ("v3", "deploy", "v3 is live"), ("v4", "resume", "v4 is live")]
    {
        site.set(&[("RELEASE", version)]);
        let mut doomed = site.chora.start(["deploy", "--version", version]);
        while site.get("/").1 != version {
            assert!(!doomed.has_ended(), "{}", doomed.wait());
        }
        let pid = doomed.pid();
        assert_eq!(doomed.kill().code, 137, "it was to be in the middle of its canary");
        let status = site.json(&["status"]);
        assert_eq!(status["version"], live);
        let unfinished = status["unfinished"][0].as_str().unwrap_or_default();
        let goes_on = format!(", its canary goes on: some requests are answered by {version}");
        assert!(
            unfinished.starts_with(&format!("deploy of {version} by process {pid} on ")) && unfinished.ends_with(&goes_on),
            "{status:#}"
        );
        assert_eq!(answering(&site), BTreeSet::from([live, version].map(str::to_owned)), "the gateway deals out as before");
        let words = if next == "deploy" {
            site.chora.write("chora.yaml", lasts("2s"));
            vec![next, "--version", version]
        } else {
            vec![next]
        };
        let ran = site.chora.run(&words);
        assert!(ran.code == 0 && ran.stdout.contains(ends), "{ran}");
        live = if next == "abort" { live } else { version };
        assert_eq!(answering(&site), BTreeSet::from([live.to_owned()]), "its share is taken back, or it has everything");
        site.set(&[("RELEASE", live)]);
        site.assert_settled(live);
        site.chora.write("chora.yaml", lasts("5s"));
    }
    let seen = load.end();
    println!("{} answers, {} sessions, longest wait {:?}", seen.answered, seen.sessions, seen.longest);
    assert_eq!(seen.failed, Vec::<String>::new(), "of {} answers", seen.answered);
    assert_eq!(seen.releases.into_iter().collect::<Vec<_>>(), ["v1", "v2", "v3", "v4"]);
}
