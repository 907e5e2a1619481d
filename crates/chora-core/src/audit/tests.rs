//! What the tables of tests share, and the whole: percentage and plan.

use std::path::Path;

use chora_syntax::compose::{ResolveRequest, resolve};
use chora_syntax::dockerignore::Dockerignore;
use chora_syntax::manifest::EnvironmentClass;
use chora_syntax::{MemoryFiles, dockerfile, manifest};

use super::marks::{Evidence, FeatureState};
use super::subject::{EnvironmentFiles, IgnoreFile, ImageFile, ManifestFile, ResolvedStack, Subject};
use super::{Audit, features, judge, reference};

/// A Dockerfile that has everything.
pub(super) const GOOD_IMAGE: &str = r#"FROM python:3.12-slim-bookworm AS build
COPY requirements.txt ./
RUN --mount=type=cache,target=/root/.cache/pip pip install -r requirements.txt
COPY . .

FROM python:3.12-slim-bookworm
COPY --from=build /app /app
USER 10001:10001
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 CMD ["python", "-c", "pass"]
CMD ["python", "-m", "notes"]
LABEL org.opencontainers.image.version=1 org.opencontainers.image.created=x org.opencontainers.image.revision=y
"#;

/// A stack that has everything.
pub(super) const GOOD_STACK: &str = r#"services:
  web:
    build: .
    init: true
    read_only: true
    restart: unless-stopped
    stop_grace_period: 10s
    security_opt: ["no-new-privileges:true"]
    cap_drop: [ALL]
    logging: { driver: json-file, options: { max-size: 10m, max-file: "3" } }
    deploy: { resources: { limits: { cpus: "1", memory: 1G, pids: 100 } } }
    ports: ["127.0.0.1:8000:8000"]
"#;

/// A project in memory; nothing of it is there before it is given.
#[derive(Default)]
pub(super) struct Made(Subject);

impl Made {
    pub(super) fn new() -> Self {
        Self(Subject { directory: "/p".to_owned(), ..Subject::default() })
    }

    pub(super) fn image(mut self, text: &str) -> Self {
        let file = dockerfile::parse(text, "Dockerfile");
        self.0.images.push(ImageFile {
            path: "Dockerfile".to_owned(),
            context: "/p".to_owned(),
            dockerfile: Some("Dockerfile".to_owned()),
            target: None,
            file: file.map_err(|_| vec![Evidence::in_file("Dockerfile", Some(1), "broken")]),
            ignore: None,
            secrets: Vec::new(),
        });
        self
    }

    pub(super) fn ignore(mut self, text: &str, secrets: &[&str]) -> Self {
        let image = self.0.images.last_mut().unwrap();
        image.ignore = Some(IgnoreFile { path: ".dockerignore".to_owned(), rules: Dockerignore::parse(text) });
        image.secrets = secrets.iter().map(|path| (*path).to_owned()).collect();
        self
    }

    pub(super) fn stack(self, text: &str) -> Self {
        self.environment("production", EnvironmentClass::Production, text)
    }

    pub(super) fn environment(mut self, name: &str, class: EnvironmentClass, text: &str) -> Self {
        let file = format!("{name}.yaml");
        let files = MemoryFiles::default().with(Path::new("/p").join(&file), text);
        let request = ResolveRequest { project_dir: "/p".into(), compose_files: vec![file.clone().into()], ..ResolveRequest::default() };
        let stack = match resolve(&files, &request) {
            Ok(resolved) => Ok(ResolvedStack { stack: resolved.stack, written: resolved.written, unset: Vec::new() }),
            Err(problems) => Err(problems.0.iter().map(|problem| Evidence::in_file(&file, None, &problem.message)).collect()),
        };
        self.0.environments.push(EnvironmentFiles { name: name.to_owned(), class, files: vec![file], stack });
        self
    }

    pub(super) fn manifest(mut self, text: &str) -> Self {
        self.0.manifest = ManifestFile::Read(Box::new(manifest::parse(text, "chora.yaml").unwrap()), text.to_owned());
        self
    }

    pub(super) fn with(mut self, change: impl FnOnce(&mut Subject)) -> Self {
        change(&mut self.0);
        self
    }

    /// Whether a feature is adopted, and the evidence, each piece as `place note`.
    pub(super) fn judged(&self, id: &str) -> (FeatureState, Vec<String>) {
        let audit = judge(&self.0);
        let feature = audit.features.into_iter().find(|feature| feature.id == id).unwrap();
        let line = |evidence: &Evidence| format!("{} {}", evidence.place(), evidence.note).trim().to_owned();
        (feature.state, feature.evidence.iter().map(line).collect())
    }

    pub(super) fn audit(&self) -> Audit {
        judge(&self.0)
    }
}

/// Holds a table against a feature: what is made of each text, the state, and a part of the evidence.
pub(super) fn table(id: &str, make: impl Fn(&str) -> Made, cases: &[(&str, FeatureState, &str)]) {
    for (text, state, part) in cases {
        let (found, evidence) = make(text).judged(id);
        assert_eq!(found, *state, "{id}\n{text}\n{evidence:#?}");
        assert!(evidence.iter().any(|line| line.contains(part)) || part.is_empty(), "{id}\n{text}\n{part}\n{evidence:#?}");
    }
}

#[test]
fn features_have_names_of_their_own_and_say_what_to_do() {
    let mut ids: Vec<&str> = features().map(|feature| feature.id).collect();
    let all = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), all);
    for feature in features() {
        assert!((1..=10).contains(&feature.weight) && feature.minutes > 0, "{}", feature.id);
        assert!(feature.id.starts_with(&format!("{}.", feature.area.as_str())), "{}", feature.id);
        assert!(feature.change.ends_with('.') && !feature.title.ends_with('.'), "{}", feature.id);
        assert!(reference().contains(&format!("| `{}` |", feature.id)));
    }
}

