use std::time::Duration;

use super::parse;
use crate::manifest::{Approval, Bridge, BridgeChild, BridgeOptions, EnvironmentClass, Manifest, McpTransport, Rollout};

const FULL: &str = r#"
name: shop
repository: acme/shop
environments:
  staging: {profiles: [app], watch: {for: 1h, every: 500ms, failures: 5}}
  production:
    compose_files: [compose.yaml, compose.production.yaml]
    engine: ssh://deploy@example.com
    promote_from: staging
    approval: required
    watch: 10m
    releases_kept: 3
    backup: true
    gate_timeout: 90s
services:
  api:
    rollout: start-first
    drain: 30s
    contract: .chora/contracts/api.json
    health:
      container: {restarts_allowed: 1}
      endpoint: {http: /health, port: 8000, status: 200, body_json: {/status: ok}}
      configuration: {required_variables: [TOKEN], command: [check, --all]}
      process: {name: server, fatal: true}
      function:
        mcp:
          port: 8000
          transport: streamable_http
          headers: {Authorization: "Bearer x"}
          tool: {name: echo, arguments: {text: hi, n: 2}, expect: {contains: hi}}
  tools:
    bridge: {port: 9000, child: session, max_sessions: 5, idle: 1m, token: key, allow_hosts: [tools.example]}
  shell: {bridge: false, rollout: {canary: 10%, for: 90s, header: "X-Canary: 1", cookie: beta, requests: 50, errors: 1, slower: 20 %}}
  echo: {bridge: true, rollout: {canary: 25}}
  db:
    backup: {command: [pg_dump, shop], restore: [psql, shop]}
    health: {endpoint: {tcp: 5432}}
secrets:
  token: {environment: TOKEN}
hooks:
  before_deploy: [[make, check]]
inbox: {path: inbox, commands: {task: [run, it]}}
"#;

