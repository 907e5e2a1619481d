//! One static binary on nothing, packed as `docker save` packs images.

use std::path::Path;

use serde_json::json;
use sha2::{Digest, Sha256};

use super::LABEL;
use crate::probe::local::hex;

/// The binary and its digest.
pub(super) struct Source {
    binary: Vec<u8>,
    digest: String,
}

impl Source {
    pub(super) fn open(executable: &Path) -> std::io::Result<Self> {
        let binary = std::fs::read(executable)?;
        let digest = sha256(&binary);
        Ok(Self { binary, digest })
    }

    /// `chora/chora:<version>-<digest>`.
    pub(super) fn reference(&self) -> String {
        format!("chora/chora:{}-{}", env!("CARGO_PKG_VERSION"), self.digest.get(..12).unwrap_or_default())
    }

    /// The archive; the same binary always gives the same bytes.
    pub(super) fn archive(&self, architecture: &str) -> std::io::Result<Vec<u8>> {
        let mut layer = tar::Builder::new(Vec::with_capacity(self.binary.len() + 4096));
        append(&mut layer, "chora", 0o755, &self.binary)?;
        let layer = layer.into_inner()?;
        let layer_digest = sha256(&layer);
        let configuration = json!({
            "architecture": architecture,
            "os": "linux",
            "config": { "Entrypoint": ["/chora"], "Labels": { LABEL.0: LABEL.1 } },
            "rootfs": { "type": "layers", "diff_ids": [format!("sha256:{layer_digest}")] },
            "history": [{ "created": "1970-01-01T00:00:00Z", "created_by": "chora" }],
            "created": "1970-01-01T00:00:00Z",
        })
        .to_string();
        let configuration_name = format!("{}.json", sha256(configuration.as_bytes()));
        let layer_name = format!("{layer_digest}/layer.tar");
        let manifest = json!([{ "Config": configuration_name, "RepoTags": [self.reference()], "Layers": [layer_name] }]).to_string();
        let mut archive = tar::Builder::new(Vec::with_capacity(layer.len() + 8192));
        append(&mut archive, &configuration_name, 0o644, configuration.as_bytes())?;
        append(&mut archive, &layer_name, 0o644, &layer)?;
        append(&mut archive, "manifest.json", 0o644, manifest.as_bytes())?;
        archive.into_inner()
    }
}

fn append(archive: &mut tar::Builder<Vec<u8>>, path: &str, mode: u32, content: &[u8]) -> std::io::Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_size(u64::try_from(content.len()).map_err(std::io::Error::other)?);
    header.set_mode(mode);
    header.set_mtime(0);
    archive.append_data(&mut header, path, content)
}

fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::io::Read;

    use super::{Source, sha256};

    #[test]
    fn the_archive_names_everything_by_its_digest() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "binary").unwrap();
        let source = Source::open(file.path()).unwrap();
        let archive = source.archive("amd64").unwrap();
        assert_eq!(archive, Source::open(file.path()).unwrap().archive("amd64").unwrap());
        let mut files = BTreeMap::new();
        for entry in tar::Archive::new(archive.as_slice()).entries().unwrap() {
            let mut entry = entry.unwrap();
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            files.insert(entry.path().unwrap().display().to_string(), content);
        }
        let read = |name: &str| -> serde_json::Value { serde_json::from_slice(&files[name]).unwrap() };
        let manifest = &read("manifest.json")[0];
        assert_eq!(manifest["RepoTags"][0], source.reference());
        let configuration = manifest["Config"].as_str().unwrap();
        assert_eq!(configuration, format!("{}.json", sha256(&files[configuration])));
        let layer = &files[manifest["Layers"][0].as_str().unwrap()];
        assert_eq!(read(configuration)["rootfs"]["diff_ids"][0], format!("sha256:{}", sha256(layer)));
        let mut layer = tar::Archive::new(layer.as_slice());
        let entry = layer.entries().unwrap().next().unwrap().unwrap();
        assert_eq!((entry.path().unwrap().to_str().unwrap(), entry.header().mode().unwrap()), ("chora", 0o755));
    }
}
