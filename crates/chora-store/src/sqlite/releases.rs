//! Releases, and which of them is live.

use chora_core::model::ids::{EnvironmentName, ReleaseId};
use chora_core::model::release::Release;
use chora_core::ports::store::StoreError;
use rusqlite::{Connection, OptionalExtension, params};

use super::codec::{from_json, to_json};
use super::error::store_error;

pub(super) fn put(connection: &Connection, release: &Release) -> Result<(), StoreError> {
    match find(connection, &release.id)? {
        Some(same) if same == *release => return Ok(()),
        Some(_) => return Err(StoreError::Exists(format!("release {}", release.id))),
        None => {}
    }
    connection
        .execute(
            "INSERT INTO releases (id, environment, version, created_at, body) VALUES (?1, ?2, ?3, ?4, ?5)",
            params![release.id.as_str(), release.environment.as_str(), release.version, release.created_at.to_string(), to_json(release)?],
        )
        .map(drop)
        .map_err(|e| store_error(&e))
}

pub(super) fn find(connection: &Connection, id: &ReleaseId) -> Result<Option<Release>, StoreError> {
    connection
        .prepare_cached("SELECT body FROM releases WHERE id = ?1")
        .and_then(|mut statement| statement.query_row([id.as_str()], |row| row.get::<_, String>(0)).optional())
        .map_err(|e| store_error(&e))?
        .map(|body| from_json(&format!("release {id}"), &body))
        .transpose()
}

pub(super) fn live(connection: &Connection, environment: &EnvironmentName) -> Result<Option<ReleaseId>, StoreError> {
    connection
        .prepare_cached("SELECT release FROM live WHERE environment = ?1")
        .and_then(|mut statement| statement.query_row([environment.as_str()], |row| row.get::<_, String>(0)).optional())
        .map(|found| found.map(ReleaseId::new))
        .map_err(|e| store_error(&e))
}

pub(super) fn set_live(connection: &Connection, environment: &EnvironmentName, release: Option<&ReleaseId>) -> Result<(), StoreError> {
    let Some(release) = release else {
        return connection
            .execute("DELETE FROM live WHERE environment = ?1", [environment.as_str()])
            .map(drop)
            .map_err(|e| store_error(&e));
    };
    let changed = connection
        .execute(
            "INSERT OR REPLACE INTO live (environment, release) SELECT ?1, id FROM releases WHERE id = ?2",
            params![environment.as_str(), release.as_str()],
        )
        .map_err(|e| store_error(&e))?;
    if changed == 0 { Err(StoreError::NotFound(format!("release {release}"))) } else { Ok(()) }
}
