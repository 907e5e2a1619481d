//! What every `Blobs` adapter has to do.

use std::sync::Arc;

use async_trait::async_trait;
use chora_core::model::digest::Digest;
use chora_core::ports::blobs::{BlobError, Blobs};

/// Gives handles on one and the same storage.
#[async_trait]
pub trait BlobsFixture: Send + Sync {
    /// Opens the storage again.
    async fn open(&self) -> Arc<dyn Blobs>;
    /// Spoils what is kept under a digest.
    async fn damage(&self, digest: &Digest);
}

/// Writes one test per case of the contract for the fixture that the expression makes.
#[macro_export]
macro_rules! blobs_contract {
    ($fixture:expr) => {
        $crate::blobs_contract!(@cases $fixture; gives_back_what_was_put, the_same_again_is_free, unknown_is_not_found,
            damaged_is_said_and_mended_by_a_put, a_digest_is_never_a_path, many_at_once);
    };
    (@cases $fixture:expr; $($case:ident),* $(,)?) => {
        $(#[tokio::test]
        async fn $case() {
            let fixture = $fixture;
            $crate::blobs_contract::$case(&fixture).await;
        })*
    };
}

/// Bytes of every size come back, also through another handle.
pub async fn gives_back_what_was_put(fixture: &dyn BlobsFixture) {
    let every_byte: Vec<u8> = (0..=255).collect();
    for bytes in [Vec::new(), vec![0], every_byte.repeat(5), every_byte.repeat(4096)] {
        let digest = fixture.open().await.put(&bytes).await.expect("put");
        assert_eq!(digest, Digest::of(&bytes));
        assert!(fixture.open().await.get(&digest).await.expect("get") == bytes, "{} bytes changed", bytes.len());
    }
}

/// Keeping the same bytes again changes nothing.
pub async fn the_same_again_is_free(fixture: &dyn BlobsFixture) {
    let blobs = fixture.open().await;
    let first = blobs.put(b"same").await.expect("put");
    assert_eq!(blobs.put(b"same").await.expect("put again"), first);
    assert_eq!(blobs.get(&first).await.expect("get"), b"same");
}

/// What was never kept is `NotFound`.
pub async fn unknown_is_not_found(fixture: &dyn BlobsFixture) {
    let digest = Digest::of(b"never kept");
    assert_eq!(fixture.open().await.get(&digest).await, Err(BlobError::NotFound(digest)));
}

/// Damage is told when reading, never handed out, and cured by keeping the bytes again.
pub async fn damaged_is_said_and_mended_by_a_put(fixture: &dyn BlobsFixture) {
    let blobs = fixture.open().await;
    let digest = blobs.put(b"precious").await.expect("put");
    fixture.damage(&digest).await;
    assert_eq!(blobs.get(&digest).await, Err(BlobError::Damaged(digest.clone())));
    blobs.put(b"precious").await.expect("put again");
    assert_eq!(blobs.get(&digest).await.expect("get"), b"precious");
}

/// A digest read from a file can hold anything; it must not lead anywhere.
pub async fn a_digest_is_never_a_path(fixture: &dyn BlobsFixture) {
    let blobs = fixture.open().await;
    for text in ["../../../../etc/passwd", "", "aa", "/etc/passwd", "é"] {
        let digest: Digest = serde_json::from_value(text.into()).expect("a digest takes any text");
        assert_eq!(blobs.get(&digest).await, Err(BlobError::NotFound(digest)));
    }
}

/// Handles that keep the same and other bytes at the same time do not hurt each other.
pub async fn many_at_once(fixture: &dyn BlobsFixture) {
    let mut tasks = Vec::new();
    for number in 0..32_u8 {
        let blobs = fixture.open().await;
        tasks.push(tokio::spawn(async move { blobs.put(&[number % 4; 10_000]).await }));
    }
    let blobs = fixture.open().await;
    for task in tasks {
        let digest = task.await.expect("no panic").expect("put");
        assert_eq!(blobs.get(&digest).await.expect("get").len(), 10_000);
    }
}
