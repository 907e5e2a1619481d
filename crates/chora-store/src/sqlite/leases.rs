//! Leases: compare and set inside one transaction.

use chora_core::model::deployment::{Lease, Owner};
use chora_core::model::ids::EnvironmentName;
use chora_core::ports::store::StoreError;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::codec::timestamp;
use super::error::store_error;

/// Takes the lease. An owner that has it already is refused too: one process can run two deployments at once.
pub(super) fn acquire(connection: &Connection, lease: &Lease, steal_from: Option<&Owner>) -> Result<(), StoreError> {
    if let Some(held) = find(connection, &lease.environment)?
        && Some(&held.owner) != steal_from
    {
        return Err(StoreError::LeaseHeld { environment: held.environment, holder: held.owner, since: held.since });
    }
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO leases (environment, host, pid, started, purpose, since, heartbeat) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )
        .and_then(|mut statement| {
            statement.execute(params![
                lease.environment.as_str(),
                lease.owner.host,
                lease.owner.pid,
                lease.owner.started,
                lease.purpose,
                lease.since.to_string(),
                lease.heartbeat.to_string(),
            ])
        })
        .map(drop)
        .map_err(|e| store_error(&e))
}

pub(super) fn renew(connection: &Connection, environment: &EnvironmentName, owner: &Owner, at: Timestamp) -> Result<(), StoreError> {
    let changed = connection
        .execute(
            "UPDATE leases SET heartbeat = ?5 WHERE environment = ?1 AND host = ?2 AND pid = ?3 AND started = ?4",
            params![environment.as_str(), owner.host, owner.pid, owner.started, at.to_string()],
        )
        .map_err(|e| store_error(&e))?;
    if changed == 0 { Err(StoreError::LeaseLost { environment: environment.clone() }) } else { Ok(()) }
}

pub(super) fn release(connection: &Connection, environment: &EnvironmentName, owner: &Owner) -> Result<(), StoreError> {
    connection
        .execute(
            "DELETE FROM leases WHERE environment = ?1 AND host = ?2 AND pid = ?3 AND started = ?4",
            params![environment.as_str(), owner.host, owner.pid, owner.started],
        )
        .map(drop)
        .map_err(|e| store_error(&e))
}

pub(super) fn find(connection: &Connection, environment: &EnvironmentName) -> Result<Option<Lease>, StoreError> {
    let row = connection
        .prepare_cached("SELECT host, pid, started, purpose, since, heartbeat FROM leases WHERE environment = ?1")
        .and_then(|mut statement| statement.query_row([environment.as_str()], columns).optional())
        .map_err(|e| store_error(&e))?;
    row.map(|(owner, purpose, since, heartbeat)| {
        let (since, heartbeat) = (timestamp(&since)?, timestamp(&heartbeat)?);
        Ok(Lease { environment: environment.clone(), owner, purpose, since, heartbeat })
    })
    .transpose()
}

fn columns(row: &Row<'_>) -> rusqlite::Result<(Owner, String, String, String)> {
    let owner = Owner { host: row.get(0)?, pid: row.get(1)?, started: row.get(2)? };
    Ok((owner, row.get(3)?, row.get(4)?, row.get(5)?))
}
