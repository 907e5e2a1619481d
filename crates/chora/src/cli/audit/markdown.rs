//! An audit as a page of Markdown: what is there, and the plan to the rest, to be committed and ticked off.

use chora_core::audit::{Evidence, PlanPhase, PlanTask};
use chora_ops::audit::AuditOutcome;

use super::{minutes, summary};

/// As much evidence of a feature stands in the table.
const SHOWN: usize = 3;

pub(super) fn page(outcome: &AuditOutcome) -> String {
    let name = outcome.directory.rsplit('/').next().unwrap_or_default();
    let mut page = format!("# Docker adoption of {name}\n\n**Present:** {}\n", summary(outcome));
    if !outcome.plan.phases.is_empty() {
        let target = outcome.plan.phases.last().map_or(outcome.percent, |phase| phase.percent);
        page.push_str(&format!("**Target:** {target} %\n**Estimated time:** {}\n", minutes(outcome.plan.minutes)));
    }
    page.push_str(&audit(outcome));
    if !outcome.plan.phases.is_empty() {
        page.push_str(&plan(outcome));
    }
    page
}

fn audit(outcome: &AuditOutcome) -> String {
    let mut text = "\n## Audit\n\n| | feature | weight | evidence |\n|---|---|---|---|\n".to_owned();
    for feature in &outcome.features {
        let mut shown: Vec<String> = feature.evidence.iter().take(SHOWN).map(evidence).collect();
        if feature.evidence.len() > SHOWN {
            shown.push(format!("and {} more", feature.evidence.len() - SHOWN));
        }
        let (state, title) = (feature.state.as_str(), &feature.title);
        text.push_str(&format!(
            "| {state} | {title} (`{}`) | {} | {} |\n",
            feature.id,
            feature.weight,
            shown.join("; ").replace('|', "\\|")
        ));
    }
    text
}

fn evidence(evidence: &Evidence) -> String {
    let place = evidence.place();
    if place.is_empty() { evidence.note.clone() } else { format!("`{place}` {}", evidence.note) }
}

fn plan(outcome: &AuditOutcome) -> String {
    let ticks = |lines: &[String]| lines.iter().map(|line| format!("- [ ] {line}\n")).collect::<String>();
    let mut text = format!("\n## Before\n\n{}\n## Plan\n", ticks(&outcome.plan.prerequisites));
    for phase in &outcome.plan.phases {
        text.push_str(&self::phase(phase));
    }
    text.push_str(&format!("\n## Done when\n\n{}", ticks(&outcome.plan.success)));
    text.push_str("\n## Time\n\n| phase | tasks | time | afterwards |\n|---|---|---|---|\n");
    let mut tasks = 0;
    for phase in &outcome.plan.phases {
        tasks += phase.tasks.len();
        let (number, title, time) = (phase.number, &phase.title, minutes(phase.minutes));
        text.push_str(&format!("| {number}. {title} | {} | {time} | {} % |\n", phase.tasks.len(), phase.percent));
    }
    text.push_str(&format!("| **in all** | **{tasks}** | **{}** | |\n", minutes(outcome.plan.minutes)));
    text
}

fn phase(phase: &PlanPhase) -> String {
    let mut text = format!("\n### Phase {}: {} ({})\n", phase.number, phase.title, minutes(phase.minutes));
    phase.tasks.iter().for_each(|task| text.push_str(&self::task(task)));
    for (name, commands) in [("Check", &phase.check), ("Commit", &phase.commit), ("Rollback", &phase.rollback)] {
        if !commands.is_empty() {
            text.push_str(&format!("\n**{name}:**\n\n```bash\n{}\n```\n", commands.join("\n")));
        }
    }
    text
}

fn task(task: &PlanTask) -> String {
    let gain = if task.feature.is_some() { format!(", +{} %", task.gain) } else { String::new() };
    let mut text = format!("\n#### Task {}: {} ({}{gain})\n\n", task.number, task.title, minutes(task.minutes));
    if let Some(feature) = &task.feature {
        text.push_str(&format!("**Feature:** `{feature}`\n"));
    }
    if !task.places.is_empty() {
        let places: Vec<String> = task.places.iter().map(|place| format!("`{place}`")).collect();
        text.push_str(&format!("**Where:** {}\n", places.join(", ")));
    }
    text.push_str(&format!("**Change:** {}\n", task.change));
    if let Some(snippet) = &task.snippet {
        let file = snippet.file.as_ref().map_or_else(String::new, |file| format!("`{file}`\n\n"));
        text.push_str(&format!("\n{file}```{}\n{}```\n", snippet.language, snippet.text));
    }
    text
}
