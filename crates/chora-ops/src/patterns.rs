//! The patterns that `init` can write: which there are, and what each asks and writes.

use chora_template::Pattern;
use chora_template::pattern::FileRule;
use chora_template::question::Questions;

use crate::context::Settings;
use crate::failure::Failure;
use crate::scaffold;

/// Which pattern.
#[derive(Debug, Clone, Default, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PatternsRequest {
    /// A directory or repository of patterns, `SOURCE[@TAG]`; the built-in catalogue where absent. A person names it, never a model.
    #[serde(skip)]
    pub from: Option<String>,
    /// Tell everything about this one; a list of all where absent.
    pub pattern: Option<String>,
}

/// Patterns.
#[derive(Debug, Clone, serde::Serialize, schemars::JsonSchema)]
pub struct PatternsOutcome {
    /// The patterns, by name.
    pub patterns: Vec<PatternLine>,
    /// What the one that was named asks.
    #[serde(skip_serializing_if = "Questions::is_empty")]
    pub questions: Questions,
    /// What it writes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<FileRule>,
    /// The next command.
    pub next: String,
}

/// A pattern in a list.
#[derive(Debug, Clone, serde::Serialize, schemars::JsonSchema)]
pub struct PatternLine {
    /// Its name.
    pub name: String,
    /// A few words.
    pub title: String,
    /// When to take it.
    pub summary: String,
    /// Its version.
    pub version: u32,
}

/// Lists the patterns, or tells everything about one.
///
/// # Errors
/// Not found when there is no such pattern; what is wrong with the source.
pub fn patterns(settings: &Settings, request: &PatternsRequest) -> Result<PatternsOutcome, Failure> {
    let fetched = scaffold::fetch(settings, request.from.as_deref())?;
    let catalogue = fetched.catalogue()?;
    let from = request.from.as_ref().map_or_else(String::new, |from| format!(" --from {from}"));
    let Some(name) = &request.pattern else {
        let patterns = catalogue.patterns().map(line).collect();
        let next = format!("chora patterns show NAME{from}, or chora init --pattern NAME{from}");
        return Ok(PatternsOutcome { patterns, questions: Questions::new(), files: Vec::new(), next });
    };
    let pattern = scaffold::pattern(&catalogue, name)?;
    Ok(PatternsOutcome {
        patterns: vec![line(pattern)],
        questions: pattern.questions.clone(),
        files: pattern.files.clone(),
        next: format!("chora init --pattern {name}{from}"),
    })
}

fn line(pattern: &Pattern) -> PatternLine {
    PatternLine { name: pattern.name.clone(), title: pattern.title.clone(), summary: pattern.summary.clone(), version: pattern.version }
}
