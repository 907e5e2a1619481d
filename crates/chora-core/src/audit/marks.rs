//! What was found about a feature, place by place, and what follows for the whole.

use chora_syntax::span::Place;

/// Whether a feature is adopted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FeatureState {
    /// Everywhere.
    Adopted,
    /// Not everywhere, or not all of it.
    Partly,
    /// Nowhere.
    Missing,
    /// Not to be told, because a file cannot be read.
    Unknown,
    /// Of no use to this project.
    NotApplicable,
}

impl FeatureState {
    /// The words for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Adopted => "adopted",
            Self::Partly => "partly",
            Self::Missing => "missing",
            Self::Unknown => "unknown",
            Self::NotApplicable => "not applicable",
        }
    }
}

/// What says so.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
pub struct Evidence {
    /// The file, relative to the project; absent where none holds it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The line, counted from one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// What is there, or is not.
    pub note: String,
    /// The environments that it holds for, where it does not hold for all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub environments: Vec<String>,
}

impl Evidence {
    /// Something about the project as a whole.
    pub(super) fn note(note: impl Into<String>) -> Self {
        Self { note: note.into(), ..Self::default() }
    }

    /// Something about a file.
    #[must_use]
    pub fn in_file(file: impl Into<String>, line: Option<usize>, note: impl Into<String>) -> Self {
        Self { file: Some(file.into()), line, note: note.into(), environments: Vec::new() }
    }

    /// Something at a place, where it has one.
    pub(super) fn at(place: Option<Place>, note: impl Into<String>) -> Self {
        match place {
            Some(place) => Self::in_file(place.file, Some(place.line), note),
            None => Self::note(note),
        }
    }

    /// The place as messages print it; empty where there is none.
    #[must_use]
    pub fn place(&self) -> String {
        match (&self.file, self.line) {
            (Some(file), Some(line)) => format!("{file}:{line}"),
            (Some(file), None) => file.clone(),
            (None, _) => String::new(),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Good,
    Half,
    Bad,
    Unknown,
}

#[derive(Debug, Clone)]
struct Mark {
    verdict: Verdict,
    evidence: Evidence,
    /// The service that it is about, and the Compose file where its environment would say otherwise.
    service: Option<(String, String)>,
}

/// Everything that was found about one feature.
#[derive(Debug, Clone, Default)]
pub(super) struct Marks {
    marks: Vec<Mark>,
    /// What the following marks are about.
    service: Option<(String, String)>,
    environment: Option<String>,
}

impl Marks {
    pub(super) fn good(&mut self, evidence: Evidence) {
        self.add(Verdict::Good, evidence);
    }

    pub(super) fn half(&mut self, evidence: Evidence) {
        self.add(Verdict::Half, evidence);
    }

    pub(super) fn bad(&mut self, evidence: Evidence) {
        self.add(Verdict::Bad, evidence);
    }

    pub(super) fn unknown(&mut self, evidence: Evidence) {
        self.add(Verdict::Unknown, evidence);
    }

    /// How many of so many are there: all, some or none.
    pub(super) fn share(&mut self, have: usize, of: usize, evidence: Evidence) {
        match have {
            0 => self.bad(evidence),
            have if have < of => self.half(evidence),
            _ => self.good(evidence),
        }
    }

    /// What the marks from here on are about.
    pub(super) fn about(&mut self, service: Option<(String, String)>, environment: Option<String>) {
        (self.service, self.environment) = (service, environment);
    }

    fn add(&mut self, verdict: Verdict, mut evidence: Evidence) {
        evidence.environments.extend(self.environment.clone());
        self.marks.push(Mark { verdict, evidence, service: self.service.clone() });
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.marks.is_empty()
    }

    fn has(&self, verdict: Verdict) -> bool {
        self.marks.iter().any(|mark| mark.verdict == verdict)
    }

    /// What follows for the whole.
    pub(super) fn state(&self) -> FeatureState {
        let (good, half) = (self.has(Verdict::Good), self.has(Verdict::Half));
        match (self.has(Verdict::Bad), self.has(Verdict::Unknown)) {
            _ if self.marks.is_empty() => FeatureState::NotApplicable,
            (false, false) if !half => FeatureState::Adopted,
            // What is there elsewhere says nothing about what cannot be read.
            (false, true) if !half => FeatureState::Unknown,
            _ if good || half => FeatureState::Partly,
            _ => FeatureState::Missing,
        }
    }

    /// What is lacking, or what is there where nothing is; what holds for several environments is told once.
    pub(super) fn evidence(&self) -> Vec<Evidence> {
        let state = self.state();
        let told = self.marks.iter().filter(|mark| (mark.verdict == Verdict::Good) == (state == FeatureState::Adopted));
        let mut all: Vec<Evidence> = Vec::new();
        for mark in told {
            let same = |other: &&mut Evidence| {
                (&other.file, other.line, &other.note) == (&mark.evidence.file, mark.evidence.line, &mark.evidence.note)
            };
            match all.iter_mut().find(same) {
                Some(other) => other.environments.extend(mark.evidence.environments.iter().cloned()),
                None => all.push(mark.evidence.clone()),
            }
        }
        for evidence in &mut all {
            let mut seen = std::collections::HashSet::new();
            evidence.environments.retain(|name| seen.insert(name.clone()));
        }
        all
    }

    /// The services that lack it, and the Compose files where they can be given it.
    pub(super) fn lacking_services(&self) -> (Vec<&str>, Vec<&str>) {
        let (mut services, mut files): (Vec<&str>, Vec<&str>) = (Vec::new(), Vec::new());
        let lacking = self.marks.iter().filter(|mark| matches!(mark.verdict, Verdict::Bad | Verdict::Half));
        for (service, file) in lacking.filter_map(|mark| mark.service.as_ref()) {
            if !services.contains(&service.as_str()) {
                services.push(service);
            }
            if !files.contains(&file.as_str()) {
                files.push(file);
            }
        }
        (services, files)
    }
}
