//! buildx, Docker's client of BuildKit: whether it is here, which builder it would use, and whether that one helps.

mod arguments;
mod builder;
mod given;
mod work;

use std::path::PathBuf;
use std::time::Duration;

use chora_core::model::event::ProgressState;
use tokio::process::Command;

use super::program::{self, Ended, Ends, ProgramError};
use super::{BuiltBy, Wanted, interrupted};
use crate::context::Context;
use crate::failure::{Failure, FailureKind};
use crate::project::Project;

use builder::Builder;
pub(super) use work::build;

/// How long buildx may take to say which version it is.
const VERSION_LIMIT: Duration = Duration::from_secs(10);
/// How long it may take to ask every node; it gives up by itself after 20 s.
const INSPECT_LIMIT: Duration = Duration::from_secs(60);
/// How long a builder may take to start, which may pull its image.
const BOOT_LIMIT: Duration = Duration::from_secs(300);
/// Where Docker's client looks for its plugins, beside its configuration (docker/cli, cli-plugins/manager).
const PLUGINS: [&str; 4] = [
    "/usr/local/lib/docker/cli-plugins",
    "/usr/local/libexec/docker/cli-plugins",
    "/usr/lib/docker/cli-plugins",
    "/usr/libexec/docker/cli-plugins",
];
/// What to do where a builder cannot.
const OTHERS: &str = "`docker buildx ls` tells which builders there are, `docker buildx create --use` makes one; with `--builder engine` the \
                      engine builds";
/// What a person says for the engine's own builder.
const ENGINE: &str = "engine";
/// What a person says for the builder that buildx would use.
const CURRENT: &str = "buildx";

/// What builds.
pub(super) enum Way {
    /// The engine; and why, where nobody has asked for it.
    Engine { because: String },
    /// A builder of buildx.
    Buildx(Chosen),
}

impl Way {
    /// The same for people.
    pub(super) fn told(&self) -> BuiltBy {
        match self {
            Self::Engine { because } => BuiltBy::Engine { because: because.clone() },
            Self::Buildx(Chosen { builder, .. }) => BuiltBy::Buildx { name: builder.name.clone(), driver: builder.driver.clone() },
        }
    }
}

/// Whether a builder that does not run is started, so that it says what it can.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Boot {
    WhereAsleep,
    Never,
}

/// A builder that can do what is wanted.
pub(super) struct Chosen {
    client: Client,
    builder: Builder,
}

/// How buildx is run.
struct Client {
    program: PathBuf,
    /// It is a plugin of Docker's client, which is told its name.
    is_plugin: bool,
}

/// Chooses what builds: what was asked for, else the current builder of buildx where it can do all that is wanted, else the engine.
///
/// # Errors
/// Of what was asked for: not found when it is not there, invalid when it cannot do it, unavailable when it does not answer.
pub(super) async fn choose(
    cx: &Context,
    (project, registry): (&Project, &str),
    wanted: &[Wanted],
    (asked, boot): (Option<&str>, Boot),
) -> Result<Way, Failure> {
    if asked == Some(ENGINE) {
        return Ok(Way::Engine { because: String::new() });
    }
    if let Some(name) = asked.filter(|asked| asked.is_empty() || asked.starts_with('-')) {
        return Err(
            refused(FailureKind::Invalid, format!("`{name}` is no name of a builder")).hint("`docker buildx ls` tells which there are")
        );
    }
    let Some(client) = Client::find(cx).await else {
        let because = "there is no buildx on this machine";
        return match asked {
            None => Ok(Way::Engine { because: because.to_owned() }),
            Some(_) => Err(refused(FailureKind::NotFound, because.to_owned())
                .hint("install Docker's plugin buildx, or leave --builder away: the engine builds then")),
        };
    };
    match client.fitting(cx, (project, registry, wanted), (asked, boot)).await {
        Ok(builder) => Ok(Way::Buildx(Chosen { client, builder })),
        Err(failure) if asked.is_none() && !cx.cancel.is_cancelled() => {
            cx.note(ProgressState::Note, "build", &format!("the engine builds: {}", failure.message), (0, 0));
            Ok(Way::Engine { because: failure.message })
        }
        Err(failure) => Err(failure),
    }
}

fn refused(kind: FailureKind, message: String) -> Failure {
    Failure::new(kind, message).state("nothing was built")
}

