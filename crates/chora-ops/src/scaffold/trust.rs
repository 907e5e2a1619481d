//! Whose hooks may run: sources that a person has named, for one command or in a file of their own.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::UNTOUCHED;
use super::source::address::{Address, is_repository_address};
use crate::context::Settings;
use crate::failure::{Failure, FailureKind};

/// A person's own settings, below the folder for such.
const FILE: &str = "chora/config.yaml";

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Preferences {
    #[serde(default)]
    trust: Vec<String>,
}

/// Whether the hooks of a source may run. What ends with `/` names all that is below it.
pub(crate) fn is_trusted(settings: &Settings, named: &[String], source: &str) -> Result<bool, Failure> {
    let is_named = named.iter().any(|name| covers(settings, name, source));
    // A path that starts at the project would be another directory in every project.
    let means_the_same_everywhere = |name: &&String| Path::new(name).is_absolute() || is_repository_address(name);
    Ok(is_named || preferred(settings)?.iter().filter(means_the_same_everywhere).any(|name| covers(settings, name, source)))
}

fn covers(settings: &Settings, name: &str, source: &str) -> bool {
    let plain = Address::parse(&settings.project_dir, name).map_or_else(|_| name.to_owned(), |address| address.place.name());
    let below = name.strip_suffix('/').map(|_| format!("{}/", plain.trim_end_matches('/')));
    plain == source || below.is_some_and(|below| source.starts_with(&below))
}

fn preferred(settings: &Settings) -> Result<Vec<String>, Failure> {
    let variable = |name: &str| settings.variables.get(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let Some(folder) = variable("XDG_CONFIG_HOME").or_else(|| Some(variable("HOME")?.join(".config"))) else { return Ok(Vec::new()) };
    let path = folder.join(FILE);
    let Ok(text) = std::fs::read_to_string(&path) else { return Ok(Vec::new()) };
    let preferences: Preferences = chora_syntax::yaml::read(&text, &path.display().to_string()).map_err(|found| {
        let details = found.render(false).lines().map(str::to_owned).collect();
        let failure = Failure::new(FailureKind::Invalid, format!("{} is not right", path.display())).details(details);
        failure.state(UNTOUCHED).hint("write `trust: [SOURCE, …]` there")
    })?;
    Ok(preferences.trust)
}
