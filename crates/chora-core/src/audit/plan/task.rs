//! From a feature that is not adopted to a task.

use super::{PlanTask, Snippet};
use crate::audit::adoption::Adoption;
use crate::audit::feature::{Feature, Lines};
use crate::audit::marks::{Evidence, Marks};
use crate::audit::subject::Subject;

/// Services that are written out; the others are named.
const WRITTEN_OUT: usize = 3;

pub(super) fn task(subject: &Subject, (feature, marks): (&Feature, &Marks), adoption: &Adoption, number: String) -> PlanTask {
    let mut places: Vec<String> = marks.evidence().iter().map(Evidence::place).filter(|place| !place.is_empty()).collect();
    places.dedup();
    PlanTask {
        number,
        feature: Some(feature.id.to_owned()),
        title: feature.title.to_owned(),
        gain: adoption.gain(feature, marks.state()),
        minutes: feature.minutes,
        places,
        change: feature.change.to_owned(),
        snippet: snippet(subject, feature, marks),
    }
}

/// Files that a task changes.
pub(super) fn files(task: &PlanTask, marks: &Marks) -> Vec<String> {
    let named = task.snippet.as_ref().and_then(|snippet| snippet.file.clone());
    let of_services = marks.lacking_services().1.into_iter().map(str::to_owned);
    let files: Vec<String> = named.into_iter().chain(of_services).collect();
    if !files.is_empty() {
        return files;
    }
    marks.evidence().into_iter().filter_map(|evidence| evidence.file).collect()
}

fn snippet(subject: &Subject, feature: &Feature, marks: &Marks) -> Option<Snippet> {
    let written = |file: Option<String>, language: &str, text: String| Some(Snippet { file, language: language.to_owned(), text });
    match feature.lines {
        Lines::None => None,
        Lines::Made(make) => Some(make(subject)),
        Lines::Commands(commands) => written(None, "bash", commands.iter().map(|command| format!("{command}\n")).collect()),
        Lines::File(file, text) => {
            let language = if file.ends_with(".yaml") { "yaml" } else { "text" };
            written(Some(file.to_owned()), language, text.to_owned())
        }
        Lines::Either(_, keys) if !marks.lacking_services().0.is_empty() => of_services(keys, "", marks),
        Lines::Dockerfile(text) | Lines::Either(text, _) => {
            let file = marks.evidence().into_iter().find_map(|evidence| evidence.file);
            written(file, "dockerfile", format!("{text}\n"))
        }
        Lines::Service(keys) => of_services(keys, "", marks),
        Lines::ServiceAnd(keys, top) => of_services(keys, top, marks),
    }
}

/// Keys below every service that lacks them, and keys at the top.
fn of_services(keys: &str, top: &str, marks: &Marks) -> Option<Snippet> {
    let (services, files) = marks.lacking_services();
    let file = (*files.first()?).to_owned();
    let mut text = if files.len() > 1 { format!("# in {}\n", files.join(", ")) } else { String::new() };
    text.push_str("services:\n");
    for service in services.iter().take(WRITTEN_OUT) {
        text.push_str(&format!("  {service}:\n"));
        keys.lines().for_each(|line| text.push_str(&format!("    {line}\n")));
    }
    if let Some(others) = services.get(WRITTEN_OUT..).filter(|others| !others.is_empty()) {
        text.push_str(&format!("  # and the same for {}\n", others.join(", ")));
    }
    if !top.is_empty() {
        text.push_str(&format!("{top}\n"));
    }
    Some(Snippet { file: Some(file), language: "yaml".to_owned(), text })
}
