use chora_syntax::manifest::EnvironmentClass;

use crate::audit::marks::FeatureState::{self, Adopted, Missing, NotApplicable, Partly, Unknown};
use crate::audit::tests::{GOOD_IMAGE, GOOD_STACK, Made, table};

/// A stack of text, its `build: .` being the good image.
fn stack(text: &str) -> Made {
    Made::new().image(GOOD_IMAGE).stack(text)
}

/// Cases that are keys of one service with an image.
fn keys(id: &str, cases: &[(&str, FeatureState, &str)]) {
    let make = |keys: &str| {
        let lines: String = keys.lines().map(|line| format!("    {line}\n")).collect();
        stack(&format!("services:\n  web:\n    image: a:1\n{lines}"))
    };
    table(id, make, cases);
}

#[test]
fn what_does_not_resolve_is_told_and_the_rest_is_unknown() {
    let broken = "services:\n  web:\n    imag: a\n";
    table("stack.resolves", stack, &[(GOOD_STACK, Adopted, "production resolves"), (broken, Missing, "production.yaml")]);
    table("stack.limits", stack, &[(broken, Unknown, "production does not resolve")]);
    let both = |text: &str| stack(GOOD_STACK).environment("staging", EnvironmentClass::Staging, text);
    table("stack.resolves", both, &[(broken, Partly, "")]);
    table("stack.limits", both, &[(broken, Unknown, "staging does not resolve")]);
}

#[test]
fn what_a_service_may_take() {
    table("stack.limits", stack, &[(GOOD_STACK, Adopted, "production.yaml:11 web: memory, processors and processes")]);
    keys(
        "stack.limits",
        &[
            ("restart: always", Missing, "production.yaml:2 web: no limit of memory, processors and processes"),
            ("mem_limit: 1g", Partly, "no limit of processors and processes"),
            ("mem_limit: 1g\ncpus: 2\npids_limit: 9", Adopted, ""),
            ("mem_limit: 1g\ncpus: 2\npids_limit: -1", Partly, "no limit of processes"),
        ],
    );
    let two = |text: &str| stack(&format!("{GOOD_STACK}  job:\n    image: b:1\n{text}"));
    table("stack.limits", two, &[("", Partly, "job: no limit")]);
    let one_shot = "services:\n  web:\n    image: a:1\n    mem_limit: 1g\n    cpus: 2\n    pids_limit: 9\n    depends_on:\n      job: \
                    { condition: service_completed_successfully }\n  job:\n    image: b:1\n";
    table("stack.limits", stack, &[(one_shot, Adopted, "")]);
}

#[test]
fn how_it_starts_ends_and_logs() {
    keys(
        "stack.restart",
        &[
            ("restart: always", Adopted, "production.yaml:4 web: always"),
            ("restart: \"no\"", Missing, "production.yaml:4 web: what ends stays down"),
            ("init: true", Missing, "production.yaml:2"),
            ("deploy: { restart_policy: { condition: on-failure } }", Adopted, ""),
        ],
    );
    keys(
        "stack.logging",
        &[
            ("init: true", Missing, "web: the log grows"),
            ("logging: { options: { max-size: 1m } }", Partly, "production.yaml:4 web: `max-size` and"),
            ("logging: { driver: json-file, options: { max-size: 1m, max-file: \"2\" } }", Adopted, ""),
            ("logging: { driver: local }", Adopted, "`local`"),
        ],
    );
    keys("stack.stop-grace", &[("stop_grace_period: 1m", Adopted, "web: 1m0s"), ("init: true", Missing, "no stop_grace_period")]);
    table(
        "stack.init",
        stack,
        &[
            (GOOD_STACK, Adopted, "production.yaml:4 web: init"),
            ("services:\n  web:\n    build: .\n", Missing, "production.yaml:2 web: its program is process 1"),
            ("services:\n  web:\n    image: a:1\n", NotApplicable, ""),
        ],
    );
    let tini = |text: &str| Made::new().image("FROM a:1\nENTRYPOINT [\"/usr/bin/tini\", \"--\"]\n").stack(text);
    table("stack.init", tini, &[("services:\n  web:\n    build: .\n", Adopted, "its image starts with one")]);
}

