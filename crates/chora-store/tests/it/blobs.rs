//! The blobs contract on files.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use chora_core::model::digest::Digest;
use chora_core::ports::blobs::{BlobError, Blobs};
use chora_store::FileBlobs;
use chora_testkit::blobs_contract::BlobsFixture;
use tempfile::TempDir;

use super::disk::Tmpfs;

struct Fixture(TempDir);

impl Fixture {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn file(&self, digest: &Digest) -> PathBuf {
        self.0.path().join("blobs").join(&digest.as_str()[..2]).join(digest.as_str())
    }
}

#[async_trait]
impl BlobsFixture for Fixture {
    async fn open(&self) -> Arc<dyn Blobs> {
        Arc::new(FileBlobs::at(&self.0.path().join("blobs")))
    }

    async fn damage(&self, digest: &Digest) {
        fs::write(self.file(digest), "spoilt").unwrap();
    }
}

chora_testkit::blobs_contract!(Fixture::new());

#[tokio::test]
async fn a_blob_is_one_private_file_under_its_digest() {
    let fixture = Fixture::new();
    let digest = fixture.open().await.put(b"secret config").await.unwrap();
    let file = fixture.file(&digest);
    assert_eq!(fs::read(&file).unwrap(), b"secret config");
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::read_dir(file.parent().unwrap()).unwrap().count(), 1, "nothing beside it");
}

#[tokio::test]
async fn a_full_disk_is_said_and_leaves_nothing_behind() {
    let disk = Tmpfs::mount("1m");
    let blobs = FileBlobs::at(&disk.path().join("blobs"));
    let small = blobs.put(b"small").await.unwrap();
    let big = vec![7; 2 << 20];
    assert!(matches!(blobs.put(&big).await, Err(BlobError::DiskFull(_))));
    assert_eq!(blobs.get(&Digest::of(&big)).await, Err(BlobError::NotFound(Digest::of(&big))));
    assert_eq!(blobs.get(&small).await.unwrap(), b"small");
    blobs.put(&[7; 100_000]).await.expect("there is space for something smaller");
}
