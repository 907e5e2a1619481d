//! What a project needs around its image and its stack: features of the repository.

mod environments;
mod files;
mod recipes;

use super::feature::{Area, Feature, Lines};
use super::phase::Phase;

const fn project(id: &'static str, title: &'static str, weight: u8, minutes: u16) -> Feature {
    let check = environments::readable;
    Feature { id, title, area: Area::Project, weight, minutes, phase: Phase::Project, check, change: "", lines: Lines::None }
}

pub(super) static FEATURES: [Feature; 11] = [
    Feature {
        phase: Phase::Readable,
        change: "Mend what the evidence names; `chora schema` describes the file.",
        ..project("project.manifest", "chora.yaml can be read", 4, 10)
    },
    Feature {
        phase: Phase::Safety,
        check: files::environment_ignored,
        change: "Keep files with values of one machine out of version control. Is one in already, `git rm --cached` takes it out, and what was in it \
                 is known: replace it.",
        lines: Lines::File(".gitignore", ".env\n.env.local\n"),
        ..project("project.env-ignored", "Git leaves .env and .env.local out", 7, 5)
    },
    Feature {
        phase: Phase::Safety,
        check: files::secrets_ignored,
        change: "Keep the files that hold secrets out of version control.",
        lines: Lines::File("secrets/.gitignore", "*\n!.gitignore\n"),
        ..project("project.secrets-ignored", "Git leaves the files with secrets out", 7, 5)
    },
    Feature {
        check: environments::described,
        change: "Say in chora.yaml which Compose files make which environment.",
        lines: Lines::Made(environments::first_manifest),
        ..project("project.environments", "chora.yaml names development and production", 6, 10)
    },
    Feature {
        check: environments::health,
        change: "Have the gate ask what users ask: an endpoint, or for an MCP server the handshake and its list of tools.",
        lines: Lines::Made(environments::levels),
        ..project("project.health", "chora.yaml says how each service is asked from outside", 6, 15)
    },
    Feature {
        check: environments::contract,
        change: "Record what the MCP server offers, so that a release that breaks it is refused.",
        lines: Lines::Commands(&["chora up", "chora contract record --env development"]),
        ..project("project.contract", "the contract of the MCP server is recorded", 3, 10)
    },
    Feature {
        check: files::environment_files,
        change: "Commit what is the same everywhere, and an example of what is not.",
        lines: Lines::File(".env.example", "# Copy to .env.local, which is yours alone.\nLOG_LEVEL=debug\n"),
        ..project("project.env-files", ".env.defaults and .env.example are there", 3, 10)
    },
    Feature {
        check: files::pattern,
        change: "Bring the files up to date with their pattern, edits kept; a project without one sees by the dry run what it would be given.",
        lines: Lines::Made(files::pattern_lines),
        ..project("project.pattern", "a pattern is recorded, and the files are up to date with it", 4, 15)
    },
    Feature {
        phase: Phase::Work,
        check: recipes::recipes,
        change: "Write down how it is built, started, stopped, watched and asked, as a justfile or a Makefile.",
        lines: Lines::File(
            "justfile",
            "build:\n    chora build\n\nup:\n    chora up\n\ndown:\n    chora down\n\nlogs:\n    chora logs --env development --follow\n\n\
             health:\n    chora health\n",
        ),
        ..project("project.recipes", "recipes: build, up, down, logs, health", 4, 15)
    },
    Feature {
        phase: Phase::Work,
        check: recipes::ci,
        change: "Build the image, resolve every environment and audit the project on every push.",
        lines: Lines::Made(recipes::workflow),
        ..project("project.ci", "CI builds the image and checks the stack", 5, 30)
    },
    Feature {
        phase: Phase::Work,
        check: files::guides,
        change: "Write down how it is set up, how it is deployed, and what to do when it fails.",
        ..project("project.guides", "guides: set-up, production, troubleshooting", 4, 45)
    },
];

#[cfg(test)]
mod tests;
