//! Content-addressed bytes.

use async_trait::async_trait;

use crate::model::digest::Digest;

/// Why bytes could not be kept or found.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BlobError {
    /// Nothing is kept under the digest.
    #[error("nothing is kept under {0}")]
    NotFound(Digest),
    /// What is kept does not have its digest.
    #[error("what is kept under {0} is damaged")]
    Damaged(Digest),
    /// No space left.
    #[error("no space left: {0}")]
    DiskFull(String),
    /// Anything else.
    #[error("blob storage failed: {0}")]
    Failed(String),
}

/// Content-addressed storage (SHA-256).
#[async_trait]
pub trait Blobs: Send + Sync {
    /// Keeps bytes, durably; the same bytes again are free.
    async fn put(&self, bytes: &[u8]) -> Result<Digest, BlobError>;
    /// Gives bytes back, verified.
    async fn get(&self, digest: &Digest) -> Result<Vec<u8>, BlobError>;
}