#[test]
fn what_leads_out_of_a_container() {
    keys(
        "stack.privileges",
        &[
            ("init: true", Adopted, "no service has any"),
            ("privileged: true", Missing, "production.yaml:4 web: privileged"),
            ("volumes: [\"/var/run/docker.sock:/var/run/docker.sock\"]", Missing, "web: holds the engine's socket"),
            ("network_mode: host", Missing, "`network_mode: host`"),
            ("pid: host", Missing, "`pid: host`"),
            ("cap_add: [CAP_SYS_ADMIN]", Missing, "the capability CAP_SYS_ADMIN"),
            ("cap_add: [CHOWN]", Adopted, ""),
            ("security_opt: [\"seccomp:unconfined\"]", Missing, "seccomp:unconfined"),
        ],
    );
    keys(
        "stack.capabilities",
        &[("cap_drop: [all]", Adopted, "web: all"), ("cap_drop: [NET_RAW]", Partly, "not all"), ("init: true", Missing, "none is dropped")],
    );
    keys(
        "stack.no-new-privileges",
        &[
            ("security_opt: [no-new-privileges]", Adopted, ""),
            ("security_opt: [\"no-new-privileges:false\"]", Missing, "production.yaml:4"),
            ("init: true", Missing, ""),
        ],
    );
    table(
        "stack.read-only",
        stack,
        &[(GOOD_STACK, Adopted, "production.yaml:5"), ("services:\n  web:\n    build: .\n", Missing, "can be written")],
    );
    keys("stack.read-only", &[("init: true", NotApplicable, "")]);
}

#[test]
fn who_reaches_it() {
    keys(
        "stack.ports",
        &[
            ("ports: [\"127.0.0.1:8000:8000\"]", Adopted, "production.yaml:4 web: 8000:8000 on 127.0.0.1"),
            ("ports: [\"8000:8000\"]", Missing, "8000:8000 is published on every address"),
            ("ports: [\"80:80\", \"443:443\"]", Adopted, "every address, as the web is"),
            ("ports: [\"80:80\", \"8080:8080\"]", Partly, "8080"),
            ("init: true", NotApplicable, ""),
        ],
    );
    let store = |keys: &str| {
        let text = format!("services:\n  db:\n    image: postgres:17\n{keys}networks:\n  data: {{ internal: true }}\n  open: {{}}\n");
        stack(&text)
    };
    table(
        "stack.store-ports",
        store,
        &[
            ("", Adopted, "db: none is published"),
            ("    ports: [\"5432:5432\"]\n", Missing, "production.yaml:4 db: 5432:5432 is published"),
            ("    ports: [\"127.0.0.1:5432:5432\"]\n", Partly, "on this machine"),
        ],
    );
    let development = |text: &str| store("").environment("development", EnvironmentClass::Development, text);
    let published = "services:\n  db:\n    image: postgres:17\n    ports: [\"5432:5432\"]\n";
    table("stack.store-ports", development, &[(published, Partly, "development.yaml:4 db: 5432:5432 is published")]);
    let local = published.replace("5432:5432", "127.0.0.1:5432:5432");
    table("stack.store-ports", development, &[(&local, Adopted, "")]);
    table(
        "stack.networks",
        store,
        &[
            ("    networks: [data]\n", Adopted, "db: internal"),
            ("    networks: [data, open]\n", Partly, "the network `open` leads outside"),
            ("", Missing, "the network `default` leads outside"),
        ],
    );
    keys("stack.networks", &[("init: true", NotApplicable, "")]);
}

#[test]
fn secrets_are_files_and_never_shown() {
    let cases = [
        ("environment: { POSTGRES_PASSWORD: hunter2 }", Missing, "production.yaml:4 web: POSTGRES_PASSWORD is a value"),
        ("environment:\n  - A=1\n  - URL=postgres://u:hunter2@db/x", Missing, "production.yaml:6 web: URL holds"),
        ("environment: { DB_PASSWORD_FILE: /run/secrets/p, ALLOW_EMPTY_PASSWORD: \"yes\" }", Adopted, "no environment value is a secret"),
        ("environment: { TOKEN: }", Adopted, ""),
    ];
    keys("stack.secrets", &cases);
    let text = "services:\n  web:\n    image: a:1\n    environment: { TOKEN: hunter2 }\n";
    assert!(!stack(text).judged("stack.secrets").1.concat().contains("hunter2"));
    let files = "services:\n  web:\n    image: a:1\n    secrets: [key]\nsecrets:\n  key: { file: ./k }\n";
    table("stack.secrets", stack, &[(files, Adopted, "production.yaml:4 web: key as files")]);
}

