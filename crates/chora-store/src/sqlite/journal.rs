//! A deployment's journal, one row per entry.

use chora_core::model::deployment::JournalEntry;
use chora_core::model::ids::DeploymentId;
use chora_core::ports::store::StoreError;
use rusqlite::{Connection, params};

use super::codec::{from_word, timestamp, to_word};
use super::error::store_error;

pub(super) fn append(connection: &Connection, deployment: &DeploymentId, entry: &JournalEntry) -> Result<(), StoreError> {
    let changed = connection
        .prepare_cached("INSERT INTO journal (deployment, step, mark, at, note) SELECT id, ?2, ?3, ?4, ?5 FROM deployments WHERE id = ?1")
        .map_err(|e| store_error(&e))?
        .execute(params![deployment.as_str(), entry.step, to_word(&entry.mark)?, entry.at.to_string(), entry.note])
        .map_err(|e| store_error(&e))?;
    if changed == 0 { Err(StoreError::NotFound(format!("deployment {deployment}"))) } else { Ok(()) }
}

pub(super) fn read(connection: &Connection, deployment: &DeploymentId) -> Result<Vec<JournalEntry>, StoreError> {
    let rows: Vec<(u32, String, String, String)> = connection
        .prepare_cached("SELECT step, mark, at, note FROM journal WHERE deployment = ?1 ORDER BY seq")
        .and_then(|mut statement| {
            statement.query_map([deployment.as_str()], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?.collect()
        })
        .map_err(|e| store_error(&e))?;
    rows.into_iter().map(|(step, mark, at, note)| Ok(JournalEntry { step, mark: from_word(mark)?, at: timestamp(&at)?, note })).collect()
}