#[test]
fn a_full_file_is_read() {
    let manifest = parse(FULL, "chora.yaml").unwrap();
    let production = &manifest.environments["production"];
    assert_eq!(production.class_of("production"), EnvironmentClass::Production);
    assert_eq!(production.approval, Approval::Required);
    assert_eq!(production.gate_timeout.0, Duration::from_secs(90));
    assert_eq!(manifest.environments["staging"].releases_kept, 5);
    let (usual, own) = (production.watch.unwrap(), manifest.environments["staging"].watch.unwrap());
    assert_eq!((usual.r#for.0, usual.every.0, usual.failures, usual.errors), (Duration::from_secs(600), Duration::from_secs(2), 3, 5));
    assert_eq!((own.r#for.0, own.every.0, own.failures, own.errors), (Duration::from_secs(3600), Duration::from_millis(500), 5, 5));
    let api = &manifest.services["api"];
    assert_eq!(api.rollout, Rollout::StartFirst);
    let function = api.health.function.as_ref().unwrap().mcp.as_ref().unwrap();
    assert_eq!(function.transport, McpTransport::StreamableHttp);
    assert_eq!(function.tool.as_ref().unwrap().arguments["n"], 2);
    let bridge = |name: &str| manifest.services[name].bridge.clone().unwrap();
    let Bridge::On(options) = bridge("tools") else { panic!("it is on") };
    assert_eq!((options.port, options.child, options.idle.unwrap().0), (Some(9000), BridgeChild::Session, Duration::from_secs(60)));
    assert_eq!((bridge("shell"), bridge("echo")), (Bridge::Off, Bridge::On(BridgeOptions::default())));
    assert_eq!(manifest.hooks.before_deploy, [["make", "check"]]);
    let again: Manifest = serde_json::from_value(serde_json::to_value(&manifest).unwrap()).unwrap();
    assert_eq!(again, manifest);
}

#[test]
fn an_empty_file_holds_the_defaults() {
    for text in ["", "# nothing\n", "---\n", "null\n"] {
        assert_eq!(parse(text, "chora.yaml").unwrap(), Manifest::default());
    }
}

#[test]
fn every_problem_is_named_with_its_place_and_the_nearest_key() {
    let text = "\
enviroments: {}
environments:
  prod:
    class: prodution
    watch: 10
    promote_from: stagin
  staging: {approval: maybe}
services:
  api:
    rollout: fast
    health:
      endpoint: {http: health}
      function: {mcp: {transport: stdio}, command: [a]}
hooks: [a]
";
    let problems = parse(text, "chora.yaml").unwrap_err();
    insta::assert_snapshot!(problems.to_string(), @r#"
    chora.yaml:1:1: unknown key `enviroments` (did you mean `environments`?)
    chora.yaml:4:12: unknown value `prodution` (did you mean `production`?)
    chora.yaml:5:12: expected a duration, or a mapping with `for`, found integer `10`
    chora.yaml:6:19: there is no environment `stagin` (did you mean `staging`?)
    chora.yaml:7:23: unknown value `maybe` (expected one of `required`, `not_required`)
    chora.yaml:10:14: unknown value `fast` (expected one of `auto`, `start-first`, `stop-first`)
    chora.yaml:12:17: `health` is neither a URL nor a path starting with `/`
    chora.yaml:13:17: a function check is one of `mcp`, `http` and `command`
    chora.yaml:14:8: expected a mapping, found a list
    "#);
    insta::assert_snapshot!(problems.0[0].render(false), @r#"
    error: unknown key `enviroments`
     --> chora.yaml:1:1
      |
    1 | enviroments: {}
      | ^^^^^^^^^^^
      |
      = help: did you mean `environments`?
    "#);
}

#[test]
fn broken_yaml_is_reported_at_its_place() {
    let problems = parse("a: [b\nc: d\n", "chora.yaml").unwrap_err();
    insta::assert_snapshot!(problems.to_string(), @"chora.yaml:2:2: broken YAML: illegal placement of ':' indicator");
    let problems = parse("name: a\nname: b\n", "chora.yaml").unwrap_err();
    insta::assert_snapshot!(problems.to_string(), @"chora.yaml:2:1: key `name` is used twice in this mapping");
}

#[test]
fn rules_of_a_watch_that_make_no_sense_are_refused() {
    for (rules, why) in [
        ("{for: 1h, every: 0s}", "`every` and `failures` are more than 0, `errors` is at most 100"),
        ("{every: 1s}", "key `for` is missing here"),
        ("{for: 1h, failure: 2}", "unknown key `failure` (did you mean `failures`?)"),
        ("soon", "`soon` is not a duration"),
    ] {
        let problems = parse(&format!("environments: {{a: {{watch: {rules}}}}}\n"), "chora.yaml").unwrap_err().to_string();
        assert!(problems.contains(why), "{rules}: {problems}");
    }
}

#[test]
fn the_schema_names_every_key() {
    let schema = Manifest::json_schema().to_string();
    for key in ["environments", "gate_timeout", "releases_kept", "body_json", "before_deploy", "required_variables", "transport"] {
        assert!(schema.contains(&format!("\"{key}\"")), "{key}");
    }
}

#[test]
fn a_bridge_that_could_not_be_is_refused_with_its_place() {
    let cases = [
        ("bridge: maybe", "`true`, `false` or the options of a bridge"),
        ("bridge: {prt: 1}", "did you mean `port`"),
        ("bridge: {child: other}", "session"),
        ("bridge: {port: 0}", "1 to 65535"),
        ("bridge: {max_sessions: 0}", "at least 1"),
        ("bridge: {token: \"\"}", "blank"),
    ];
    for (text, expected) in cases {
        let problems = parse(&format!("services:\n  tools: {{{text}}}\n"), "chora.yaml").unwrap_err();
        let told = problems.0.iter().map(|problem| problem.render(false)).collect::<String>();
        assert!(told.contains(expected) && told.contains("chora.yaml:2:"), "{text}: {told}");
    }
}

#[test]
fn public_ports_are_a_number_or_an_address_with_one() {
    let manifest = parse("environments: {production: {http_port: 8080, https_port: '127.0.0.1:8443'}}", "chora.yaml").unwrap();
    let production = &manifest.environments["production"];
    let words = [&production.http_port, &production.https_port].map(|port| port.as_ref().map(ToString::to_string));
    assert_eq!(words, [Some("8080".to_owned()), Some("127.0.0.1:8443".to_owned())]);
}

#[test]
fn faults_of_hosts_and_tls_have_a_place() {
    let text = "\
environments:
  development: {tls: {acme: {directory: 'https://ca/dir'}}}
  production:
    http_port: 0
    tls: {certificates: [{hosts: ['*.example'], certificate: a.pem, key: a.key}]}
services:
  web: {hosts: [a.example, b.c.example]}
  api: {hosts: [A.example], paths: [/, api]}
  tool: {hosts: ['*.example']}
  db: {port: 5432}
";
    let problems = parse(text, "chora.yaml").unwrap_err().to_string();
    let expected = [
        (2, "`tls` needs a gateway, and environment `development` has none"),
        (4, "`0` is neither a port nor `address:port`"),
        (5, "no certificate is for `b.c.example`"),
        (8, "`A.example/` belongs to service `web` already"),
        (8, "`api` does not start with `/`"),
        (9, "`*.example` is no host; a star is not possible here"),
        (10, "`port` belongs to `hosts` or `paths`"),
    ];
    for (line, words) in expected {
        let told = problems.lines().any(|told| told.starts_with(&format!("chora.yaml:{line}:")) && told.contains(words));
        assert!(told, "line {line}, {words}:\n{problems}");
    }
}

#[test]
fn a_canary_is_a_share_or_a_mark_with_its_rules() {
    let manifest = parse(FULL, "chora.yaml").unwrap();
    let canary = |name: &str| match &manifest.services[name].rollout {
        Rollout::Canary(canary) => canary.clone(),
        other => panic!("{other:?}"),
    };
    let (full, short) = (canary("shell"), canary("echo"));
    assert_eq!((full.canary.0, full.r#for.0, full.requests, full.errors.0, full.slower.0), (10, Duration::from_secs(90), 50, 1, 20));
    assert_eq!(full.header_rule(), Some(("X-Canary".to_owned(), Some("1".to_owned()))));
    assert_eq!(full.cookie_rule(), Some(("beta".to_owned(), None)));
    assert_eq!((short.canary.0, short.r#for.0, short.requests, short.errors.0, short.slower.0), (25, Duration::from_secs(300), 20, 5, 50));
    let text = "\
services:
  a: {rollout: {for: 5m}}
  b: {rollout: {canary: 101%}}
  c: {rollout: {canary: much}}
  d: {rollout: {canary: 5%, header: \"no name: 1\"}}
  e: {rollout: {cookie: \"a=b; c\"}}
  f: {rollout: {canary: 5%, for: 100ms}}
  g: {rollout: {canari: 5%}}
  h: {rollout: [auto]}
";
    let problems = parse(text, "chora.yaml").unwrap_err();
    insta::assert_snapshot!(problems.to_string(), @r"
    chora.yaml:2:16: a canary needs a share (`canary: 10%`), a `header` or a `cookie`
    chora.yaml:3:16: a share is at most 100%, and so are `errors`
    chora.yaml:4:16: a canary needs a share (`canary: 10%`), a `header` or a `cookie`
    chora.yaml:4:25: `much` is no number of percent, such as `10%`
    chora.yaml:5:16: `header` is `Name` or `Name: value`
    chora.yaml:6:16: `cookie` is `name` or `name=value`
    chora.yaml:7:16: a canary lasts 1s at least, and `requests` is at least 1
    chora.yaml:8:16: a canary needs a share (`canary: 10%`), a `header` or a `cookie`
    chora.yaml:8:17: unknown key `canari` (did you mean `canary`?)
    chora.yaml:9:16: expected `auto`, `start-first`, `stop-first`, or a mapping with `canary`, found sequence
    ");
}