impl Client {
    /// Finds buildx as Docker's client does, or without that client in the folders of its plugins.
    async fn find(cx: &Context) -> Option<Self> {
        let variable = |name: &str| cx.settings.variables.get(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let own = variable("DOCKER_CONFIG").or_else(|| variable("HOME").map(|home| home.join(".docker")));
        let folders = own.map(|own| own.join("cli-plugins")).into_iter().chain(PLUGINS.map(PathBuf::from));
        let plugins = folders.map(|folder| Self { program: folder.join("docker-buildx"), is_plugin: false });
        for client in std::iter::once(Self { program: PathBuf::from("docker"), is_plugin: true }).chain(plugins) {
            let ended = client.run(cx, &["version"], (VERSION_LIMIT, &|_| {})).await;
            // Other programs of the name `docker` have a word `buildx` for something else.
            if ended.is_ok_and(|ended| ended.status.success() && ended.stdout.contains("/buildx ")) {
                return Some(client);
            }
        }
        None
    }

    /// The builder that was asked for, else the current one, if it can do what is wanted.
    async fn fitting(
        &self,
        cx: &Context,
        (project, registry, wanted): (&Project, &str, &[Wanted]),
        (asked, boot): (Option<&str>, Boot),
    ) -> Result<Builder, Failure> {
        let builder = self.builder(cx, asked.filter(|asked| *asked != CURRENT), boot).await?;
        let knows = boot == Boot::WhereAsleep || !builder.is_asleep();
        if let Some(lack) = builder.lacks(project, wanted).filter(|_| knows) {
            let kind = if builder.is_whole() { FailureKind::Invalid } else { FailureKind::Unavailable };
            return Err(refused(kind, lack).hint(OTHERS));
        }
        if asked.is_none() && !builder.reaches(registry) {
            let said = format!("builder `{}` has a network of its own, where {registry} is not this machine's", builder.name);
            return Err(refused(FailureKind::Invalid, said).hint(OTHERS));
        }
        if asked.is_none() && builder.is_engine() && project.engine.is_some() {
            let said = format!("builder `{}` is an engine, and the environment names another one", builder.name);
            return Err(refused(FailureKind::Invalid, said).hint(OTHERS));
        }
        Ok(builder)
    }

    /// Asks for a builder, the current one unless named. One that does not run is started: before, it says little of its platforms.
    async fn builder(&self, cx: &Context, name: Option<&str>, boot: Boot) -> Result<Builder, Failure> {
        let mut arguments = vec!["inspect"];
        arguments.extend(name);
        let builder = self.inspect(cx, &arguments, INSPECT_LIMIT).await.map_err(|said| unasked(said, "buildx does not say what builds"))?;
        if boot == Boot::Never || !builder.is_asleep() {
            return Ok(builder);
        }
        arguments.push("--bootstrap");
        let what = format!("builder `{}` does not start", builder.name);
        self.inspect(cx, &arguments, BOOT_LIMIT).await.map_err(|said| unasked(said, &what))
    }

    async fn inspect(&self, cx: &Context, arguments: &[&str], limit: Duration) -> Result<Builder, Unasked> {
        let tell = |line: &str| cx.note(ProgressState::Note, "ask buildx for its builder", line, (0, 0));
        let ended = self.run(cx, arguments, (limit, &tell)).await.map_err(|error| match error {
            ProgramError::Interrupted => Unasked::Interrupted,
            error => Unasked::Refused(error.to_string()),
        })?;
        let said = ended.last.last().map_or("it says nothing", |line| line.trim_start_matches("ERROR: "));
        if !ended.status.success() {
            return Err(Unasked::Refused(cx.redactor.clean(said)));
        }
        Builder::parse(&ended.stdout).ok_or_else(|| Unasked::Refused("what it says is not understood".to_owned()))
    }

    async fn run(&self, cx: &Context, arguments: &[&str], (limit, tell): (Duration, program::Tell<'_>)) -> Result<Ended, ProgramError> {
        let mut command = self.command();
        command.args(arguments);
        program::run(command, Ends { cancel: &cx.cancel, limit: Some(limit) }, tell).await
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(self.is_plugin.then_some("buildx"));
        command
    }
}

/// Why nothing is known of a builder.
enum Unasked {
    Interrupted,
    Refused(String),
}

fn unasked(unasked: Unasked, what: &str) -> Failure {
    match unasked {
        Unasked::Interrupted => interrupted(),
        Unasked::Refused(said) => {
            let kind = if said.contains("no builder") { FailureKind::NotFound } else { FailureKind::Unavailable };
            refused(kind, format!("{what}: {said}")).hint(OTHERS)
        }
    }
}
