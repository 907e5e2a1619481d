//! Images for several architectures by builders of the real buildx: the same as the engine builds, and only where they help.

use std::path::Path;
use std::process::Command;

use chora_testkit::docker_registry::DockerRegistry;
use serde_json::{Value, json};

use super::buildkitd::Buildkitd;
use super::images::{GOOD, dockerfile, site};
use super::site::Site;
use crate::share;
use crate::support::{Chora, Ran};

/// A platform whose programs no machine of tests runs.
const FOREIGN: &str = "linux/s390x";

/// A project of the test server, for a person who has buildx and no builder yet.
fn with_buildx() -> Site {
    let mut site = site();
    let folder = site.chora.path().join("docker");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/buildx.sh");
    let made = Command::new(script).env("DOCKER_CONFIG", &folder).output().expect("the script runs");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    site.chora = std::mem::replace(&mut site.chora, Chora::new()).env("DOCKER_CONFIG", &folder.display().to_string());
    site
}

/// Runs `docker buildx`.
fn buildx(site: &Site, arguments: &[&str]) {
    let ran = site.chora.command(Path::new("docker")).arg("buildx").args(arguments).output().unwrap();
    assert!(ran.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&ran.stderr));
}

/// Makes a builder the current one.
fn create(site: &Site, name: &str, daemon: &str) {
    buildx(site, &["create", "--use", "--name", name, "--driver", "remote", daemon]);
}

/// Whether the image store of the engine holds several platforms of a name.
fn holds_many(site: &Site) -> bool {
    site.daemon.ask("GET", "/info", &[]).1.contains("io.containerd.snapshotter")
}

fn run(site: &Site, arguments: &[&str]) -> Ran {
    site.chora.run(["build", "--multi", "--version", "v1"].iter().chain(arguments))
}

/// Builds `web` and pushes it.
fn built(site: &Site, at: &str, more: &[&str]) -> Value {
    site.json(&[&["build", "web", "--multi", "--version", "v1", "--push", at], more].concat())
}

/// What somebody who pulls an image notices of it, by platform. Times and layers are each build's own.
fn seen(registry: &DockerRegistry, repository: &str, version: &str) -> Value {
    let index = registry.document(repository, &format!("manifests/{version}"));
    let mut images = serde_json::Map::new();
    for entry in index["manifests"].as_array().expect("an index") {
        let word = |name: &str| entry["platform"][name].as_str().unwrap_or_default().to_owned();
        let platform = format!("{}/{}", word("os"), word("architecture"));
        let manifest = registry.document(repository, &format!("manifests/{}", entry["digest"].as_str().unwrap()));
        let image = registry.document(repository, &format!("blobs/{}", manifest["config"]["digest"].as_str().unwrap()));
        let mut config = image["config"].clone();
        assert!(config["Labels"]["org.opencontainers.image.created"].is_string(), "{config:#}");
        config["Labels"]["org.opencontainers.image.created"] = json!("some time");
        // Engines write down what is not set as well.
        let keys = ["Labels", "User", "ExposedPorts", "Entrypoint", "Cmd", "WorkingDir", "Healthcheck"];
        let mut told: Value = keys.iter().map(|key| ((*key).to_owned(), config[*key].clone())).collect::<serde_json::Map<_, _>>().into();
        told["architecture"] = image["architecture"].clone();
        told["layers"] = json!(manifest["layers"].as_array().map(Vec::len));
        images.insert(platform, told);
    }
    images.into()
}

