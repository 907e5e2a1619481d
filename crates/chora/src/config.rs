//! Settings of one run: defaults, then the environment, then flags. The only place that reads environment variables.

use std::fmt;
use std::path::{Path, PathBuf};

use chora_core::model::event::DeployedBy;
use chora_docker::EndpointRequest;
use chora_ops::context::Pause;
use chora_ops::{Failure, FailureKind};
use indexmap::IndexMap;

/// Files that make a directory a project.
const PROJECT_FILES: [&str; 5] = ["chora.yaml", "compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml"];

/// Where a setting came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Nothing asked for anything else.
    Default,
    /// An environment variable.
    Environment(&'static str),
    /// A flag.
    Flag(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("the default"),
            Self::Environment(name) | Self::Flag(name) => f.write_str(name),
        }
    }
}

/// A value that remembers where it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Setting<T> {
    pub(crate) value: T,
    pub(crate) origin: Origin,
}

/// When output is coloured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum ColorWhen {
    /// On a terminal, unless `NO_COLOR` is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// What flags say.
#[derive(Debug, Clone, Default)]
pub(crate) struct Flags {
    pub(crate) project: Option<PathBuf>,
    pub(crate) color: Option<ColorWhen>,
    /// The present directory is the project, also where a directory above it holds one.
    pub(crate) here: bool,
}

/// Settings of one run.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    /// The project's directory, absolute.
    pub(crate) project_dir: Setting<PathBuf>,
    /// Who asks.
    pub(crate) deployed_by: Setting<DeployedBy>,
    /// How the engine is found.
    pub(crate) engine: EndpointRequest,
    /// Every environment variable that is text, for interpolation.
    pub(crate) variables: IndexMap<String, String>,
    /// Where a test wants the process to stand still.
    pub(crate) pause: Option<Pause>,
}

impl Config {
    /// Reads the environment and puts the flags over it.
    ///
    /// # Errors
    /// Invalid when the project's directory is none, or a variable of Chora's own holds nonsense.
    pub(crate) fn read(flags: &Flags) -> Result<Self, Failure> {
        let variables = variables();
        let wanted = (flags.project.as_deref(), variables.get("CHORA_PROJECT").map(String::as_str));
        let project_dir = project_dir(wanted, if flags.here { here } else { nearest_project })?;
        let in_ci = variables.get("CI").is_some_and(|value| value.eq_ignore_ascii_case("true") || value == "1");
        let deployed_by = if in_ci {
            Setting { value: DeployedBy::CiCd, origin: Origin::Environment("CI") }
        } else {
            Setting { value: DeployedBy::Human, origin: Origin::Default }
        };
        let pause = pause(variables.get("CHORA_PAUSE_AT").map(String::as_str))?;
        Ok(Self { project_dir, deployed_by, engine: engine(&variables), pause, variables })
    }
}

/// How colours are chosen; known before anything can fail.
pub(crate) fn color(flags: &Flags) -> Setting<ColorWhen> {
    match flags.color {
        Some(value) => Setting { value, origin: Origin::Flag("--color") },
        None if std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty()) => {
            Setting { value: ColorWhen::Never, origin: Origin::Environment("NO_COLOR") }
        }
        None => Setting { value: ColorWhen::Auto, origin: Origin::Default },
    }
}

fn variables() -> IndexMap<String, String> {
    let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| Some((name.into_string().ok()?, value.into_string().ok()?));
    std::env::vars_os().filter_map(text).collect()
}

fn project_dir((flag, variable): (Option<&Path>, Option<&str>), otherwise: impl FnOnce() -> PathBuf) -> Result<Setting<PathBuf>, Failure> {
    let (wanted, origin) = match (flag, variable.filter(|value| !value.is_empty())) {
        (Some(path), _) => (path.to_owned(), Origin::Flag("--project")),
        (None, Some(path)) => (PathBuf::from(path), Origin::Environment("CHORA_PROJECT")),
        (None, None) => (otherwise(), Origin::Default),
    };
    let refused = |reason: &str| {
        let failure = Failure::new(FailureKind::NotFound, format!("the project directory {} {reason}", wanted.display()));
        failure.hint(format!("it was named by {origin}; name the directory that holds the Compose file"))
    };
    let value = wanted.canonicalize().map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => refused("does not exist"),
        _ => refused(&format!("cannot be used: {error}")),
    })?;
    if value.is_dir() { Ok(Setting { value, origin }) } else { Err(refused("is not a directory")) }
}