#[test]
fn images_dependencies_and_data() {
    table(
        "stack.images",
        stack,
        &[
            ("services:\n  web:\n    image: nginx\n", Missing, "production.yaml:3 web: `nginx`"),
            ("services:\n  web:\n    image: nginx:1.27\n  b:\n    image: c:latest\n", Partly, "production.yaml:5 b: `c:latest`"),
            (
                "services:\n  web:\n    image: a:1@sha256:0000000000000000000000000000000000000000000000000000000000000000\n",
                Adopted,
                "by digest",
            ),
            ("services:\n  web:\n    build: .\n    image: a:latest\n", NotApplicable, ""),
        ],
    );
    let with = |needs: &str| stack(&format!("services:\n  db:\n    image: b:1\n  web:\n    image: a:1\n    depends_on: {needs}\n"));
    table(
        "stack.depends-on",
        with,
        &[
            ("{ db: { condition: service_healthy } }", Adopted, "production.yaml:6 web waits for the health of db"),
            ("[db]", Missing, "production.yaml:6 web waits only for the start"),
            ("{}", NotApplicable, ""),
        ],
    );
    let store = |keys: &str| stack(&format!("services:\n  db:\n    image: redis:7\n{keys}volumes:\n  kept: {{}}\n"));
    table(
        "stack.volumes",
        store,
        &[
            ("    volumes: [\"kept:/data\"]\n", Adopted, "production.yaml:4 db: /data"),
            ("    volumes: [/data]\n", Missing, "its data goes with its container"),
            ("", Missing, "production.yaml:2"),
        ],
    );
    let built = |keys: &str| stack(&format!("services:\n  web:\n    build: .\n{keys}"));
    table(
        "stack.source",
        built,
        &[
            ("", Adopted, ""),
            ("    volumes: [\".:/workspace\"]\n", Missing, "production.yaml:4 web: the source lies over /workspace"),
            ("    volumes: [\"./src:/app/src\"]\n", Missing, ""),
            ("    volumes: [\"./config:/config:ro\"]\n", Adopted, ""),
        ],
    );
}

#[test]
fn who_asks_whether_it_works() {
    let check = "healthcheck:\n  test: [\"CMD\", \"x\"]";
    keys(
        "stack.health",
        &[
            (check, Adopted, "production.yaml:4 web: in the Compose file"),
            ("init: true", Missing, "production.yaml:2 web: nobody asks"),
            ("healthcheck: { disable: true }", Missing, "switched off"),
        ],
    );
    table("stack.health", stack, &[(GOOD_STACK, Adopted, "Dockerfile:9 web: in the image")]);
    let asked = |text: &str| {
        Made::new().stack("services:\n  web:\n    image: a:1\n").manifest(&format!("services:\n  web:\n    health:\n      {text}\n"))
    };
    table(
        "stack.health",
        asked,
        &[("endpoint: { tcp: 80 }", Adopted, "chora.yaml:3 web: `health`"), ("process: { name: x }", Missing, "")],
    );
    keys(
        "stack.health-timings",
        &[
            (check, Missing, "web: no interval, timeout, start_period and retries"),
            (&format!("{check}\n  interval: 5s\n  retries: 2"), Partly, "production.yaml:4 web: no timeout and start_period"),
            (&format!("{check}\n  interval: 5s\n  retries: 2\n  timeout: 1s\n  start_period: 9s"), Adopted, ""),
            ("init: true", NotApplicable, ""),
        ],
    );
    table("stack.health-timings", stack, &[(GOOD_STACK, Adopted, "Dockerfile:9 web: all four")]);
    let bare = |text: &str| Made::new().image("FROM a:1\nHEALTHCHECK --interval=5s CMD [\"x\"]\n").stack(text);
    let rest = "services:\n  web:\n    build: .\n    healthcheck: { timeout: 1s, start_period: 9s, retries: 3 }\n";
    table(
        "stack.health-timings",
        bare,
        &[("services:\n  web:\n    build: .\n", Partly, "web: no timeout, start_period and retries"), (rest, Adopted, "")],
    );
}

#[test]
fn tests_have_their_own() {
    let test = |text: &str| stack(GOOD_STACK).environment("test", EnvironmentClass::Development, text);
    table(
        "stack.tests",
        test,
        &[
            ("services:\n  db:\n    image: postgres:17\n    tmpfs: [/var/lib/postgresql/data]\n", Adopted, "test.yaml test keeps"),
            ("services:\n  db:\n    image: postgres:17\n    volumes: [\"./d:/data\"]\n", Partly, "test.yaml:4 db: tests keep data"),
            ("services:\n  db:\n    image: postgres:17\n    ports: [\"5432:5432\"]\n", Partly, "tests publish a port"),
            ("services: 1\n", Unknown, ""),
        ],
    );
    table("stack.tests", stack, &[(GOOD_STACK, Missing, "there is no environment `test`")]);
}

#[test]
fn a_variable_without_a_value_is_told() {
    let unset = crate::audit::Evidence::in_file("production.yaml", Some(3), "variable `X` is not set");
    let made = stack(GOOD_STACK).with(|subject| subject.environments[0].stack.as_mut().unwrap().unset.push(unset));
    assert_eq!(made.judged("stack.variables"), (Missing, vec!["production.yaml:3 variable `X` is not set".to_owned()]));
    assert_eq!(stack(GOOD_STACK).judged("stack.variables").0, Adopted);
}
