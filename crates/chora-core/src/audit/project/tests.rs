use chora_syntax::span::Place;

use crate::audit::marks::Evidence;
use crate::audit::marks::FeatureState::{Adopted, Missing, NotApplicable, Partly, Unknown};
use crate::audit::subject::{ManifestFile, PatternState};
use crate::audit::tests::{GOOD_IMAGE, GOOD_STACK, Made, table};

fn described(text: &str) -> Made {
    Made::new().image(GOOD_IMAGE).stack(GOOD_STACK).manifest(text)
}

fn broken() -> Made {
    let reasons = vec![Evidence::in_file("chora.yaml", Some(2), "unknown key")];
    Made::new().image(GOOD_IMAGE).stack(GOOD_STACK).with(|subject| subject.manifest = ManifestFile::Broken(reasons))
}

#[test]
fn environments_are_described() {
    table(
        "project.environments",
        described,
        &[
            ("environments:\n  development: {}\n  production: {}\n", Adopted, "chora.yaml:2 `development`"),
            ("environments:\n  live: { class: production }\n", Partly, "chora.yaml:1 no environment of the class development"),
            ("name: x\n", Missing, "no environment of the class production"),
        ],
    );
    let bare = Made::new().stack(GOOD_STACK);
    assert_eq!(bare.judged("project.environments"), (Missing, vec!["chora.yaml it is not there".to_owned()]));
    assert_eq!(bare.judged("project.manifest").0, NotApplicable);
    assert_eq!(broken().judged("project.environments").0, Unknown);
    assert_eq!(broken().judged("project.manifest"), (Missing, vec!["chora.yaml:2 unknown key".to_owned()]));
}

#[test]
fn a_first_manifest_names_the_files_that_are_there() {
    let audit = Made::new().stack(GOOD_STACK).audit();
    let tasks = audit.plan.phases.iter().flat_map(|phase| &phase.tasks);
    let task = tasks.into_iter().find(|task| task.feature.as_deref() == Some("project.environments")).unwrap();
    let snippet = task.snippet.as_ref().unwrap();
    assert_eq!(snippet.file.as_deref(), Some("chora.yaml"));
    let expected =
        "environments:\n  production:\n    compose_files: [production.yaml]\n  development:\n    compose_files: [production.yaml]\n";
    assert_eq!(snippet.text, expected);
    assert!(chora_syntax::manifest::parse(&snippet.text, "chora.yaml").is_ok());
}

#[test]
fn services_are_asked_from_outside() {
    table(
        "project.health",
        described,
        &[
            ("services:\n  web:\n    health:\n      endpoint: { tcp: 80 }\n", Adopted, "chora.yaml:3 web: endpoint"),
            ("services:\n  web:\n    health:\n      function: { command: [x] }\n", Adopted, "web: function"),
            ("services:\n  web: {}\n", Missing, "chora.yaml:2 web: no endpoint and no function"),
            ("name: x\n", Missing, ""),
        ],
    );
    let mcp = |text: &str| described(text).with(|subject| subject.is_mcp = true);
    table(
        "project.health",
        mcp,
        &[
            ("services:\n  web:\n    health:\n      endpoint: { tcp: 80 }\n", Partly, "nobody speaks MCP with it"),
            ("services:\n  web:\n    health:\n      function: { mcp: { port: 80 } }\n", Adopted, ""),
        ],
    );
    let speaks = "services:\n  web:\n    health:\n      function: { mcp: { port: 80 } }\n";
    table("project.contract", mcp, &[(speaks, Missing, ".chora/contracts/web.json web: not recorded"), ("name: x\n", NotApplicable, "")]);
    let recorded = mcp(speaks).with(|subject| subject.paths.extend([".chora/contracts/web.json".to_owned()]));
    assert_eq!(recorded.judged("project.contract").0, Adopted);
    table("project.contract", described, &[(speaks, NotApplicable, "")]);
}

