//! Dockerfiles, as far as a build or an audit needs to know them: stages, their bases and instructions, arguments, what only
//! `BuildKit` can do.

mod instruction;
mod read;

use indexmap::IndexMap;

pub use instruction::{Instruction, InstructionKind, Start};
pub use read::parse;

use crate::template::{self, Variables};

/// What a Dockerfile says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dockerfile {
    /// The front end image of a `# syntax=` line.
    pub syntax: Option<String>,
    /// Arguments declared before the first stage, with their defaults.
    pub global_args: IndexMap<String, Option<String>>,
    /// The stages in order; at least one.
    pub stages: Vec<Stage>,
    /// What the classic builder refuses, in order.
    pub buildkit_features: Vec<Feature>,
}

/// One `FROM` and what follows it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stage {
    /// The name after `AS`.
    pub name: Option<String>,
    /// The image or stage that it starts from, variables as written.
    pub base: String,
    /// The value of `--platform`, variables as written.
    pub platform: Option<String>,
    /// Images and stages that `COPY --from` and `RUN --mount=from=` name.
    pub copied_from: Vec<String>,
    /// Its health check, when it has an instruction for it.
    pub healthcheck: Option<Healthcheck>,
    /// Ports of `EXPOSE`, as written.
    pub exposed: Vec<String>,
    /// The line of its `FROM`, counted from one.
    pub line: usize,
    /// What it says about the image, in order.
    pub instructions: Vec<Instruction>,
}

/// A `HEALTHCHECK` instruction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Healthcheck {
    /// `NONE`: a check of the base image is switched off.
    Disabled,
    /// A command, with options such as `interval` as written.
    Command {
        /// A list of words, or one shell line.
        words: Vec<String>,
        /// Whether it is a shell line.
        is_shell: bool,
        /// Options by name, without dashes.
        options: IndexMap<String, String>,
    },
}

/// Something that needs `BuildKit`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Feature {
    /// What it is, such as `RUN --mount`.
    pub name: String,
    /// The line of the instruction, counted from one.
    pub line: usize,
}

impl Dockerfile {
    /// Whether the classic builder cannot build it.
    #[must_use]
    pub const fn needs_buildkit(&self) -> bool {
        self.syntax.is_some() || !self.buildkit_features.is_empty()
    }

    /// The stage that is built: the one named, by name or number, or the last.
    #[must_use]
    pub fn target(&self, name: Option<&str>) -> Option<&Stage> {
        match name {
            Some(name) => self.stage_index(name).and_then(|index| self.stages.get(index)),
            None => self.stages.last(),
        }
    }

    fn stage_index(&self, name: &str) -> Option<usize> {
        let named = |stage: &Stage| stage.name.as_ref().is_some_and(|own| own.eq_ignore_ascii_case(name));
        self.stages.iter().position(named).or_else(|| name.parse().ok().filter(|index| *index < self.stages.len()))
    }

    /// The health check of a stage: its own, or that of the stages below it.
    #[must_use]
    pub fn healthcheck<'d>(&'d self, stage: &'d Stage) -> Option<&'d Healthcheck> {
        self.chain(stage).find_map(|stage| stage.healthcheck.as_ref())
    }

    /// The ports of a stage and the stages below it.
    #[must_use]
    pub fn exposed<'d>(&'d self, stage: &'d Stage) -> Vec<&'d str> {
        self.chain(stage).flat_map(|stage| stage.exposed.iter().map(String::as_str)).collect()
    }

    /// A text of a stage with its variables replaced: by what `ENV` and `ARG` give there, else by the defaults before the first stage.
    /// What nothing gives is empty.
    #[must_use]
    pub fn replaced(&self, stage: &Stage, text: &str) -> String {
        let own = |name: &str| {
            stage.instructions.iter().rev().find_map(|instruction| match &instruction.kind {
                InstructionKind::Env(pairs) => pairs.iter().rev().find(|(own, _)| own == name).map(|(_, value)| value.clone()),
                InstructionKind::Arg(pairs) => pairs.iter().rev().find(|(own, _)| own == name).and_then(|(_, default)| default.clone()),
                _ => None,
            })
        };
        let lookup = |name: &str| own(name).or_else(|| self.global_args.get(name).cloned().flatten());
        template::substitute(text, &mut Variables::new(&lookup)).unwrap_or_default()
    }

    /// Whether a name or number is that of a stage.
    #[must_use]
    pub fn is_stage(&self, name: &str) -> bool {
        self.stage_index(name).is_some()
    }

    /// A stage and the stages it starts from, at most all of them.
    pub fn chain<'d>(&'d self, stage: &'d Stage) -> impl Iterator<Item = &'d Stage> {
        let below = |stage: &&'d Stage| self.stages.iter().find(|other| other.name.as_deref() == Some(stage.base.as_str()));
        std::iter::successors(Some(stage), below).take(self.stages.len())
    }

    /// The images that a build takes from a registry, arguments replaced: bases and sources of copies that are no stages.
    #[must_use]
    pub fn images(&self, args: &IndexMap<String, String>) -> Vec<String> {
        let lookup = |name: &str| {
            let default = || self.global_args.get(name).cloned().flatten();
            args.get(name).filter(|_| self.global_args.contains_key(name)).cloned().or_else(default)
        };
        let mut images: Vec<String> = Vec::new();
        for stage in &self.stages {
            for text in std::iter::once(&stage.base).chain(&stage.copied_from) {
                let image = template::substitute(text, &mut Variables::new(&lookup)).unwrap_or_else(|_| text.clone());
                let is_stage = self.stage_index(&image).is_some();
                if !is_stage && image != "scratch" && !image.is_empty() && !images.contains(&image) {
                    images.push(image);
                }
            }
        }
        images
    }
}

#[cfg(test)]
mod tests;
