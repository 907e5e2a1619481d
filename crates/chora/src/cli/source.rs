//! Where patterns are from, as the command line names and tells it.

use std::path::Path;

use chora_ops::Settings;
use chora_ops::init::{Source, is_repository_address};
use clap::Args;

/// Digits of a commit that are shown.
const DIGITS: usize = 10;

/// Whose hooks may run.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct TrustArgs {
    /// Run the hooks of this source; may be repeated
    #[arg(long, value_name = "SOURCE")]
    trust: Vec<String>,
}

impl TrustArgs {
    pub(crate) fn named(&self, settings: &Settings) -> Vec<String> {
        self.trust.iter().map(|source| as_named(settings, source.clone())).collect()
    }
}

/// A directory that is named from where the command runs, when that is not the project.
pub(crate) fn as_named(settings: &Settings, source: String) -> String {
    if is_repository_address(&source) {
        return source;
    }
    let place = source.rsplit_once('@').map_or(source.as_str(), |(place, _)| place);
    let is_here = std::env::current_dir().and_then(|here| here.canonicalize()).is_ok_and(|here| here == settings.project_dir);
    for folder in [source.as_str(), place] {
        let full = Path::new(folder).canonicalize().ok().filter(|path| !is_here && path.is_dir());
        if let (Some(full), Some(rest)) = (full, source.strip_prefix(folder)) {
            return format!("{}{rest}", full.display());
        }
    }
    source
}

/// Where a pattern is from, after its version.
pub(crate) fn told(source: Option<&Source>) -> String {
    let Some(Source { from, reference, commit }) = source else { return String::new() };
    let commit = commit.as_ref().map(|commit| commit.chars().take(DIGITS).collect::<String>());
    let state = match (reference, commit) {
        (Some(reference), Some(commit)) if !reference.starts_with(&commit) => format!(" at {reference} ({commit})"),
        (_, Some(commit)) => format!(" at {commit}"),
        (_, None) => String::new(),
    };
    format!(" of {from}{state}")
}

/// Hooks that were not run.
pub(crate) fn warnings(source: Option<&Source>, skipped: &[String]) -> Vec<String> {
    let from = source.map_or("", |source| source.from.as_str());
    let warning = |hook: &String| format!("the hook `{hook}` was not run: {from} is not trusted; --trust {from} lets it run");
    skipped.iter().map(warning).collect()
}
