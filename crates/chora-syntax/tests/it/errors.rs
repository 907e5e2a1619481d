//! What people see when a project is not right: place, excerpt, what was expected.

use chora_syntax::compose::{ResolveRequest, Resolved, resolve};
use chora_syntax::{DiagnosticKind, Diagnostics, MemoryFiles};

fn run(files: &[(&str, &str)]) -> Result<Resolved, Diagnostics> {
    let memory = files.iter().fold(MemoryFiles::default(), |memory, (name, text)| memory.with(format!("/shop/{name}"), *text));
    resolve(&memory, &ResolveRequest { project_dir: "/shop".into(), ..ResolveRequest::default() })
}

fn problems(files: &[(&str, &str)]) -> String {
    run(files).unwrap_err().to_string()
}

#[test]
fn no_compose_file() {
    let problems = run(&[("other.yaml", "")]).unwrap_err();
    assert!(problems.has(DiagnosticKind::NoComposeFile));
    insta::assert_snapshot!(problems.render(false), @r#"
    error: no Compose file in `/shop`
     |
     = help: expected one of compose.yaml, compose.yml, docker-compose.yml, docker-compose.yaml
    "#);
}

#[test]
fn all_problems_of_a_file_come_at_once() {
    let text = "\
services:
  web:
    imagee: nginx
    ports: ['80:x']
    environment: {A: [1]}
    command: [sleep, 5]
    restart: no
  db:
    image: db
    depends_on: {web: {condition: service_up}}
    healthcheck: {interval: 10}
volume:
  data:
";
    insta::assert_snapshot!(run(&[("compose.yaml", text)]).unwrap_err().render(false), @r#"
    error: unknown key `imagee` in `services.web`
     --> compose.yaml:3:5
      |
    3 |     imagee: nginx
      |     ^^^^^^
      |
      = help: did you mean `image`?

    error: `x` is not a container port
     --> compose.yaml:4:13
      |
    4 |     ports: ['80:x']
      |             ^^^^^^
      |
      = help: write `host:container`, such as "8080:80"

    error: `services.web.environment.A` takes text, a number, a boolean or nothing, found a list
     --> compose.yaml:5:22
      |
    5 |     environment: {A: [1]}
      |                      ^^^

    error: `services.web.command[1]` takes text, found a number
     --> compose.yaml:6:22
      |
    6 |     command: [sleep, 5]
      |                      ^
      |
      = help: write it in quotes: "5"

    error: `services.db.depends_on.web.condition` is none of service_started, service_healthy, service_completed_successfully, found `service_up`
      --> compose.yaml:10:35
       |
    10 |     depends_on: {web: {condition: service_up}}
       |                                   ^^^^^^^^^^

    error: `services.db.healthcheck.interval` takes a duration such as `1m30s`, found a number
      --> compose.yaml:11:29
       |
    11 |     healthcheck: {interval: 10}
       |                             ^^

    error: unknown key `volume`
      --> compose.yaml:12:1
       |
    12 | volume:
       | ^^^^^^
       |
       = help: did you mean `volumes`?
    "#);
}

#[test]
fn broken_yaml() {
    insta::assert_snapshot!(run(&[("compose.yaml", "services:\n  web:\n image: a\n")]).unwrap_err().render(false), @r#"
    error: broken YAML: while parsing a block mapping, did not find expected key
     --> compose.yaml:3:2
      |
    3 |  image: a
      |  ^
    "#);
    insta::assert_snapshot!(problems(&[("compose.yaml", "services: {web: {image: a, image: b}, 80: {image: c}}\n")]), @r#"
    compose.yaml:1:28: key `image` is used twice in this mapping
    compose.yaml:1:39: key `80` is not text (write it in quotes: "80")
    "#);
    insta::assert_snapshot!(problems(&[("compose.yaml", "- a\n")]), @"compose.yaml:1:1: a Compose file is a mapping, found a list");
    insta::assert_snapshot!(problems(&[("compose.yaml", "a: &a [*a]\n")]), @"compose.yaml:1:8: this alias refers to itself");
    insta::assert_snapshot!(problems(&[("compose.yaml", "")]), @"the Compose file is empty");
}

#[test]
fn variables() {
    let text = "services:\n  web:\n    image: \"nginx:${TAG:?say which}\"\n    user: ${1}\n    imge: b\n";
    insta::assert_snapshot!(run(&[("compose.yaml", text)]).unwrap_err().render(false), @r#"
    error: variable `TAG` is required: say which
     --> compose.yaml:3:19
      |
    3 |     image: "nginx:${TAG:?say which}"
      |                   ^^^^^
      |
      = help: set `TAG` in the environment or in an env file

    error: `${1}` is not a variable
     --> compose.yaml:4:11
      |
    4 |     user: ${1}
      |           ^^^^
      |
      = help: write `$$` for a dollar sign

    error: unknown key `imge` in `services.web`
     --> compose.yaml:5:5
      |
    5 |     imge: b
      |     ^^^^
      |
      = help: did you mean `image`?
    "#);
    insta::assert_snapshot!(problems(&[("compose.yaml", "services: {web: {image: a}}"), (".env", "A=1\nB!=2\n")]), @".env:2:2: unexpected `!` in a variable name");
    let resolved = run(&[("compose.yaml", "services: {web: {image: 'a:$TAG'}}")]).unwrap();
    insta::assert_snapshot!(resolved.warnings[0].render(false), @r#"
    warning: variable `TAG` is not set, a blank text stands for it
     --> compose.yaml:1:28
      |
    1 | services: {web: {image: 'a:$TAG'}}
      |                            ^^^^
    "#);
}

#[test]
fn names_that_are_not_defined() {
    let text = "\
services:
  web:
    image: a
    volumes: ['dta:/data']
    networks: [back]
    secrets: [token]
    depends_on: [bd]
    extends: bas
  db: {image: b}
  base: {image: c}
volumes: {data: }
";
    insta::assert_snapshot!(problems(&[("compose.yaml", text)]), @r#"
    compose.yaml:4:15: there is no volume `dta` (did you mean `data`?)
    compose.yaml:5:16: there is no network `back` (define it under the top-level key `networks`)
    compose.yaml:6:15: there is no secret `token` (define it under the top-level key `secrets`)
    compose.yaml:7:18: there is no service `bd` (did you mean `db`?)
    compose.yaml:8:14: there is no service `bas` in `compose.yaml` to extend (did you mean `base`?)
    "#);
    insta::assert_snapshot!(problems(&[("compose.yaml", &text.replace("    extends: bas\n", ""))]), @r#"
    compose.yaml:4:15: there is no volume `dta` (did you mean `data`?)
    compose.yaml:5:16: there is no network `back` (define it under the top-level key `networks`)
    compose.yaml:6:15: there is no secret `token` (define it under the top-level key `secrets`)
    compose.yaml:7:18: there is no service `bd` (did you mean `db`?)
    "#);
}

#[test]
fn circles() {
    insta::assert_snapshot!(problems(&[("compose.yaml", "services: {a: {image: a, depends_on: [b]}, b: {image: b, depends_on: [a]}}")]), @"compose.yaml:1:71: services wait for each other: a → b → a");
    insta::assert_snapshot!(problems(&[("compose.yaml", "services: {a: {extends: b}, b: {extends: {service: a}}}")]), @"compose.yaml:1:25: services extend each other: a → b → a");
    let files = [("compose.yaml", "include: [b.yaml]\n"), ("b.yaml", "include: [compose.yaml]\n")];
    insta::assert_snapshot!(problems(&files), @"b.yaml:1:11: files include each other: compose.yaml → b.yaml → compose.yaml");
}

#[test]
fn files_that_are_missing() {
    insta::assert_snapshot!(problems(&[("compose.yaml", "include: [none.yaml]\nservices: {web: {image: a}}\n")]), @"compose.yaml:1:11: file `none.yaml` does not exist");
    insta::assert_snapshot!(problems(&[("compose.yaml", "services: {web: {extends: {file: none.yaml, service: a}}}\n")]), @"compose.yaml:1:27: file `none.yaml` does not exist");
    insta::assert_snapshot!(problems(&[("compose.yaml", "services: {web: {image: a, env_file: none.env}}\n")]), @"compose.yaml:1:38: env file `none.env` does not exist");
}

#[test]
fn merges_that_cannot_be() {
    let files = [("compose.yaml", "services: {web: {image: a, logging: {driver: x}}}"), ("compose.override.yaml", "services: [web]\n")];
    insta::assert_snapshot!(problems(&files), @"compose.override.yaml:1:11: `services` is a list here, but a mapping in an earlier file (use the tag `!override` to replace the earlier value)");
}

#[test]
fn keys_that_are_not_honoured_are_named_with_their_place() {
    let text = "\
services:
  web:
    image: a
    gpus: all
    cpu_percent: 10
    isolation: default
    deploy:
      mode: global
      placement: {constraints: [node.role==manager]}
      update_config: {order: start-first}
    volumes:
      - {type: npipe, source: x, target: y}
    secrets: [token]
    build: {context: ., ssh: [default]}
  off:
    image: b
    profiles: [never]
    provider: {type: x}
secrets: {token: {external: true}}
";
    let resolved = run(&[("compose.yaml", text)]).unwrap();
    let lines: Vec<String> = resolved.unsupported().iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(lines.join("\n"), @r#"
    compose.yaml:4:5: Chora does not honour `gpus`: request them under `deploy.resources.reservations.devices`
    compose.yaml:5:5: Chora does not honour `cpu_percent`: it is for Windows containers
    compose.yaml:8:7: Chora does not honour `deploy.mode`: it is for Swarm, this is one engine
    compose.yaml:9:7: Chora does not honour `deploy.placement`: it is for Swarm, this is one engine
    compose.yaml:12:10: Chora does not honour `volumes.type`: this kind of mount is not for Linux containers on one engine
    compose.yaml:14:25: Chora does not honour `build.ssh`: the engine's own builder does not take it
    compose.yaml:19:19: Chora does not honour `secrets.external`: there is no store of such objects; give it a `file`, or `environment`
    "#);
    let warnings: Vec<String> = resolved.warnings.iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(warnings.join("\n"), @"compose.yaml:10:7: `deploy.update_config` has no effect: the order is `rollout` of the service in chora.yaml");
    assert!(run(&[("compose.yaml", "services: {web: {image: a, cap_add: [X], ports: ['80:80']}}")]).unwrap().unsupported().is_empty());
}

#[test]
fn keys_that_cannot_be_together_are_named_with_their_place() {
    let text = "\
services:
  web:
    image: a
    read_only: true
    secrets: [one, {source: two, target: /etc/two}]
  worker:
    image: a
    uts: host
    hostname: worker
    tmpfs: [/run/secrets, '/cache:size=1m']
    secrets:
      - one
    configs:
      - {source: three, target: /etc/three}
      - source: three
        target: /data/three
      - source: three
        target: /cache/three
    volumes: ['/srv:/data:ro', {type: tmpfs, target: /mem}]
  fine:
    image: a
    read_only: true
    hostname: fine
    tmpfs: /run
    secrets: [one, {source: two, target: /data/two}]
    volumes: ['data:/data']
  off:
    image: a
    profiles: [never]
    tmpfs: /run
    secrets: [one]
volumes: {data: {}}
secrets: {one: {file: one}, two: {file: two}}
configs: {three: {content: three}}
";
    let resolved = run(&[("compose.yaml", text)]).unwrap();
    let lines: Vec<String> = resolved.unsupported().iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(lines.join("\n"), @r"
    compose.yaml:5:42: Chora does not honour a secret at `/etc/two`: the root is read-only; there secrets are below /run/secrets
    compose.yaml:9:15: Chora does not honour `hostname` beside `uts: host`: the engine takes no name for the host's own namespace
    compose.yaml:12:9: Chora does not honour a secret at `/run/secrets/one`: the tmpfs at `/run/secrets` would lie over it; put it beside the tmpfs, or the tmpfs below it
    compose.yaml:16:17: Chora does not honour a config at `/data/three`: the mount at `/data` is read-only
    compose.yaml:18:17: Chora does not honour a config at `/cache/three`: the tmpfs at `/cache` would lie over it; put it beside the tmpfs, or the tmpfs below it
    ");
}

#[test]
fn a_bomb_of_aliases_is_refused() {
    let mut text = "x-0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n".to_owned();
    for level in 1..9 {
        let aliases = vec![format!("*a{}", level - 1); 10].join(", ");
        text.push_str(&format!("x-{level}: &a{level} [{aliases}]\n"));
    }
    insta::assert_snapshot!(problems(&[("compose.yaml", &text)]), @"compose.yaml:6:26: aliases expand to more than a Compose file can hold");
    let deep = format!("x: {}{}", "[".repeat(5000), "]".repeat(5000));
    insta::assert_snapshot!(problems(&[("compose.yaml", &deep)]), @r#"
    compose.yaml:1:1: unknown key `x` (valid keys here: configs, include, models, name, networks, secrets, services, version, volumes)
    compose.yaml:1:104: broken YAML: recursion limit exceeded
    "#);
}
