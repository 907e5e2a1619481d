//! What an image should be: features of Dockerfiles and of build contexts.

mod contents;
mod health;
mod install;
mod stages;
mod start;
mod user;

use chora_syntax::dockerfile::{Dockerfile, Instruction, Stage};

use super::feature::{Area, Feature, Lines};
use super::marks::{Evidence, Marks};
use super::phase::Phase;
use super::subject::{ImageFile, Subject};

const fn image(id: &'static str, title: &'static str, weight: u8, minutes: u16) -> Feature {
    Feature { id, title, area: Area::Image, weight, minutes, phase: Phase::Image, check: readable, change: "", lines: Lines::None }
}

pub(super) static FEATURES: [Feature; 12] = [
    Feature {
        phase: Phase::Readable,
        change: "Write the Dockerfile, or mend what the evidence names; `chora init --dry-run` shows one that fits the project.",
        ..image("image.dockerfile", "the Dockerfile is there and can be read", 8, 30)
    },
    Feature {
        phase: Phase::Safety,
        check: contents::secrets,
        change: "Take secrets out of ARG, ENV and COPY: give them to the container as files, and to a build with `RUN --mount=type=secret`. \
                 Replace every value that was in an image: whoever has the image has it.",
        lines: Lines::Dockerfile("RUN --mount=type=secret,id=token TOKEN=\"$(cat /run/secrets/token)\" ./fetch-dependencies"),
        ..image("image.secrets", "no secret in ARG, ENV or COPY", 10, 20)
    },
    Feature {
        phase: Phase::Safety,
        check: contents::ignored,
        change: "Keep version control, environment files and secrets out of the build context.",
        lines: Lines::File(".dockerignore", ".git\n.env\n.env.*\nsecrets\n**/*.pem\n**/*.key\n"),
        ..image("image.dockerignore", ".dockerignore keeps .git, .env and secrets out", 6, 5)
    },
    Feature {
        check: user::fixed,
        change: "Make a user with a fixed id and switch to it in the last stage, so that files on volumes keep their owner.",
        lines: Lines::Dockerfile(
            "RUN groupadd --gid 10001 app && useradd --uid 10001 --gid app --no-create-home --shell /usr/sbin/nologin app\nUSER 10001:10001",
        ),
        ..image("image.user", "it runs as a user with a fixed id, not as root", 10, 15)
    },
    Feature {
        check: stages::pinned,
        change: "Name every base image by a version, better by digest: `image:tag@sha256:…` is the same tomorrow.",
        lines: Lines::Commands(&["docker buildx imagetools inspect IMAGE:TAG --format '{{.Manifest.Digest}}'"]),
        ..image("image.base", "base images are pinned", 8, 10)
    },
    Feature {
        check: stages::several,
        change: "Build in a first stage and copy only what runs into the last one: compilers and caches stay out of the image.",
        lines: Lines::Dockerfile("FROM IMAGE AS build\n# … install and build …\n\nFROM IMAGE\nCOPY --from=build /app /app"),
        ..image("image.stages", "what builds it stays out: several stages", 6, 30)
    },
    Feature {
        check: install::before_source,
        change: "Copy manifest and lock file, install, then copy the source: an edit of the source installs nothing anew.",
        lines: Lines::Dockerfile("COPY MANIFEST LOCKFILE ./\nRUN INSTALL\nCOPY . ."),
        ..image("image.layers", "dependencies are installed before the source is copied", 6, 10)
    },
    Feature {
        check: install::cached,
        change: "Mount a cache where dependencies are installed: what was downloaded once is there for the next build, and not in the image.",
        lines: Lines::Dockerfile("RUN --mount=type=cache,target=/cache PIP_CACHE_DIR=/cache pip install -r requirements.txt"),
        ..image("image.cache", "caches are mounted where dependencies are installed", 4, 5)
    },
    Feature {
        check: contents::labels,
        change: "Say in the last stage which version, revision and build it is; labels of other stages are lost.",
        lines: Lines::Dockerfile(
            "ARG VERSION=dev\nARG BUILD_DATE=\nARG VCS_REF=\nLABEL org.opencontainers.image.version=\"${VERSION}\" \\\n      \
             org.opencontainers.image.created=\"${BUILD_DATE}\" \\\n      org.opencontainers.image.revision=\"${VCS_REF}\"",
        ),
        ..image("image.labels", "the last stage has OCI labels: version, created, revision", 4, 10)
    },
    Feature {
        check: start::exec_form,
        change: "Write CMD and ENTRYPOINT as lists: without a shell between them the program hears the signal to stop.",
        lines: Lines::Dockerfile("CMD [\"PROGRAM\", \"ARGUMENT\"]"),
        ..image("image.start", "CMD and ENTRYPOINT have the exec form", 4, 5)
    },
    Feature {
        check: health::no_curl,
        change: "Ask with what the image has anyway: its language, `bash` on /dev/tcp, or Chora from outside (`health` in chora.yaml).",
        lines: Lines::Either(
            "HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \\\n    CMD [\"python\", \"-c\", \"import urllib.request; \
             urllib.request.urlopen('http://127.0.0.1:8000/health', timeout=2)\"]",
            "healthcheck:\n  test: [\"CMD\", \"bash\", \"-c\", \"exec 3<>/dev/tcp/127.0.0.1/PORT\"]",
        ),
        ..image("image.health-tool", "health checks need no curl, wget, pgrep or nc", 3, 10)
    },
    Feature {
        check: stages::runtime_last,
        change: "Put the stage for production last, or name it with `build.target`: the last stage is what is built when none is named.",
        ..image("image.last-stage", "what is built is not the stage for development or tests", 5, 10)
    },
];

/// An image that can be judged.
pub(super) struct Target<'a> {
    pub(super) image: &'a ImageFile,
    pub(super) file: &'a Dockerfile,
    pub(super) stage: &'a Stage,
}

impl<'a> Target<'a> {
    /// Something at a line.
    fn at(&self, line: usize, note: impl Into<String>) -> Evidence {
        Evidence::in_file(&self.image.path, Some(line), note)
    }

    /// The instructions that make the image, the last first; those of other stages are not in it.
    fn backwards(&self) -> impl Iterator<Item = &'a Instruction> {
        self.file.chain(self.stage).flat_map(|stage| stage.instructions.iter().rev())
    }
}

/// Judges every image that can be read; what cannot is unknown.
fn each(subject: &Subject, marks: &mut Marks, judge: impl Fn(&Target<'_>, &mut Marks)) {
    for image in &subject.images {
        match image.target() {
            Some((file, stage)) => judge(&Target { image, file, stage }, marks),
            None => marks.unknown(Evidence::in_file(&image.path, None, "it cannot be read")),
        }
    }
}

fn readable(subject: &Subject, marks: &mut Marks) {
    for image in &subject.images {
        match (&image.file, image.target()) {
            (Ok(_), Some((_, stage))) => marks.good(Evidence::in_file(&image.path, Some(stage.line), "this stage is built")),
            (Ok(_), None) => {
                let target = image.target.as_deref().unwrap_or_default();
                marks.bad(Evidence::in_file(&image.path, None, format!("there is no stage `{target}`")));
            }
            (Err(reasons), _) => reasons.iter().for_each(|reason| marks.bad(reason.clone())),
        }
    }
}

#[cfg(test)]
mod tests;