#[test]
fn an_image_is_the_same_whoever_builds_it() {
    if !share::is_of_the_newest() {
        return;
    }
    let (site, registry) = (with_buildx(), DockerRegistry::start());
    let name = format!("{}-web", site.name);
    site.chora.write("secret.txt", "correct-horse-battery");
    let compose = format!(
        "name: {}\nservices:\n  web:\n    build: {{ context: web, args: {{ WORD: \"a b\", HOME: }}, labels: {{ shop: \"x=y\" }}, target: last, \
         secrets: [token], extra_hosts: [\"db=10.0.0.1\"] }}\n  api: {{ build: {{ context: api }} }}\nsecrets: {{ token: {{ file: secret.txt }} }}\n",
        site.name
    );
    site.chora.write("compose.yaml", compose);
    dockerfile(
        &site,
        "web",
        &format!("{}LABEL word=\"$WORD\"\nFROM scratch\nCOPY . /\n", GOOD.replace("FROM scratch", "FROM scratch AS last\nARG WORD")),
    );
    let place = |who: &str| (format!("{}/{who}", registry.address), format!("{who}/{name}"));
    let (at, repository) = place("engine");
    built(&site, &at, &["--builder", "engine"]);
    let expected = seen(&registry, &repository, "v1");
    assert_eq!(expected.as_object().unwrap().keys().collect::<Vec<_>>(), ["linux/amd64", "linux/arm64"]);
    assert_eq!(expected["linux/arm64"]["Labels"]["shop"], "x=y");

    let (first, second) = (Buildkitd::start(), Buildkitd::start());
    let mut ways = vec![("one", "remote"), ("two", "remote")];
    if holds_many(&site) {
        // The builder that everybody has.
        ways.insert(0, ("default", "docker"));
    }
    for (builder, driver) in ways {
        match builder {
            "one" => create(&site, "one", &first.address()),
            "two" => {
                create(&site, "two", &first.address());
                buildx(
                    &site,
                    &["create", "--append", "--name", "two", "--driver", "remote", "--platform", "linux/arm64", &second.address()],
                );
            }
            _ => {}
        }
        let (at, repository) = place(builder);
        let outcome = built(&site, &at, &[]);
        let web = &outcome["images"]["web"];
        assert_eq!(outcome["builder"], json!({ "by": "buildx", "name": builder, "driver": driver }), "{outcome:#}");
        assert_eq!(seen(&registry, &repository, "v1"), expected, "{builder}");
        assert_eq!(registry.manifest(&repository, "v1").1.as_deref(), web["digest"].as_str());
        for (platform, suffix) in [("linux/amd64", "amd64"), ("linux/arm64", "arm64")] {
            assert_eq!(registry.manifest(&repository, &format!("v1-{suffix}")).1.as_deref(), web["platforms"][platform].as_str());
        }
        assert_eq!(built(&site, &at, &[])["images"], outcome["images"], "what is there is not made anew");
        site.chora.write("web/name", format!("{} by {builder}", site.name));
        let other = built(&site, &at, &["--platform", "linux/amd64"]);
        let platforms = seen(&registry, &repository, "v1");
        assert_eq!(platforms.as_object().unwrap().keys().collect::<Vec<_>>(), ["linux/amd64"], "an index over one: {other:#}");
        site.chora.write("web/name", format!("{} web", site.name));
    }
    let told = run(&site, &["--quiet", "web", "--push", &at, "--builder", "one"]);
    assert!(told.code == 0 && told.stdout.contains("builder: buildx one (remote)\n"), "{told}");
}

/// Builders compare what they are sent with what they have had: by size and time.
#[test]
fn a_change_that_leaves_the_size_as_it_was_is_one_too() {
    if !share::is_of_the_newest() {
        return;
    }
    let (site, registry) = (with_buildx(), DockerRegistry::start());
    let daemon = Buildkitd::start();
    create(&site, "near", &daemon.address());
    let layers = |version: &str| {
        let arguments =
            ["build", "web", "--multi", "--version", version, "--push", &registry.address.to_string(), "--platform", "linux/amd64"];
        let outcome = site.json(&arguments);
        assert_eq!(outcome["builder"]["name"], "near", "{outcome:#}");
        let digest = outcome["images"]["web"]["platforms"]["linux/amd64"].as_str().unwrap().to_owned();
        registry.document(&format!("{}-web", site.name), &format!("manifests/{digest}"))["layers"].clone()
    };
    site.chora.write("web/server", "one");
    let first = layers("v1");
    site.chora.write("web/server", "two");
    assert_ne!(layers("v2"), first);
}

