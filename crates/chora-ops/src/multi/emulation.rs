//! Whether a machine can build for another architecture: only a build that runs none of its programs, or with an emulator.

use std::path::Path;

use chora_core::ports::engine::EngineFacts;
use chora_syntax::dockerfile::{self, Dockerfile, InstructionKind, Stage};

use crate::failure::{Failure, FailureKind};
use crate::project::Project;

/// Where Linux says which emulators it has (kernel documentation, binfmt-misc.rst).
const EMULATORS: &str = "/proc/sys/fs/binfmt_misc";
/// What builds name the platform of their own machine by.
const OWN_PLATFORM: &str = "BUILDPLATFORM";

/// Refuses platforms that are none, and those whose build would run programs that the machine cannot.
///
/// # Errors
/// Invalid, with what to do.
pub(crate) fn check(project: &Project, name: &str, platforms: &[String], machine: &EngineFacts) -> Result<(), Failure> {
    for platform in platforms {
        let mut words = platform.split('/');
        let (os, arch) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        if os != machine.os || arch.is_empty() {
            let failure = Failure::new(FailureKind::Invalid, format!("`{platform}` is no platform that this engine builds for"));
            return Err(failure
                .state("nothing was built")
                .hint(format!("name some such as {}/amd64 and {}/arm64", machine.os, machine.os)));
        }
        if arch == machine.arch || is_emulated(arch, machine) {
            continue;
        }
        let own = format!("{}/{}", machine.os, machine.arch);
        if let Some(line) = runs_programs(project, name, &|platform| platform == own) {
            let said = format!(
                "the build of `{name}` for {platform} would run programs of {arch} (line {line} of its Dockerfile), and the engine's machine is {}",
                machine.arch
            );
            let hint = format!(
                "build it on a machine with {arch}, which may be a node of a builder of buildx; or install an emulator there \
                 (`apt-get install qemu-user-static`); or run what has to be run in a stage `FROM --platform=$BUILDPLATFORM` and copy \
                 the result"
            );
            return Err(Failure::new(FailureKind::Invalid, said).state("nothing was built").hint(hint));
        }
    }
    Ok(())
}

/// Whether the engine's machine runs programs of another architecture. Of another machine than this one it is not known: there
/// the build says it.
fn is_emulated(arch: &str, machine: &EngineFacts) -> bool {
    let kernel = match arch {
        "amd64" => "x86_64",
        "arm64" => "aarch64",
        "386" => "i386",
        other => other,
    };
    !machine.same_files || Path::new(EMULATORS).join(format!("qemu-{kernel}")).exists()
}

/// The first line by which a build runs a program of the platform that it is for; `is_own` tells a platform of the machine that builds.
pub(super) fn runs_programs(project: &Project, name: &str, is_own: &dyn Fn(&str) -> bool) -> Option<usize> {
    let build = project.stack.services.get(name)?.build.as_ref()?;
    let path = Path::new(&build.context).join(build.dockerfile.as_deref().unwrap_or("Dockerfile"));
    let text = build.dockerfile_inline.clone().or_else(|| std::fs::read_to_string(&path).ok())?;
    first_run(&dockerfile::parse(&text, &path.display().to_string()).ok()?, build.target.as_deref(), is_own)
}

fn first_run(dockerfile: &Dockerfile, target: Option<&str>, is_own: &dyn Fn(&str) -> bool) -> Option<usize> {
    let mut needed: Vec<&Stage> = Vec::new();
    let mut open: Vec<&Stage> = dockerfile.target(target).into_iter().collect();
    while let Some(stage) = open.pop() {
        if needed.iter().any(|known| known.line == stage.line) {
            continue;
        }
        needed.push(stage);
        open.extend(
            std::iter::once(&stage.base)
                .chain(&stage.copied_from)
                .filter(|name| dockerfile.is_stage(name))
                .filter_map(|name| dockerfile.target(Some(name))),
        );
    }
    let names_own = |platform: &str| platform.contains(OWN_PLATFORM) || is_own(platform);
    let is_built_here = |stage: &&Stage| dockerfile.chain(stage).any(|stage| stage.platform.as_deref().is_some_and(names_own));
    let foreign = needed.into_iter().filter(|stage| !is_built_here(stage));
    let runs = foreign.flat_map(|stage| &stage.instructions).filter(|instruction| matches!(instruction.kind, InstructionKind::Run { .. }));
    runs.map(|instruction| instruction.line).min()
}

#[cfg(test)]
mod tests {
    use super::first_run;
    use chora_syntax::dockerfile::parse;

    #[test]
    fn only_what_runs_on_the_other_platform_counts() {
        for (text, expected) in [
            ("FROM scratch\nCOPY a /a\n", None),
            ("FROM debian\nRUN make\n", Some(2)),
            ("FROM --platform=$BUILDPLATFORM go AS build\nRUN make\nFROM scratch\nCOPY --from=build /a /a\n", None),
            ("FROM --platform=$BUILDPLATFORM go AS base\nFROM base AS build\nRUN make\nFROM scratch\nCOPY --from=build /a /a\n", None),
            ("FROM --platform=linux/amd64 go AS build\nRUN make\nFROM scratch\nCOPY --from=build /a /a\n", None),
            ("FROM --platform=linux/arm64 go AS build\nRUN make\nFROM scratch\nCOPY --from=build /a /a\n", Some(2)),
            ("FROM go AS build\nRUN make\nFROM scratch\nCOPY --from=build /a /a\n", Some(2)),
            ("FROM go AS test\nRUN test\nFROM scratch\nCOPY a /a\n", None),
        ] {
            assert_eq!(first_run(&parse(text, "Dockerfile").unwrap(), None, &|platform| platform == "linux/amd64"), expected, "{text}");
        }
    }
}
