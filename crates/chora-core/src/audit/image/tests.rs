use crate::audit::marks::FeatureState::{Adopted, Missing, NotApplicable, Partly, Unknown};
use crate::audit::tests::{GOOD_IMAGE, Made, table};

fn image(text: &str) -> Made {
    Made::new().image(text)
}

#[test]
fn a_dockerfile_that_cannot_be_read_is_told() {
    table("image.dockerfile", image, &[(GOOD_IMAGE, Adopted, "Dockerfile:6"), ("FRM x\n", Missing, "Dockerfile:1 broken")]);
    table("image.user", image, &[("FRM x\n", Unknown, "Dockerfile it cannot be read")]);
    assert_eq!(Made::new().judged("image.dockerfile").0, NotApplicable);
    let other = Made::new().image("FROM a AS b\n").with(|subject| subject.images[0].target = Some("c".to_owned()));
    assert_eq!(other.judged("image.dockerfile"), (Missing, vec!["Dockerfile there is no stage `c`".to_owned()]));
}

#[test]
fn secrets_are_found_and_never_shown() {
    let cases = [
        (GOOD_IMAGE, Adopted, "none is named"),
        ("FROM a\nARG GITHUB_TOKEN\n", Missing, "Dockerfile:2 ARG GITHUB_TOKEN"),
        ("FROM a AS b\nENV A=1 \\\n    DB_PASSWORD=hunter2\nFROM a\n", Missing, "Dockerfile:2 ENV DB_PASSWORD"),
        ("FROM a\nENV DATABASE_URL=postgres://u:hunter2@db/x\n", Missing, "ENV DATABASE_URL"),
        ("FROM a\nCOPY .env /app/\n", Missing, "Dockerfile:2 `.env` is copied"),
        ("FROM a\nADD tls/server.key /\n", Missing, "`tls/server.key`"),
        ("FROM a\nENV DB_PASSWORD_FILE=/run/secrets/p MAX_TOKENS=5 API_KEY=\nCOPY .env.example .\n", Adopted, ""),
    ];
    table("image.secrets", image, &cases);
    for (text, ..) in cases {
        let (_, evidence) = image(text).judged("image.secrets");
        assert!(!evidence.concat().contains("hunter2"), "{evidence:?}");
    }
}

#[test]
fn what_stays_out_of_the_context() {
    let ignoring = |text: &str| image(GOOD_IMAGE).ignore(text, &["secrets/key.txt"]);
    table(
        "image.dockerignore",
        ignoring,
        &[
            (".git\n.env*\nsecrets\n", Adopted, ".dockerignore keeps them out"),
            ("*\n!src\n", Adopted, ""),
            (".git\n", Partly, "lets .env, .env.local and secrets/key.txt into"),
            ("node_modules\n", Missing, "lets .git"),
            (".git\n.env*\nsecrets\n!secrets/key.txt\n", Partly, "lets secrets/key.txt"),
        ],
    );
    table("image.dockerignore", image, &[(GOOD_IMAGE, Missing, ".dockerignore there is none")]);
}

#[test]
fn whom_it_runs_as() {
    table(
        "image.user",
        image,
        &[
            (GOOD_IMAGE, Adopted, "Dockerfile:8 USER 10001:10001"),
            ("FROM a\n", Missing, "Dockerfile:1 no USER"),
            ("FROM a\nUSER 0\n", Missing, "Dockerfile:2 it runs as root"),
            ("FROM a\nUSER 5\nUSER root:root\n", Missing, "Dockerfile:3 it runs as root"),
            ("FROM a\nUSER app\n", Partly, "Dockerfile:2 user `app` has no fixed id"),
            ("FROM a\nRUN useradd app\nUSER app\n", Partly, ""),
            ("FROM a\nRUN groupadd x && useradd --uid 1000 app\nUSER app\n", Adopted, "USER app"),
            ("FROM a\nRUN adduser -D -u 1000 app\nUSER app:app\n", Adopted, ""),
            ("FROM a\nARG ID=1000\nUSER $ID\n", Adopted, "USER 1000"),
            ("FROM a\nUSER $ID\n", Partly, "not known"),
            ("FROM a AS b\nUSER 7\nFROM a\n", Missing, "Dockerfile:3 no USER"),
            ("FROM a AS b\nUSER 7\nFROM b\n", Adopted, "Dockerfile:2 USER 7"),
            ("FROM gcr.io/distroless/static:nonroot\n", Adopted, "of its own"),
        ],
    );
}