#[test]
fn a_builder_that_does_not_help_is_left_alone_or_refused() {
    if !share::is_of_the_newest() {
        return;
    }
    let (site, registry) = (with_buildx(), DockerRegistry::start());
    let at = registry.address.to_string();
    let unknown = run(&site, &["--quiet", "--push", &at, "--builder", "nobody"]);
    assert_eq!(unknown.code, 66, "{unknown}");
    assert!(unknown.stderr.contains("nobody") && unknown.stderr.contains("docker buildx ls"), "{unknown}");
    if !holds_many(&site) {
        let built = built(&site, &at, &[]);
        assert_eq!(built["builder"]["because"], "builder `default` is an engine whose image store holds one platform of a name");
        let refused = run(&site, &["--quiet", "--push", &at, "--builder", "buildx"]);
        assert!(refused.code == 64 && refused.stderr.contains("holds one platform of a name"), "{refused}");
    }

    // One that nobody answers at: the engine builds, unless that one was asked for.
    create(&site, "away", "unix:///nonexistent/buildkitd.sock");
    let fallen = built(&site, &at, &[]);
    let because = fallen["builder"]["because"].as_str().unwrap_or_default();
    assert!(fallen["builder"]["by"] == "engine" && because.contains("`away`") && because.ends_with("node `away0`: inactive"), "{fallen:#}");
    let refused = run(&site, &["--quiet", "--push", &at, "--builder", "buildx"]);
    assert!(
        refused.code == 69 && refused.stderr.contains("node `away0`: inactive") && refused.stderr.contains("--builder engine"),
        "{refused}"
    );

    // One that is not for a platform whose programs the build runs.
    let daemon = Buildkitd::start();
    create(&site, "near", &daemon.address());
    dockerfile(&site, "web", &GOOD.replace("USER", "RUN [\"/server\", \"echo\", \"built\"]\nUSER"));
    let arguments = ["--quiet", "web", "--push", &at, "--platform", FOREIGN];
    let refused = run(&site, &[&arguments[..], &["--builder", "near"]].concat());
    let words = format!("`web` is to be built for {FOREIGN}, whose programs line 6 of its Dockerfile runs");
    assert!(refused.code == 64 && refused.stderr.contains(&words) && refused.stderr.contains("builder `near` has linux/"), "{refused}");
    let neither = run(&site, &arguments);
    assert!(neither.code == 64 && neither.stderr.contains("would run programs of s390x") && neither.stderr.contains(&words), "{neither}");
    assert_eq!(registry.manifest(&format!("{}-web", site.name), "v1-s390x").0, 404, "nothing was pushed");
    // Another builder of a person's choice is looked at instead.
    let other = site
        .chora
        .start_with(&[("BUILDX_BUILDER", "away")], ["build", "api", "--multi", "--version", "v2", "--push", &at, "--json"])
        .wait();
    assert!(other.code == 0 && other.json()["builder"]["because"].as_str().is_some_and(|why| why.contains("`away`")), "{other}");
    // Without Docker's client the plugin does by itself.
    let alone = ["build", "api", "--multi", "--version", "v3", "--push", &at, "--json"];
    let alone = site.chora.start_with(&[("PATH", "/nonexistent")], alone).wait();
    assert!(alone.code == 0 && alone.json()["builder"]["name"] == "near", "{alone}");
}

