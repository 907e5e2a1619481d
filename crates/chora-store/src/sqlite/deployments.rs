//! Deployments: recorded at their beginning, completed with a plan, ended once.

use std::time::Duration;

use chora_core::model::deployment::{Deployment, Outcome};
use chora_core::model::ids::{DeploymentId, EnvironmentName};
use chora_core::ports::store::StoreError;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::codec::{from_json, to_json, to_word};
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