fn here() -> PathBuf {
    std::env::current_dir().unwrap_or_else(|_| PathBuf::from("."))
}

/// The present directory or the nearest one above it that holds a project, as Compose looks for it; else the present one.
fn nearest_project() -> PathBuf {
    let here = here();
    let holds = |folder: &&Path| PROJECT_FILES.iter().any(|name| folder.join(name).is_file());
    here.ancestors().find(holds).map(Path::to_owned).unwrap_or(here)
}

/// The variables that Docker's own client reads.
fn engine(variables: &IndexMap<String, String>) -> EndpointRequest {
    let get = |name: &str| variables.get(name).filter(|value| !value.is_empty()).cloned();
    EndpointRequest {
        explicit: None,
        docker_host: get("DOCKER_HOST"),
        docker_context: get("DOCKER_CONTEXT"),
        docker_tls_verify: get("DOCKER_TLS_VERIFY"),
        docker_tls: get("DOCKER_TLS"),
        docker_cert_path: get("DOCKER_CERT_PATH").map(PathBuf::from),
        docker_config: get("DOCKER_CONFIG").map(PathBuf::from),
        docker_buildkit: get("DOCKER_BUILDKIT"),
        home: get("HOME").map(PathBuf::from),
        xdg_runtime_dir: get("XDG_RUNTIME_DIR").map(PathBuf::from),
    }
}

/// `<step>:before|after|undo-before|undo-after|panic`; release builds do not know the variable.
fn pause(value: Option<&str>) -> Result<Option<Pause>, Failure> {
    let Some(value) = value.filter(|value| cfg!(debug_assertions) && !value.is_empty()) else { return Ok(None) };
    let parsed = value.split_once(':').and_then(|(step, place)| {
        let (after, undo, panics) = match place {
            "before" => (false, false, false),
            "after" => (true, false, false),
            "undo-before" => (false, true, false),
            "undo-after" => (true, true, false),
            "panic" => (true, false, true),
            _ => return None,
        };
        Some(Pause { step: step.parse().ok()?, after, undo, panics })
    });
    let invalid = || {
        Failure::new(FailureKind::Invalid, format!("CHORA_PAUSE_AT is `{value}`"))
            .hint("write it as `<step>:before|after|undo-before|undo-after|panic`")
    };
    parsed.map(Some).ok_or_else(invalid)
}

#[cfg(test)]
mod tests {
    use super::{Origin, here, pause};
    use std::path::Path;

    #[test]
    fn flags_win_over_the_environment_and_the_origin_is_known() {
        let project_dir = |flag, variable| super::project_dir((flag, variable), here);
        let flag = project_dir(Some(Path::new("/")), Some("/usr")).unwrap();
        assert_eq!((flag.value.as_path(), flag.origin), (Path::new("/"), Origin::Flag("--project")));
        assert_eq!(project_dir(None, Some("/usr")).unwrap().origin, Origin::Environment("CHORA_PROJECT"));
        assert_eq!(project_dir(None, Some("")).unwrap().origin, Origin::Default);
        assert!(project_dir(None, Some("/nowhere/at/all")).unwrap_err().hint.contains("CHORA_PROJECT"));
    }

    #[test]
    fn a_pause_names_its_step_and_side() {
        let undo = pause(Some("3:undo-after")).unwrap().unwrap();
        assert_eq!((undo.step, undo.after, undo.undo), (3, true, true));
        assert!(pause(Some("3:panic")).unwrap().unwrap().panics && !undo.panics);
        assert_eq!(pause(None).unwrap(), None);
        assert!(pause(Some("x:before")).is_err() && pause(Some("1:later")).is_err());
    }
}
