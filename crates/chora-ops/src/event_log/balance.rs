//! Making a log sound: one beginning and one end for each deployment. Pure; what is taken out is handed back, and nothing is
//! made up: a line that is missing comes from what the store knows, or from the other line of its deployment.

use std::collections::{BTreeMap, BTreeSet};

use chora_core::model::event::{Event, EventStatus};

use super::account::{beginning_of, deployment_of};
use super::line::understand;
use super::repair::{Added, Part};

/// What stands in a line that a repair wrote.
const WRITTEN_AGAIN: &str = "written again by `chora events repair`";

/// What the store knows of a deployment.
#[derive(Debug, Clone)]
pub(super) struct Known {
    /// Its beginning line.
    pub(super) beginning: Event,
    /// Its terminal line, once it has ended.
    pub(super) end: Option<Event>,
    /// Its environment's name.
    pub(super) environment: String,
}

/// A log in which every deployment is told once, as far as that can be known.
#[derive(Debug, Default)]
pub(super) struct Balanced {
    pub(super) lines: Vec<Vec<u8>>,
    /// What was told before: number of the line, the bytes, why.
    pub(super) removed: Vec<(usize, Vec<u8>, String)>,
    pub(super) added: Vec<Added>,
}

impl Balanced {
    /// The bytes of the file.
    pub(super) fn text(&self) -> Vec<u8> {
        let mut text = self.lines.join(&b'\n');
        if !text.is_empty() {
            text.push(b'\n');
        }
        text
    }
}

/// The lines of one deployment: places among the kept lines.
#[derive(Default)]
struct Told {
    beginnings: Vec<usize>,
    ends: Vec<(usize, Event)>,
}

pub(super) fn balance(kept: Vec<(usize, Vec<u8>)>, known: &BTreeMap<String, Known>) -> Balanced {
    let told = told(&kept);
    let mut balanced = Balanced::default();
    let mut surplus: BTreeMap<usize, String> = BTreeMap::new();
    let mut before: BTreeMap<usize, Event> = BTreeMap::new();
    let mut last = Vec::new();
    for (id, told) in &told {
        let known = known.get(id);
        let number = |place: usize| kept.get(place).map_or(0, |(number, _)| *number);
        let right = right_end(told, known);
        for (place, _) in told.ends.iter().filter(|(place, _)| right.is_some_and(|right| right != *place)) {
            surplus.insert(*place, format!("line {} tells the end of deployment {id}", right.map_or(0, number)));
        }
        if let (true, Some((first, end))) = (told.beginnings.is_empty(), told.ends.first()) {
            before.insert(right.unwrap_or(*first), known.map_or_else(|| beginning_of(end), |known| known.beginning.clone()));
            balanced.added.push(Added { deployment: id.clone(), part: Part::Beginning });
        }
        if let (true, Some(end)) = (told.ends.is_empty(), known.and_then(|known| known.end.clone())) {
            last.push(end);
            balanced.added.push(Added { deployment: id.clone(), part: Part::End });
        }
    }
    for (place, (number, line)) in kept.into_iter().enumerate() {
        balanced.lines.extend(before.remove(&place).map(written));
        match surplus.remove(&place) {
            Some(reason) => balanced.removed.push((number, line, reason)),
            None => balanced.lines.push(line),
        }
    }
    balanced.lines.extend(last.into_iter().map(written));
    balanced
}

fn told(kept: &[(usize, Vec<u8>)]) -> BTreeMap<String, Told> {
    let mut all: BTreeMap<String, Told> = BTreeMap::new();
    for (place, (_, line)) in kept.iter().enumerate() {
        let Ok((event, _)) = understand(line) else { continue };
        let Some(id) = deployment_of(&event).map(str::to_owned) else { continue };
        let told = all.entry(id).or_default();
        if event.status == EventStatus::InProgress {
            told.beginnings.push(place);
        } else {
            told.ends.push((place, event));
        }
    }
    all
}

/// The one end that stays where there are several: the first when all say the same, else the first that says what the store
/// knows. `None` when there is nothing to choose, or no way to.
fn right_end(told: &Told, known: Option<&Known>) -> Option<usize> {
    let says = |event: &Event| (event.status, event.metadata.get("outcome").cloned());
    let [(first, event), others @ ..] = told.ends.as_slice() else { return None };
    if others.is_empty() {
        return None;
    }
    if others.iter().all(|(_, other)| says(other) == says(event)) {
        return Some(*first);
    }
    let right = known?.end.as_ref()?;
    told.ends.iter().find(|(_, event)| says(event) == says(right)).map(|(place, _)| *place)
}

/// Deployments whose terminal lines contradict each other, with the numbers of these lines.
pub(super) fn contradictions(kept: &[(usize, Vec<u8>)], known: &BTreeMap<String, Known>) -> Vec<(String, Vec<usize>)> {
    let numbers = |told: &Told| -> Vec<usize> {
        let places: BTreeSet<usize> = told.ends.iter().map(|(place, _)| *place).collect();
        places.into_iter().filter_map(|place| kept.get(place).map(|(number, _)| *number)).collect()
    };
    let open = told(kept).into_iter().filter(|(id, told)| told.ends.len() > 1 && right_end(told, known.get(id)).is_none());
    open.map(|(id, told)| (id, numbers(&told))).collect()
}

fn written(mut event: Event) -> Vec<u8> {
    event.notes.get_or_insert_with(|| WRITTEN_AGAIN.to_owned());
    // An event always has a JSON form: its keys are texts.
    serde_json::to_vec(&event).unwrap_or_default()
}