#[test]
fn a_build_of_a_builder_that_fails_is_told_without_its_secrets() {
    if !share::is_of_the_newest() {
        return;
    }
    let (site, daemon) = (with_buildx(), Buildkitd::start());
    create(&site, "near", &daemon.address());
    site.chora.write("secret.txt", "correct-horse-battery");
    let compose = format!(
        "name: {}\nservices: {{ web: {{ build: {{ context: web, secrets: [token] }} }} }}\nsecrets: {{ token: {{ file: secret.txt }} }}\n",
        site.name
    );
    site.chora.write("compose.yaml", compose);
    let steps = "RUN --mount=type=secret,id=token [\"/server\", \"cat\", \"/run/secrets/token\"]\nRUN [\"/server\", \"fail\", \"3\"]\nUSER";
    dockerfile(&site, "web", &GOOD.replace("USER", steps));
    let failed = run(&site, &["web", "--push", "127.0.0.1:1", "--platform", "linux/amd64"]);
    // The registry is asked first, and nobody is there.
    assert_eq!(failed.code, 69, "{failed}");
    let registry = DockerRegistry::start();
    let failed = run(&site, &["web", "--push", &registry.address.to_string(), "--platform", "linux/amd64"]);
    assert_eq!(failed.code, 64, "{failed}");
    let stderr = &failed.stderr;
    assert!(stderr.contains("build of `web` failed: ") && stderr.contains("did not complete successfully: exit code: 3"), "{failed}");
    let details = stderr.split_once("build of `web` failed: process").map_or("", |(_, rest)| rest);
    assert!(details.contains("RUN [\"/server\", \"fail\", \"3\"]"), "its last lines: {failed}");
    assert!(stderr.contains("[redacted]") && !stderr.contains("correct-horse"), "what a step says of a secret: {failed}");
    assert_eq!(registry.manifest(&format!("{}-web", site.name), "v1").0, 404);
}

#[test]
fn a_build_of_a_builder_that_is_broken_off_leaves_no_process() {
    if !share::is_of_the_newest() {
        return;
    }
    let (site, registry, daemon) = (with_buildx(), DockerRegistry::start(), Buildkitd::start());
    create(&site, "near", &daemon.address());
    // A step that goes on for as long as it is let.
    dockerfile(&site, "web", &GOOD.replace("USER", "RUN [\"/server\", \"sleep\", \"600000\"]\nUSER"));
    let reference = format!("{}/{}-web:v1", registry.address, site.name);
    let arguments = ["build", "web", "--multi", "--version", "v1", "--platform", "linux/amd64", "--push"];
    let running = site.chora.start(arguments.iter().copied().chain([registry.address.to_string().as_str()]));
    running.wait_for("RUN [\"/server\"");
    assert!(naming(&reference) > 0, "buildx is told the name");
    running.signal("INT");
    let ended = running.wait();
    assert_eq!((ended.code, naming(&reference)), (69, 0), "{ended}");
    assert!(ended.stderr.contains("interrupted while images were built") && ended.stderr.contains("no image has its name yet"), "{ended}");
}

#[test]
fn an_inline_dockerfile_is_no_part_of_the_context() {
    if !share::is_of_the_newest() {
        return;
    }
    let (site, registry, daemon) = (with_buildx(), DockerRegistry::start(), Buildkitd::start());
    create(&site, "near", &daemon.address());
    let built = |line: &str| {
        let build = format!("{{ context: web, dockerfile_inline: \"FROM scratch\\n{line}\\n\" }}");
        site.chora.write("compose.yaml", format!("name: {}\nservices: {{ web: {{ build: {build} }} }}\n", site.name));
        run(&site, &["web", "--push", &registry.address.to_string(), "--builder", "near"])
    };
    let all = built("COPY . /");
    assert_eq!(all.code, 0, "{all}");
    let own = built("COPY .chora.Dockerfile /");
    assert!(own.code == 64 && own.stderr.contains("\"/.chora.Dockerfile\": not found"), "{own}");
}

/// How many processes have a word among their arguments.
fn naming(word: &str) -> usize {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let lines = processes.filter_map(|process| std::fs::read(process.path().join("cmdline")).ok());
    lines.filter(|line| line.split(|byte| *byte == 0).any(|found| found == word.as_bytes())).count()
}
