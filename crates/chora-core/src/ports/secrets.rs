//! Where configs' and secrets' values come from.

use async_trait::async_trait;

use crate::compose::FileObject;
use crate::model::secret::Secret;

/// Why a value could not be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// Nothing holds it.
    #[error("`{name}` has no value: {reason}")]
    Missing {
        /// Config or secret key.
        name: String,
        /// Where it was looked for.
        reason: String,
    },
    /// It is there and cannot be read.
    #[error("`{name}` cannot be read: {reason}")]
    Unreadable {
        /// Config or secret key.
        name: String,
        /// What the operating system said.
        reason: String,
    },
}

/// Values of configs and secrets.
#[async_trait]
pub trait Secrets: Send + Sync {
    /// Reads the value of a top-level config or secret (`file`, `environment` or `content`).
    async fn value(&self, name: &str, object: &FileObject) -> Result<Secret<Vec<u8>>, SecretError>;
}
