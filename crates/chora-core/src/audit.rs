//! How much of the best practices, and of its pattern, a project has adopted, and the plan to all of it.
//!
//! What counts stands in tables of features (`image`, `stack`, `project`), what was read of a project in a [`Subject`]. Nothing is run.

mod adoption;
mod feature;
mod image;
mod marks;
mod phase;
mod plan;
mod project;
mod reference;
mod stack;
mod subject;
pub(crate) mod words;

pub use feature::Area;
pub use marks::{Evidence, FeatureState};
pub use plan::{AdoptionPlan, PlanPhase, PlanTask, Snippet};
pub use reference::reference;
pub use subject::{EnvironmentFiles, INLINE, IgnoreFile, ImageFile, ManifestFile, PatternState, ResolvedStack, Subject};

use self::feature::Feature;
use self::marks::Marks;

/// What an audit found.
#[derive(Debug, Clone, PartialEq, serde::Serialize, schemars::JsonSchema)]
pub struct Audit {
    /// How much is adopted, of what applies, by weight; rounded down, so that 100 is all of it.
    pub percent: u8,
    /// How many features are in which state.
    pub counts: Counts,
    /// Every feature.
    pub features: Vec<JudgedFeature>,
    /// What leads to 100 percent.
    pub plan: AdoptionPlan,
}

/// Features by state.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
pub struct Counts {
    /// Adopted.
    pub adopted: usize,
    /// Adopted in part: half its weight counts.
    pub partly: usize,
    /// Not adopted.
    pub missing: usize,
    /// Not to be told, because a file cannot be read; counts as missing.
    pub unknown: usize,
    /// Of no use to this project; does not count.
    pub not_applicable: usize,
}

/// A feature and what was found about it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
pub struct JudgedFeature {
    /// Its name for machines.
    pub id: String,
    /// Its name for people.
    pub title: String,
    /// What it is about.
    pub area: Area,
    /// How much it counts.
    pub weight: u8,
    /// Whether it is adopted.
    pub state: FeatureState,
    /// What it lacks; what it has where it is adopted.
    pub evidence: Vec<Evidence>,
}

/// Every feature, in the order in which it is told.
fn features() -> impl Iterator<Item = &'static Feature> {
    image::FEATURES.iter().chain(&stack::FEATURES).chain(&project::FEATURES)
}

/// Judges a project.
#[must_use]
pub fn judge(subject: &Subject) -> Audit {
    let mut judged: Vec<(&Feature, Marks)> = Vec::new();
    for feature in features() {
        let mut marks = Marks::default();
        (feature.check)(subject, &mut marks);
        judged.push((feature, marks));
    }
    let adoption = adoption::Adoption::of(&judged);
    let plan = plan::plan(subject, &judged, &adoption);
    let features = judged.iter().map(|(feature, marks)| JudgedFeature {
        id: feature.id.to_owned(),
        title: feature.title.to_owned(),
        area: feature.area,
        weight: feature.weight,
        state: marks.state(),
        evidence: marks.evidence(),
    });
    Audit { percent: adoption.percent(), counts: adoption.counts.clone(), features: features.collect(), plan }
}

#[cfg(test)]
mod tests;
