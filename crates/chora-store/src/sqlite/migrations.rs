//! Numbered schema steps, forward only; all that are missing run in one transaction.

use chora_core::ports::store::StoreError;
use rusqlite::{Connection, TransactionBehavior, params};

use super::error::store_error;

/// Schema steps in order; the first is version 1.
const MIGRATIONS: &[(&str, &str)] = &[("0001_deployments", include_str!("../../migrations/sqlite/0001_deployments.sql"))];

/// The schema this program knows.
pub(super) const KNOWN: u32 = 1;

/// The store's schema version; 0 for an empty file.
pub(super) fn version(connection: &Connection) -> Result<u32, StoreError> {
    connection.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(|e| store_error(&e))
}

/// Applies what is missing.
pub(super) fn apply(connection: &mut Connection) -> Result<(), StoreError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(|e| store_error(&e))?;
    transaction
        .execute_batch("CREATE TABLE IF NOT EXISTS schema_history (version INTEGER PRIMARY KEY, name TEXT NOT NULL) STRICT")
        .map_err(|e| store_error(&e))?;
    let applied = version(&transaction)?;
    for (number, (name, sql)) in (1_u32..).zip(MIGRATIONS) {
        if number > applied {
            transaction.execute_batch(sql).map_err(|e| store_error(&e))?;
            transaction
                .execute("INSERT INTO schema_history (version, name) VALUES (?1, ?2)", params![number, name])
                .map_err(|e| store_error(&e))?;
        }
    }
    transaction.pragma_update(None, "user_version", KNOWN).map_err(|e| store_error(&e))?;
    transaction.commit().map_err(|e| store_error(&e))
}

#[cfg(test)]
mod tests {
    use super::{KNOWN, MIGRATIONS};

    #[test]
    fn the_known_schema_is_the_last_step() {
        assert_eq!(usize::try_from(KNOWN).unwrap(), MIGRATIONS.len());
        for (number, (name, _)) in (1..).zip(MIGRATIONS) {
            assert!(name.starts_with(&format!("{number:04}_")), "{name}");
        }
    }
}
