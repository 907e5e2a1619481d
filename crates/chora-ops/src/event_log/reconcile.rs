//! The log held against the store: what the log lost and the store still knows.

use std::collections::BTreeMap;

use chora_core::model::ids::DeploymentId;
use chora_core::ports::Store;

use super::EventLog;
use super::account::{beginning, remembered_end};
use super::balance::{Known, balance, contradictions};
use super::mend::mend;
use super::repair::Repair;
use super::verify::{LogReport, verify as verify_bytes};
use crate::failure::Failure;

/// Reads every line, says what is wrong, and what to do about it. Without a store only the log itself is known.
///
/// # Errors
/// When log or store cannot be read.
pub async fn verify(log: &EventLog, store: Option<&dyn Store>) -> Result<LogReport, Failure> {
    let bytes = log.bytes()?;
    let mut report = verify_bytes(&bytes);
    if !report.is_sound() {
        let known = knowledge(&bytes, store).await?;
        report.next = advice(&bytes, &known);
    }
    Ok(report)
}

/// Writes a mended copy in the log's place and keeps the original beside it: damaged lines are mended or set aside, ends that
/// are told twice are set aside, and lines that are missing are written again where it is known what they said.
///
/// # Errors
/// When the store cannot be read, or the log can neither be read nor written; the log is then as it was.
pub async fn repair(log: &EventLog, store: Option<&dyn Store>) -> Result<Repair, Failure> {
    let known = knowledge(&log.bytes()?, store).await?;
    let mut repair = log.repair_knowing(&known)?;
    let bytes = log.bytes()?;
    repair.after = verify_bytes(&bytes);
    if !repair.after.is_sound() {
        repair.after.next = advice(&bytes, &known);
    }
    Ok(repair)
}

/// What the store knows of the deployments that the log does not tell from beginning to end, each once.
async fn knowledge(bytes: &[u8], store: Option<&dyn Store>) -> Result<BTreeMap<String, Known>, Failure> {
    let mut known = BTreeMap::new();
    let Some(store) = store else { return Ok(known) };
    // What mending sets aside is missing then.
    let lines: Vec<Vec<u8>> = mend(bytes).kept.into_iter().map(|(_, line)| line).collect();
    let report = verify_bytes(&lines.join(&b'\n'));
    for id in report.without_end.into_iter().chain(report.ended_twice).chain(report.without_beginning) {
        if let Some(deployment) = store.deployment(&DeploymentId::new(&id)).await? {
            let environment = deployment.environment.name.as_str().to_owned();
            known.insert(id, Known { beginning: beginning(&deployment), end: remembered_end(&deployment), environment });
        }
    }
    Ok(known)
}

/// The next commands for a log that is not sound.
fn advice(bytes: &[u8], known: &BTreeMap<String, Known>) -> Vec<String> {
    let kept = mend(bytes).kept;
    let undecided = contradictions(&kept, known);
    let mended = balance(kept, known).text();
    let mut next = Vec::new();
    if mended != bytes {
        next.push("chora events repair".to_owned());
    }
    for id in verify_bytes(&mended).without_end {
        next.push(match known.get(&id) {
            Some(open) => format!("chora status --env {}", open.environment),
            None => format!("`chora events repair` where deployment {id} was made: the store here does not know it"),
        });
    }
    next.extend(undecided.into_iter().map(|(id, lines)| {
        let lines: Vec<String> = lines.iter().map(ToString::to_string).collect();
        format!("delete the wrong end of deployment {id} by hand: lines {} contradict each other", lines.join(" and "))
    }));
    let mut seen = std::collections::BTreeSet::new();
    next.retain(|command| seen.insert(command.clone()));
    next
}