#[test]
fn git_leaves_out_what_is_private() {
    let place = || Some(Place { file: ".gitignore".to_owned(), line: 4 });
    let with = |ignored: &[(&str, Option<Place>)]| {
        let ignored = ignored.iter().map(|(path, place)| ((*path).to_owned(), place.clone())).collect();
        Made::new().with(|subject| subject.ignored = ignored)
    };
    let made = with(&[(".env", place()), (".env.local", None), ("secrets/a", None)]);
    assert_eq!(made.judged("project.env-ignored"), (Partly, vec![".gitignore Git would take `.env.local`".to_owned()]));
    assert_eq!(made.judged("project.secrets-ignored"), (Missing, vec![".gitignore Git would take `secrets/a`".to_owned()]));
    let made = with(&[(".env", place()), (".env.local", place()), ("secrets/a", place())]);
    assert_eq!(made.judged("project.env-ignored").1, [".gitignore:4 `.env`", ".gitignore:4 `.env.local`"]);
    assert_eq!(made.judged("project.secrets-ignored").0, Adopted);
    assert_eq!(with(&[]).judged("project.secrets-ignored").0, NotApplicable);
    assert_eq!(with(&[]).judged("project.env-ignored").0, Missing);
}

#[test]
fn files_that_should_be_there() {
    let with = |paths: &str| Made::new().with(|subject| subject.paths = paths.split_whitespace().map(str::to_owned).collect());
    table(
        "project.env-files",
        with,
        &[
            (".env.defaults .env.example", Adopted, ""),
            (".env.sample", Partly, ".env.defaults it is not there"),
            ("", Missing, ".env.example it is not there"),
        ],
    );
    table(
        "project.guides",
        with,
        &[
            ("docs/DOCKER_SETUP.md docs/ops/deployment.md TROUBLESHOOTING.md", Adopted, "docs/ops/deployment.md production"),
            ("docs/DOCKER.md", Partly, "no guide for troubleshooting"),
            ("docs/setup.py", Missing, "no guide for set-up"),
        ],
    );
}

#[test]
fn recipes_and_workflows() {
    let with =
        |file: &'static str| move |text: &str| Made::new().with(|subject| drop(subject.texts.insert(file.to_owned(), text.to_owned())));
    table(
        "project.recipes",
        with("justfile"),
        &[
            ("build:\n  x\nup *args:\ndown:\nlogs:\nhealth env=\"x\":\n", Adopted, "justfile:1 all five"),
            ("docker-build TAG:\ndocker-up:\n", Partly, "justfile no down, logs and health"),
            ("x := \"build\"\n# up:\n    down:\n", Missing, "no build, up, down, logs and health"),
        ],
    );
    table("project.recipes", with("Makefile"), &[(".PHONY: up\nbuild: x\nstart:\nstop:\nlog:\nps:\n", Adopted, "")]);
    table(
        "project.recipes",
        with("package.json"),
        &[("{\n  \"scripts\": {\n    \"docker:build\": \"x\",\n    \"start\": \"y\"\n", Partly, "")],
    );
    table("project.recipes", with("Taskfile.yml"), &[("tasks:\n  build:\n    cmds: []\n", Partly, "")]);
    assert_eq!(Made::new().judged("project.recipes"), (Missing, vec!["no justfile, no Makefile".to_owned()]));
    table(
        "project.ci",
        with(".github/workflows/a.yml"),
        &[
            ("on: push\njobs:\n  a:\n    - run: docker build .\n", Adopted, ".github/workflows/a.yml:4"),
            ("run: pytest\n", Partly, "does nothing with"),
        ],
    );
    assert_eq!(Made::new().judged("project.ci").0, Missing);
}

#[test]
fn patterns_are_recorded_and_up_to_date() {
    let with = |pattern: PatternState| Made::new().with(|subject| subject.pattern = pattern).judged("project.pattern");
    let known = |latest: u32, is_behind: bool, deleted: &[&str]| PatternState::Known {
        name: "minimal".to_owned(),
        version: 1,
        latest,
        is_behind,
        deleted: deleted.iter().map(|path| (*path).to_owned()).collect(),
    };
    assert_eq!(with(PatternState::None), (Missing, vec![".chora/answers.yaml no pattern is recorded".to_owned()]));
    assert_eq!(with(PatternState::Broken("why".to_owned())).0, Partly);
    let elsewhere = PatternState::Elsewhere { name: "web".to_owned(), version: 3, source: "https://host/t".to_owned() };
    assert_eq!(with(elsewhere).0, Adopted);
    assert_eq!(with(known(1, false, &[])), (Adopted, vec![".chora/answers.yaml minimal, version 1".to_owned()]));
    assert_eq!(with(known(2, true, &[])), (Partly, vec![".chora/answers.yaml minimal is at version 1, there is 2".to_owned()]));
    assert_eq!(with(known(1, true, &[])).0, Partly);
    assert_eq!(with(known(1, false, &["justfile"])), (Partly, vec!["justfile it was deleted".to_owned()]));
}
