use indexmap::IndexMap;

use super::{Healthcheck, InstructionKind, Start, parse};

const TEXT: &str = r#"# syntax=docker/dockerfile:1
ARG BASE=debian:12
ARG REGISTRY
FROM --platform=$BUILDPLATFORM rust:1.95 AS build
RUN --mount=type=cache,target=/c --mount=type=bind,from=tools:2,target=/t cargo build
FROM ${BASE} AS base
HEALTHCHECK --interval=5s --retries=3 CMD ["/probe", "http"]
EXPOSE 80 443/tcp
FROM base
COPY --from=build --chmod=755 /a /b
COPY --from=busybox:1 /x /y
COPY <<EOF /etc/file
text
EOF
EXPOSE 9000
"#;

#[test]
fn stages_images_and_features_are_found() {
    let file = parse(TEXT, "Dockerfile").unwrap();
    assert_eq!(file.syntax.as_deref(), Some("docker/dockerfile:1"));
    assert_eq!(file.stages.len(), 3);
    assert_eq!(file.images(&IndexMap::new()), ["rust:1.95", "tools:2", "debian:12", "busybox:1"]);
    let args = IndexMap::from([("BASE".to_owned(), "alpine:3".to_owned())]);
    assert_eq!(file.images(&args)[2], "alpine:3");
    let features: Vec<String> = file.buildkit_features.iter().map(|feature| format!("{}:{}", feature.line, feature.name)).collect();
    assert_eq!(features, ["5:RUN --mount", "5:RUN --mount", "10:COPY --chmod", "12:a here-document"]);
    let last = file.target(None).unwrap();
    assert_eq!(file.exposed(last), ["9000", "80", "443/tcp"]);
    assert!(matches!(file.healthcheck(last), Some(Healthcheck::Command { words, is_shell: false, .. }) if words == &["/probe", "http"]));
    assert_eq!(file.target(Some("build")).unwrap().platform.as_deref(), Some("$BUILDPLATFORM"));
    assert_eq!(file.target(Some("1")).unwrap().base, "${BASE}");
    assert!(file.target(Some("none")).is_none());
}

#[test]
fn instructions_have_their_lines_and_their_words() {
    let text = "# escape=`\nARG ID=1000\nFROM a AS b\n\n# why\nRUN --mount=type=cache,target=/c apt-get update `\n  # within\n  && x\n\
        ENV A=1 `\n    TOKEN=\"a b\"\nFROM b\nARG ID\nUSER ${ID}:${ID}\nRUN <<EOF\npip install -r x\nEOF\nCOPY --from=b /x y z /to/\n\
        LABEL k=v\nENTRYPOINT [\"/a\", \"b\"]\nCMD run it\nHEALTHCHECK NONE\n";
    let file = parse(text, "Dockerfile").unwrap();
    let lines: Vec<(usize, Vec<usize>)> =
        file.stages.iter().map(|stage| (stage.line, stage.instructions.iter().map(|one| one.line).collect())).collect();
    assert_eq!(lines, [(3, vec![6, 9]), (11, vec![12, 13, 14, 17, 18, 19, 20, 21])]);
    let kinds: Vec<&InstructionKind> = file.stages.iter().flat_map(|stage| &stage.instructions).map(|one| &one.kind).collect();
    assert!(
        matches!(kinds[0], InstructionKind::Run { mounts, command } if mounts == &["type=cache,target=/c"] && command.contains("&& x"))
    );
    assert_eq!(kinds[1], &InstructionKind::Env(vec![("A".into(), "1".into()), ("TOKEN".into(), "a b".into())]));
    assert!(matches!(kinds[4], InstructionKind::Run { command, .. } if command.contains("pip install -r x")));
    assert_eq!(kinds[5], &InstructionKind::Copy { sources: vec!["/x".into(), "y".into(), "z".into()], from: Some("b".into()) });
    assert_eq!(kinds[7], &InstructionKind::Entrypoint(Start { words: vec!["/a".into(), "b".into()], is_shell: false }));
    assert_eq!(kinds[8], &InstructionKind::Cmd(Start { words: vec!["run it".into()], is_shell: true }));
    assert_eq!(file.replaced(&file.stages[1], "${ID}:$NONE"), "1000:");
    assert!(file.is_stage("b") && file.is_stage("1") && !file.is_stage("2"));
}

#[test]
fn a_plain_file_needs_no_buildkit() {
    let file = parse("FROM scratch\nCOPY --chown=1:1 a /a\nHEALTHCHECK NONE\nCMD [\"/a\"]\n", "Dockerfile").unwrap();
    assert!(!file.needs_buildkit());
    assert!(file.images(&IndexMap::new()).is_empty());
    assert_eq!(file.healthcheck(&file.stages[0]), Some(&Healthcheck::Disabled));
}

#[test]
fn a_broken_file_is_reported_at_its_place() {
    let problems = parse("FROM a\nRUNN b\n", "Dockerfile").unwrap_err();
    insta::assert_snapshot!(problems.render(false), @r#"
    error: broken Dockerfile: unknown instruction 'RUNN'
     --> Dockerfile:2:1
      |
    2 | RUNN b
      | ^
    "#);
    assert!(parse("", "Dockerfile").is_err());
}

proptest::proptest! {
    #[test]
    fn no_text_panics(text in "(FROM|RUN|COPY|ADD|ARG|ENV|LABEL|USER|CMD|EXPOSE|HEALTHCHECK)[ -=<>a-z\\[\\]\"\\\\\n]{0,40}") {
        let _ = parse(&text, "Dockerfile");
        let _ = parse(&format!("FROM a\n{text}"), "Dockerfile").map(|file| {
            for stage in &file.stages {
                let _ = (file.chain(stage).count(), file.replaced(stage, &text));
            }
            file.images(&IndexMap::new())
        });
    }
}