#[test]
fn what_it_is_made_from() {
    table(
        "image.base",
        image,
        &[
            (GOOD_IMAGE, Adopted, "Dockerfile:1 `python:3.12-slim-bookworm` by version"),
            ("FROM a@sha256:00\n", Adopted, "by digest"),
            ("FROM scratch\n", NotApplicable, ""),
            ("FROM python\n", Missing, "Dockerfile:1 `python` is another"),
            ("FROM node:lts AS a\nFROM node:22\nCOPY --from=a /x /\nCOPY --from=busybox /y /\n", Partly, "Dockerfile:4 `busybox`"),
            ("ARG BASE=a:1\nFROM $BASE\n", Adopted, "`a:1`"),
            ("FROM $BASE\n", Partly, "`$BASE` is not known"),
            ("FROM a:1 AS b\nFROM b\n", Adopted, ""),
        ],
    );
    table(
        "image.stages",
        image,
        &[
            (GOOD_IMAGE, Adopted, "Dockerfile:7 copied"),
            ("FROM a:1\nCOPY . .\n", Missing, "Dockerfile:1 one stage"),
            ("FROM a:1 AS b\nFROM a:1\nCOPY . .\n", Partly, "Dockerfile:2 no stage hands"),
            ("FROM a:1 AS b\nFROM a:1\nRUN apt-get install -y gcc\nCOPY --from=b /x /\n", Partly, "Dockerfile:3 `gcc`"),
            ("FROM a:1\nRUN apk add build-base\n", Missing, "`build-base`"),
            ("FROM a:1 AS b\nFROM a:1\nRUN apt-get install gcc && pip install x && apt-get purge gcc\nCOPY --from=0 /x /\n", Adopted, ""),
        ],
    );
    table(
        "image.last-stage",
        image,
        &[
            (GOOD_IMAGE, Adopted, "Dockerfile:6"),
            ("FROM a AS runtime\nFROM a AS Development\n", Missing, "Dockerfile:2 stage `Development`"),
            ("FROM a AS build\n", Adopted, ""),
        ],
    );
}

#[test]
fn how_dependencies_get_in() {
    table(
        "image.layers",
        image,
        &[
            (GOOD_IMAGE, Adopted, "Dockerfile:3 installed before"),
            ("FROM a\nCOPY . .\nRUN pip install -r requirements.txt\n", Missing, "Dockerfile:2 the source is copied before line 3"),
            ("FROM a\nCOPY pyproject.toml README.md ./\nCOPY src/ src/\nRUN pip install .\n", Missing, "Dockerfile:3"),
            ("FROM a\nRUN pip install poetry==2\nCOPY . .\nRUN poetry install\n", Missing, "Dockerfile:3"),
            ("FROM a\nCOPY . .\nRUN --mount=type=cache,target=/c cargo build --release\n", Partly, "from a cache"),
            ("FROM a\nCOPY go.mod go.su[m] ./\nRUN go mod download\nCOPY . .\nRUN go build\n", Adopted, "Dockerfile:3"),
            ("FROM a\nCOPY package*.json ./\nRUN npm \\\n  ci\nCOPY . .\n", Adopted, ""),
            ("FROM a\nCOPY . .\nCMD [\"x\"]\n", NotApplicable, ""),
            ("FROM a AS b\nRUN x\nFROM a\nCOPY --from=b /all /all\nRUN npm ci\n", Adopted, ""),
        ],
    );
    table(
        "image.cache",
        image,
        &[
            (GOOD_IMAGE, Adopted, "Dockerfile:3 a cache"),
            ("FROM a\nRUN pip install --no-cache-dir -r r.txt\n", Missing, "Dockerfile:2 no cache"),
            ("FROM a\nRUN --mount=target=/c,type=cache npm ci\nRUN npm install x\n", Partly, "Dockerfile:3"),
            ("FROM a\nRUN pip install -U pip setuptools\n", NotApplicable, ""),
        ],
    );
}

#[test]
fn what_it_says_about_itself() {
    table(
        "image.labels",
        image,
        &[
            (GOOD_IMAGE, Adopted, "Dockerfile:11"),
            ("FROM a\nLABEL org.opencontainers.image.version=1\n", Partly, "Dockerfile:2 no label says created and revision"),
            ("FROM a\nLABEL version=1\n", Missing, "Dockerfile:1 it has no OCI label"),
            ("FROM a AS build\nLABEL org.opencontainers.image.version=1\nFROM a\n", Missing, "Dockerfile:2 labels of `build`"),
        ],
    );
    table(
        "image.start",
        image,
        &[
            (GOOD_IMAGE, Adopted, "Dockerfile:10 CMD"),
            ("FROM a\nCMD python x.py\n", Missing, "Dockerfile:2 CMD in shell form"),
            ("FROM a\nENTRYPOINT [\"/e\"]\nCMD x\n", Partly, "Dockerfile:3"),
            ("FROM a\nCMD exec python x.py\n", Adopted, ""),
            ("FROM a\n", NotApplicable, ""),
        ],
    );
}

#[test]
fn checks_need_nothing_that_the_image_may_not_have() {
    table(
        "image.health-tool",
        image,
        &[
            (GOOD_IMAGE, Adopted, "Dockerfile:9"),
            ("FROM a\nHEALTHCHECK CMD curl -f http://localhost || exit 1\n", Missing, "Dockerfile:2 HEALTHCHECK needs `curl`"),
            ("FROM a\nHEALTHCHECK CMD [\"/usr/bin/wget\", \"x\"]\n", Missing, "`wget`"),
            ("FROM a\nHEALTHCHECK CMD pgrep -f server\n", Missing, "`pgrep`"),
            ("FROM a\nHEALTHCHECK NONE\n", NotApplicable, ""),
        ],
    );
    let stack = |text: &str| Made::new().stack(text);
    let with = "services:\n  n8n:\n    image: n8nio/n8n:1\n    healthcheck:\n      test: wget -q x\n";
    table("image.health-tool", stack, &[(with, Missing, "production.yaml:5 n8n: the check needs `wget`")]);
}
