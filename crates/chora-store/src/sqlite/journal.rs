//! A deployment's journal, one row per entry.

use chora_core::model::deployment::JournalEntry;
use chora_core::model::ids::{DeploymentId, EnvironmentName};
use chora_core::ports::store::StoreError;
use rusqlite::{Connection, OptionalExtension, params};

use super::codec::{from_word, timestamp, to_word};
use super::error::store_error;

/// Appends entries; gives the environment of their deployment.
pub(super) fn append(connection: &Connection, deployment: &DeploymentId, entries: &[JournalEntry]) -> Result<EnvironmentName, StoreError> {
    let environment = environment(connection, deployment)?.ok_or_else(|| StoreError::NotFound(format!("deployment {deployment}")))?;
    for entry in entries {
        connection
            .prepare_cached("INSERT INTO journal (deployment, step, mark, at, note) VALUES (?1, ?2, ?3, ?4, ?5)")
            .map_err(|e| store_error(&e))?
            .execute(params![deployment.as_str(), entry.step, to_word(&entry.mark)?, entry.at.to_string(), entry.note])
            .map_err(|e| store_error(&e))?;
    }
    Ok(environment)
}

fn environment(connection: &Connection, deployment: &DeploymentId) -> Result<Option<EnvironmentName>, StoreError> {
    connection
        .prepare_cached("SELECT environment FROM deployments WHERE id = ?1")
        .and_then(|mut statement| statement.query_row([deployment.as_str()], |row| row.get::<_, String>(0)).optional())
        .map(|found| found.map(EnvironmentName::new))
        .map_err(|e| store_error(&e))
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
