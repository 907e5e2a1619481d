//! `Blobs` in memory, with faults on demand.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use chora_core::model::digest::Digest;
use chora_core::ports::blobs::{BlobError, Blobs};

use crate::faults::Faults;

/// Blobs that are gone with the last clone.
#[derive(Debug, Clone, Default)]
pub struct MemoryBlobs {
    faults: Faults,
    kept: Arc<Mutex<BTreeMap<Digest, Vec<u8>>>>,
}

impl MemoryBlobs {
    /// Keeps nothing yet; calls are counted as `blobs.put` and `blobs.get`.
    #[must_use]
    pub fn new(faults: Faults) -> Self {
        Self { faults, kept: Arc::default() }
    }

    /// Others that keep the same so far, whose calls are counted by `faults`.
    #[must_use]
    pub fn fork(&self, faults: Faults) -> Self {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Self { faults, kept: Arc::new(Mutex::new(kept)) }
    }

    /// Spoils what is kept under a digest.
    pub fn damage(&self, digest: &Digest) {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).insert(digest.clone(), b"spoilt".to_vec());
    }
}

#[async_trait]
impl Blobs for MemoryBlobs {
    async fn put(&self, bytes: &[u8]) -> Result<Digest, BlobError> {
        let keep = || {
            let digest = Digest::of(bytes);
            self.kept.lock().unwrap_or_else(PoisonError::into_inner).insert(digest.clone(), bytes.to_vec());
            Ok(digest)
        };
        self.faults.apply("blobs.put", keep).await
    }

    async fn get(&self, digest: &Digest) -> Result<Vec<u8>, BlobError> {
        let read = || {
            let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            let bytes = kept.get(digest).cloned().ok_or_else(|| BlobError::NotFound(digest.clone()))?;
            if Digest::of(&bytes) == *digest { Ok(bytes) } else { Err(BlobError::Damaged(digest.clone())) }
        };
        self.faults.apply("blobs.get", read).await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use async_trait::async_trait;
    use chora_core::model::digest::Digest;
    use chora_core::ports::blobs::{BlobError, Blobs};

    use super::MemoryBlobs;
    use crate::blobs_contract::BlobsFixture;
    use crate::faults::{Faults, Kind};

    #[derive(Default)]
    struct Fixture(MemoryBlobs);

    #[async_trait]
    impl BlobsFixture for Fixture {
        async fn open(&self) -> Arc<dyn Blobs> {
            Arc::new(self.0.clone())
        }

        async fn damage(&self, digest: &Digest) {
            self.0.damage(digest);
        }
    }

    crate::blobs_contract!(Fixture::default());

    #[tokio::test]
    async fn fails_when_told_to() {
        let faults = Faults::new();
        let blobs = MemoryBlobs::new(faults.clone());
        faults.fail_at(0, Kind::Error);
        assert!(matches!(blobs.put(b"a").await, Err(BlobError::Failed(_))));
        assert_eq!(blobs.get(&Digest::of(b"a")).await, Err(BlobError::NotFound(Digest::of(b"a"))));
        faults.fail_at(2, Kind::Timeout);
        assert!(blobs.put(b"a").await.is_err());
        assert_eq!(blobs.get(&Digest::of(b"a")).await.unwrap(), b"a");
    }
}
