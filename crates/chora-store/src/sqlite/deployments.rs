//! Deployments: recorded at their beginning, completed with a plan, ended once.

use std::time::Duration;

use chora_core::model::deployment::{Deployment, MadeLive, Outcome, OutcomeKind};
use chora_core::model::ids::{DeploymentId, EnvironmentName, ReleaseId};
use chora_core::ports::store::StoreError;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::codec::{from_json, from_word, to_json, to_word};
use super::error::store_error;

/// How and when a deployment ended.
pub(super) struct End {
    pub(super) outcome: Outcome,
    pub(super) at: Timestamp,
    pub(super) took: Duration,
}

/// Records or completes a deployment; one that has ended is `Exists`, its end is never overwritten.
pub(super) fn put(connection: &Connection, deployment: &Deployment) -> Result<(), StoreError> {
    if find(connection, &deployment.id)?.is_some_and(|known| known.ended_at.is_some()) {
        return Err(StoreError::Exists(format!("the end of deployment {}", deployment.id)));
    }
    write(connection, deployment)
}

/// Ends a deployment and tells its environment. The same end again is fine, another is `Exists`.
pub(super) fn finish(connection: &Connection, id: &DeploymentId, end: End) -> Result<EnvironmentName, StoreError> {
    let mut deployment = find(connection, id)?.ok_or_else(|| StoreError::NotFound(format!("deployment {id}")))?;
    match &deployment.outcome {
        Some(known) if *known == end.outcome => return Ok(deployment.environment.name),
        Some(_) => return Err(StoreError::Exists(format!("the end of deployment {id}"))),
        None => {}
    }
    deployment.outcome = Some(end.outcome);
    deployment.ended_at = Some(end.at);
    deployment.took = Some(end.took);
    write(connection, &deployment)?;
    Ok(deployment.environment.name)
}

fn write(connection: &Connection, deployment: &Deployment) -> Result<(), StoreError> {
    let outcome = deployment.outcome.as_ref().map(|outcome| to_word(&outcome.kind)).transpose()?;
    connection
        .prepare_cached(
            "INSERT INTO deployments (id, environment, action, release, version, started_at, ended_at, outcome, body)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
             ON CONFLICT (id) DO UPDATE SET environment = ?2, action = ?3, release = ?4, version = ?5, started_at = ?6,
                                            ended_at = ?7, outcome = ?8, body = ?9",
        )
        .map_err(|e| store_error(&e))?
        .execute(params![
            deployment.id.as_str(),
            deployment.environment.name.as_str(),
            to_word(&deployment.action)?,
            deployment.release.as_str(),
            deployment.version,
            deployment.started_at.to_string(),
            deployment.ended_at.map(|at| at.to_string()),
            outcome,
            to_json(deployment)?,
        ])
        .map(drop)
        .map_err(|e| store_error(&e))
}

pub(super) fn find(connection: &Connection, id: &DeploymentId) -> Result<Option<Deployment>, StoreError> {
    connection
        .prepare_cached("SELECT body FROM deployments WHERE id = ?1")
        .and_then(|mut statement| statement.query_row([id.as_str()], |row| row.get::<_, String>(0)).optional())
        .map_err(|e| store_error(&e))?
        .map(|body| from_json(&format!("deployment {id}"), &body))
        .transpose()
}

pub(super) fn newest(connection: &Connection, environment: &EnvironmentName, limit: u32) -> Result<Vec<Deployment>, StoreError> {
    let bodies: Vec<String> = connection
        .prepare_cached("SELECT body FROM deployments WHERE environment = ?1 ORDER BY seq DESC LIMIT ?2")
        .and_then(|mut statement| statement.query_map(params![environment.as_str(), limit], |row| row.get(0))?.collect())
        .map_err(|e| store_error(&e))?;
    bodies.iter().map(|body| from_json("a deployment", body)).collect()
}

pub(super) fn count(connection: &Connection, environment: &EnvironmentName) -> Result<u32, StoreError> {
    connection
        .prepare_cached("SELECT count(*) FROM deployments WHERE environment = ?1")
        .and_then(|mut statement| statement.query_row([environment.as_str()], |row| row.get(0)))
        .map_err(|e| store_error(&e))
}

/// What the columns tell; bodies hold plans and are long.
pub(super) fn made_live(connection: &Connection, environment: &EnvironmentName) -> Result<Vec<MadeLive>, StoreError> {
    let outcome = to_word(&OutcomeKind::Deployed)?;
    let rows: Vec<[String; 4]> = connection
        .prepare_cached("SELECT id, action, release, version FROM deployments WHERE environment = ?1 AND outcome = ?2 ORDER BY seq DESC")
        .and_then(|mut statement| {
            let row = |row: &rusqlite::Row<'_>| Ok([row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?]);
            statement.query_map(params![environment.as_str(), outcome], row)?.collect()
        })
        .map_err(|e| store_error(&e))?;
    let made_live = |[id, action, release, version]: [String; 4]| {
        Ok(MadeLive { deployment: DeploymentId::new(id), action: from_word(action)?, release: ReleaseId::new(release), version })
    };
    rows.into_iter().map(made_live).collect()
}