fn good() -> Made {
    let manifest = "environments:\n  development: {}\n  production: {}\nservices:\n  web:\n    health:\n      endpoint: { tcp: 8000 }\n";
    let place = |file: &str| Some(chora_syntax::span::Place { file: file.to_owned(), line: 1 });
    Made::new()
        .image(GOOD_IMAGE)
        .ignore(".git\n.env*\n", &[])
        .stack(GOOD_STACK)
        .environment("test", EnvironmentClass::Development, "services:\n  web:\n    build: .\n")
        .manifest(manifest)
        .with(|subject| {
            let paths = [".env.defaults", ".env.example", "docs/DOCKER_SETUP.md", "docs/PRODUCTION.md", "docs/TROUBLESHOOTING.md"];
            subject.paths.extend(paths.map(str::to_owned));
            subject.ignored.extend([(".env".to_owned(), place(".gitignore")), (".env.local".to_owned(), place(".gitignore"))]);
            subject.texts.insert("justfile".to_owned(), "build:\nup:\ndown:\nlogs:\nhealth:\n".to_owned());
            subject.texts.insert(".github/workflows/ci.yml".to_owned(), "run: docker build .\n".to_owned());
            subject.is_repository = true;
            let (name, deleted) = ("minimal".to_owned(), Vec::new());
            subject.pattern = super::PatternState::Known { name, version: 1, latest: 1, is_behind: false, deleted };
        })
}

#[test]
fn a_project_that_has_everything_is_at_100_percent_and_has_no_plan() {
    let audit = good().audit();
    let open: Vec<_> =
        audit.features.iter().filter(|feature| matches!(feature.state, FeatureState::Partly | FeatureState::Missing)).collect();
    assert_eq!((audit.percent, open.len(), audit.counts.unknown), (100, 0, 0), "{open:#?}");
    assert!(audit.plan.phases.is_empty() && audit.plan.minutes == 0);
}

#[test]
fn the_plan_leads_to_100_percent_and_says_how_far_each_phase_comes() {
    let audit =
        Made::new().image("FROM python\nENV API_KEY=x\nCMD run\n").stack("services:\n  web:\n    build: .\n    privileged: true\n").audit();
    assert!(audit.percent < 30, "{}", audit.percent);
    let phases = &audit.plan.phases;
    let titles: Vec<&str> = phases.iter().map(|phase| phase.title.as_str()).collect();
    assert_eq!(
        titles,
        ["nothing that leaks or opens the machine", "the image", "the stack", "the project", "recipes, CI and guides", "the whole"]
    );
    assert!(phases.windows(2).all(|pair| pair[0].percent <= pair[1].percent));
    assert_eq!(phases.last().unwrap().percent, 100);
    let gains: f64 = phases.iter().flat_map(|phase| &phase.tasks).map(|task| task.gain).sum();
    assert!((f64::from(100 - audit.percent) - gains).abs() < 3.0, "{gains}");
    assert_eq!(audit.plan.minutes, phases.iter().map(|phase| phase.minutes).sum::<u16>());
    for phase in phases {
        assert!(!phase.check.is_empty() && !phase.tasks.is_empty(), "{}", phase.title);
        for (index, task) in phase.tasks.iter().enumerate() {
            assert_eq!(task.number, format!("{}.{}", phase.number, index + 1));
        }
    }
    // The heaviest task of a phase comes first, with what to write for the very service.
    let first = &phases[2].tasks[0];
    assert_eq!((first.feature.as_deref(), first.places.first().map(String::as_str)), (Some("stack.health"), Some("production.yaml:2")));
    let snippet = first.snippet.as_ref().unwrap();
    assert!(snippet.text.starts_with("services:\n  web:\n    healthcheck:\n"), "{}", snippet.text);
    assert_eq!(snippet.file.as_deref(), Some("production.yaml"));
    assert!(phases[0].rollback[0].starts_with("cp -a") && phases[0].commit.is_empty(), "it is no repository");
}

#[test]
fn a_phase_is_committed_and_taken_back_by_its_files() {
    let made = good().with(|subject| {
        subject.paths.remove(".env.example");
    });
    let audit = made.audit();
    assert!(audit.percent >= 98 && audit.percent < 100);
    let phase = &audit.plan.phases[0];
    assert_eq!(phase.commit, ["git add .env.example", "git commit -m \"docker: the project\""]);
    assert_eq!(phase.rollback[0], "git stash push --include-untracked -- .env.example   # before the commit");
    assert_eq!(phase.check, ["chora config --check", "chora config --check --env test", "chora audit --fail-under 100"]);
}

#[test]
fn what_cannot_be_read_is_one_finding_and_hides_nothing_else() {
    let audit =
        good().with(|subject| subject.environments[0].stack = Err(vec![Evidence::in_file("compose.yaml", Some(3), "broken")])).audit();
    let state = |id: &str| audit.features.iter().find(|feature| feature.id == id).unwrap().state;
    assert_eq!(
        [state("stack.resolves"), state("stack.limits"), state("image.user"), state("project.recipes")],
        [FeatureState::Partly, FeatureState::Unknown, FeatureState::Adopted, FeatureState::Adopted]
    );
    let tasks: Vec<_> = audit.plan.phases.iter().flat_map(|phase| &phase.tasks).filter_map(|task| task.feature.as_deref()).collect();
    assert_eq!(tasks, ["stack.resolves"]);
    assert!(audit.plan.phases[1].tasks[1].change.contains("could not be judged"));
    assert!(audit.percent < 70, "what is not known does not count as adopted: {}", audit.percent);
}
