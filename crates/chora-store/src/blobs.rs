//! The `Blobs` port on files: `<folder>/<first two digits>/<digest>`, written aside and renamed, verified when read.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use chora_core::model::digest::Digest;
use chora_core::ports::blobs::{BlobError, Blobs};

/// Content-addressed files in one folder, usually `.chora/blobs`.
#[derive(Debug, Clone)]
pub struct FileBlobs {
    folder: PathBuf,
}

impl FileBlobs {
    /// Uses a folder; it is made when the first blob is kept.
    #[must_use]
    pub fn at(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    fn keep(&self, digest: &Digest, bytes: &[u8]) -> io::Result<()> {
        let Some(path) = self.path(digest) else { return Err(io::ErrorKind::InvalidInput.into()) };
        if fs::read(&path).is_ok_and(|kept| kept == bytes) {
            return Ok(());
        }
        let shelf = path.parent().unwrap_or(&self.folder);
        if !shelf.is_dir() {
            DirBuilder::new().recursive(true).mode(0o700).create(shelf)?;
            File::open(&self.folder)?.sync_all()?;
        }
        let mut fresh = tempfile::Builder::new().prefix(".part-").tempfile_in(shelf)?;
        fresh.write_all(bytes)?;
        fresh.as_file().sync_all()?;
        fresh.persist(&path)?;
        File::open(shelf)?.sync_all()
    }

    fn read(&self, digest: &Digest) -> Result<Vec<u8>, BlobError> {
        let Some(path) = self.path(digest) else { return Err(BlobError::NotFound(digest.clone())) };
        let bytes = fs::read(&path).map_err(|e| match e.kind() {
            io::ErrorKind::NotFound => BlobError::NotFound(digest.clone()),
            _ => blob_error(&path, &e),
        })?;
        if Digest::of(&bytes) == *digest { Ok(bytes) } else { Err(BlobError::Damaged(digest.clone())) }
    }

    /// A digest that came from a file may hold anything; only 64 digits become a path.
    fn path(&self, digest: &Digest) -> Option<PathBuf> {
        let digest = Digest::parse(digest.as_str())?;
        Some(self.folder.join(digest.as_str().get(..2)?).join(digest.as_str()))
    }
}

fn blob_error(path: &Path, error: &io::Error) -> BlobError {
    let text = format!("{}: {error}", path.display());
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => BlobError::DiskFull(text),
        _ => BlobError::Failed(text),
    }
}

#[async_trait]
impl Blobs for FileBlobs {
    async fn put(&self, bytes: &[u8]) -> Result<Digest, BlobError> {
        let (blobs, bytes) = (self.clone(), bytes.to_vec());
        off_runtime(move || {
            let digest = Digest::of(&bytes);
            blobs.keep(&digest, &bytes).map_err(|e| blob_error(&blobs.folder, &e))?;
            Ok(digest)
        })
        .await
    }

    async fn get(&self, digest: &Digest) -> Result<Vec<u8>, BlobError> {
        let (blobs, digest) = (self.clone(), digest.clone());
        off_runtime(move || blobs.read(&digest)).await
    }
}

async fn off_runtime<T, F>(work: F) -> Result<T, BlobError>
where
    T: Send + 'static,
    F: FnOnce() -> Result<T, BlobError> + Send + 'static,
{
    tokio::task::spawn_blocking(work).await.map_err(|gone| BlobError::Failed(gone.to_string()))?
}
