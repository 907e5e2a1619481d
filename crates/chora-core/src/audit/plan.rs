//! What leads to 100 percent: phases with tasks in order, how each is checked, and how it is taken back.

mod check;
mod task;

use std::collections::BTreeSet;

use super::adoption::Adoption;
use super::feature::Feature;
use super::marks::{FeatureState, Marks};
use super::phase::Phase;
use super::subject::Subject;

/// A plan; without phases where nothing is left to do.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, schemars::JsonSchema)]
pub struct AdoptionPlan {
    /// How long all of it takes, in minutes.
    pub minutes: u16,
    /// What to do before.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub prerequisites: Vec<String>,
    /// The phases, in order; each can be committed by itself.
    pub phases: Vec<PlanPhase>,
    /// What holds afterwards.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub success: Vec<String>,
}

/// A phase.
#[derive(Debug, Clone, PartialEq, serde::Serialize, schemars::JsonSchema)]
pub struct PlanPhase {
    /// Its number.
    pub number: usize,
    /// What it is about.
    pub title: String,
    /// How long it takes, in minutes.
    pub minutes: u16,
    /// The percentage after it.
    pub percent: u8,
    /// Its tasks.
    pub tasks: Vec<PlanTask>,
    /// Commands that all succeed when it is done.
    pub check: Vec<String>,
    /// Commands that take it back.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rollback: Vec<String>,
    /// Commands that record it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub commit: Vec<String>,
}

/// A task: one feature.
#[derive(Debug, Clone, PartialEq, serde::Serialize, schemars::JsonSchema)]
pub struct PlanTask {
    /// Its number, such as `2.1`.
    pub number: String,
    /// The feature; absent where the whole is checked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub feature: Option<String>,
    /// What holds when it is done.
    pub title: String,
    /// What it adds, in percent.
    pub gain: f64,
    /// How long it takes, in minutes.
    pub minutes: u16,
    /// Files and lines that it is about.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub places: Vec<String>,
    /// What to do.
    pub change: String,
    /// What to write or run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snippet: Option<Snippet>,
}

/// Text to write or to run.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
pub struct Snippet {
    /// The file that it goes into; absent for commands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Its language, as fences of Markdown name it.
    pub language: String,
    /// The text.
    pub text: String,
}

pub(super) fn plan(subject: &Subject, judged: &[(&Feature, Marks)], adoption: &Adoption) -> AdoptionPlan {
    let mut phases: Vec<PlanPhase> = Vec::new();
    let mut done = adoption.clone();
    for phase in Phase::ALL {
        let is_open = |marks: &Marks| matches!(marks.state(), FeatureState::Partly | FeatureState::Missing);
        let mut open: Vec<&(&Feature, Marks)> = judged.iter().filter(|(feature, marks)| feature.phase == phase && is_open(marks)).collect();
        if open.is_empty() {
            continue;
        }
        // The table's order holds among equals.
        open.sort_by_key(|(feature, marks)| std::cmp::Reverse(Adoption::halves_left(feature, marks.state())));
        let number = phases.len() + 1;
        let mut files = BTreeSet::new();
        let mut tasks = Vec::new();
        for (index, (feature, marks)) in open.iter().enumerate() {
            let task = task::task(subject, (*feature, marks), adoption, format!("{number}.{}", index + 1));
            files.extend(task::files(&task, marks));
            tasks.push(task);
            done.adopt(feature, marks.state());
        }
        let files: Vec<String> = files.into_iter().collect();
        phases.push(PlanPhase {
            number,
            title: phase.title().to_owned(),
            minutes: tasks.iter().map(|task| task.minutes).sum(),
            percent: done.percent(),
            check: check::commands(subject, phase, &files, done.percent()),
            rollback: check::rollback(subject, &files),
            commit: check::commit(subject, phase, &files),
            tasks,
        });
    }
    if phases.is_empty() {
        return AdoptionPlan::default();
    }
    phases.push(check::last(subject, phases.len() + 1, &done));
    AdoptionPlan {
        minutes: phases.iter().map(|phase| phase.minutes).sum(),
        prerequisites: check::prerequisites(subject),
        success: check::success(subject, &done),
        phases,
    }
}
