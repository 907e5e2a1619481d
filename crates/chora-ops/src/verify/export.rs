//! Reads what an image consists of, as the engine exports it: a stream of any length, through a bounded window.
//!
//! Engines write two layouts (`docker save` since 1.10, and OCI's); an entry is known by what it holds, not by its name.

use std::collections::{HashMap, HashSet};
use std::io::{self, Cursor, Read};

use bytes::Bytes;
use chora_core::inspection::{ImageConfig, LayerReport, LayerTally, Leak, leaks_in_config, leaks_in_file, shown};
use chora_core::ports::EngineError;
use futures_util::StreamExt;
use serde::Deserialize;
use tokio::sync::mpsc;

use super::is_allowed;
use super::zstd::Unpacked;
use crate::context::Context;
use crate::failure::{Failure, FailureKind};

/// Pieces that may wait to be read.
const WINDOW: usize = 8;
/// The largest document that is read, in bytes.
const LARGEST_DOCUMENT: u64 = 8 << 20;
/// All documents together that are kept, in bytes.
const KEPT_DOCUMENTS: u64 = 64 << 20;
/// Leaks that are told of one layer; more say nothing new.
const KEPT_LEAKS: usize = 1000;
/// The largest file that is looked into, in bytes: secrets are short.
const LARGEST_FILE: u64 = 1 << 20;
/// The most that one layer may unpack to, in bytes; beyond that it is a bomb.
const LARGEST_LAYER: u64 = 64 << 30;
/// Files of all layers that are kept, to know what is repeated.
const KEPT_FILES: usize = 2_000_000;
/// Bytes by which a binary file shows itself.
const SNIFFED: usize = 512;

/// What an image consists of.
pub(super) struct Contents {
    pub(super) config: ImageConfig,
    pub(super) layers: Vec<LayerReport>,
    pub(super) leaks: Vec<Leak>,
    /// What could not be read.
    pub(super) unread: Vec<String>,
}

/// Exports an image and reads it; what files below the paths of `allow` hold is not told.
pub(super) async fn contents(cx: &Context, image: &str, allow: &[String]) -> Result<Contents, Failure> {
    let (sender, receiver) = mpsc::channel(WINDOW);
    let reader = Reading { allow: allow.to_vec(), ..Reading::default() };
    let reading = tokio::task::spawn_blocking(move || reader.read(Window { receiver, piece: Bytes::new() }));
    let feeding = async move {
        // Some engines write all layers before the first byte.
        let mut stream = cx.engine.export_image(image).await?;
        while let Some(piece) = stream.next().await {
            // Whoever reads may have had enough.
            if sender.send(piece?).await.is_err() {
                break;
            }
        }
        Ok::<_, EngineError>(())
    };
    tokio::select! {
        fed = feeding => fed?,
        () = cx.cancel.cancelled() => return Err(super::interrupted()),
    }
    let broken =
        |words: String| Failure::new(FailureKind::Unavailable, format!("the engine's archive of the image cannot be read: {words}"));
    let read = reading.await.map_err(|error| broken(error.to_string()))?;
    read.map_err(|error| broken(error.to_string()).hint("run the command again"))
}

/// The stream, for a reader that blocks.
struct Window {
    receiver: mpsc::Receiver<Bytes>,
    piece: Bytes,
}

impl Read for Window {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            match self.receiver.blocking_recv() {
                Some(piece) => self.piece = piece,
                None => return Ok(0),
            }
        }
        let taken = self.piece.split_to(self.piece.len().min(buffer.len()));
        buffer.iter_mut().zip(&taken).for_each(|(place, byte)| *place = *byte);
        Ok(taken.len())
    }
}

/// A layer that was read before it is known which one it is.
#[derive(Default)]
struct Layer {
    tally: LayerTally,
    leaks: Vec<(String, Leak)>,
    /// Its files by hash of path and size, with their bytes.
    files: Vec<(u64, u64)>,
    /// What it takes away of layers below.
    removed: Vec<String>,
    unread: Option<String>,
}

/// What was read so far.
#[derive(Default)]
struct Reading {
    documents: HashMap<String, Vec<u8>>,
    /// Bytes of these.
    documented: u64,
    layers: HashMap<String, Layer>,
    /// Entries that stand for others.
    links: HashMap<String, String>,
    /// Files of these.
    files: usize,
    /// Paths that may hold what looks like a secret.
    allow: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Manifest {
    config: String,
    layers: Vec<String>,
}

impl Reading {
    fn read(mut self, reader: impl Read) -> io::Result<Contents> {
        let mut archive = tar::Archive::new(reader);
        for entry in archive.entries()? {
            let entry = entry?;
            let path = entry.path()?.to_string_lossy().trim_start_matches("./").to_owned();
            match entry.header().entry_type() {
                tar::EntryType::Regular => self.entry(path, entry)?,
                tar::EntryType::Symlink | tar::EntryType::Link => {
                    if let Some(target) = entry.link_name()? {
                        self.links.insert(path.clone(), beside(&path, &target.to_string_lossy()));
                    }
                }
                _ => {}
            }
        }
        self.contents()
    }

    fn entry(&mut self, path: String, mut entry: impl Read) -> io::Result<()> {
        let head = up_to(&mut entry, SNIFFED as u64)?;
        let whole = Cursor::new(head.clone()).chain(entry);
        match head.as_slice() {
            [b'{' | b'[', ..] => {
                let document = up_to(whole, LARGEST_DOCUMENT.min(KEPT_DOCUMENTS.saturating_sub(self.documented)))?;
                self.documented = self.documented.saturating_add(document.len() as u64);
                self.documents.insert(path, document);
            }
            [0x1f, 0x8b, ..] => {
                let layer = self.layer(flate2::read::MultiGzDecoder::new(whole));
                self.layers.insert(path, layer);
            }
            [0x28, 0xb5, 0x2f, 0xfd, ..] => {
                let layer = self.layer(Unpacked::new(whole));
                self.layers.insert(path, layer);
            }
            head if head.get(257..262) == Some(b"ustar") || (head.len() == SNIFFED && head.iter().all(|byte| *byte == 0)) => {
                let layer = self.layer(whole);
                self.layers.insert(path, layer);
            }
            _ => {}
        }
        Ok(())
    }

    /// What is wrong with a layer does not keep the others from being read.
    fn layer(&mut self, reader: impl Read) -> Layer {
        let mut layer = Layer::default();
        if let Err(error) = self.files(&mut layer, reader.take(LARGEST_LAYER)) {
            layer.unread = Some(error.to_string());
        }
        layer
    }

    fn files(&mut self, layer: &mut Layer, reader: impl Read) -> io::Result<()> {
        let mut archive = tar::Archive::new(reader);
        for entry in archive.entries()? {
            let mut entry = entry?;
            let path = entry.path()?.to_string_lossy().trim_start_matches("./").trim_start_matches('/').to_owned();
            let (folder, name) = path.rsplit_once('/').unwrap_or(("", &path));
            if let Some(gone) = name.strip_prefix(".wh.") {
                layer.removed.push(match (gone, folder) {
                    // All that layers below have in it.
                    (".wh..opq", folder) => folder.to_owned(),
                    (gone, "") => gone.to_owned(),
                    (gone, folder) => format!("{folder}/{gone}"),
                });
                continue;
            }
            if entry.header().entry_type() != tar::EntryType::Regular {
                continue;
            }
            let bytes = entry.size();
            layer.tally.add(&path, bytes);
            if bytes > 0 && self.files < KEPT_FILES {
                self.files += 1;
                layer.files.push((hash(&path, bytes), bytes));
            }
            if bytes > 0 && bytes <= LARGEST_FILE {
                let content = up_to(&mut entry, LARGEST_FILE)?;
                let is_text = !content.iter().take(SNIFFED).any(|byte| *byte == 0);
                let leaks = if is_text { leaks_in_file(&path, &content, "") } else { Vec::new() };
                let leaks = leaks.into_iter().filter(|leak| !is_allowed(leak, &self.allow));
                let room = KEPT_LEAKS.saturating_sub(layer.leaks.len());
                layer.leaks.extend(leaks.take(room).map(|leak| (path.clone(), leak)));
            }
        }
        Ok(())
    }

    /// Puts together what the manifest says belongs together.
    fn contents(mut self) -> io::Result<Contents> {
        let lacks = |what: &str| io::Error::new(io::ErrorKind::InvalidData, format!("it has no {what}"));
        let manifests = self.documents.get("manifest.json").ok_or_else(|| lacks("manifest.json"))?;
        let manifest = serde_json::from_slice::<Vec<Manifest>>(manifests)?.into_iter().next().ok_or_else(|| lacks("image"))?;
        let config =
            self.documents.get(&manifest.config).and_then(|bytes| ImageConfig::parse(bytes)).ok_or_else(|| lacks("configuration"))?;
        let instructions: Vec<String> = config.layered().map(|instruction| shown(instruction.text.expose())).collect();
        let mut leaks = leaks_in_config(&config);
        let (mut layers, mut unread, mut found) = (Vec::new(), Vec::new(), Vec::new());
        let mut removed: Vec<Vec<String>> = Vec::new();
        // Layers lie in the archive in any order.
        let mut below: HashSet<u64> = HashSet::new();
        for (place, path) in manifest.layers.iter().enumerate() {
            let path = self.links.get(path).unwrap_or(path).clone();
            let instruction = instructions.get(place).cloned().unwrap_or_default();
            let Some(mut layer) = self.layers.remove(&path) else {
                // The same layer may stand in an image twice.
                if manifest.layers.iter().take(place).all(|other| self.links.get(other).unwrap_or(other) != &path) {
                    unread.push(format!("layer {} ({instruction}): it is not in the archive", place + 1));
                }
                layers.push(LayerTally::default().report(instruction));
                removed.push(Vec::new());
                continue;
            };
            unread.extend(layer.unread.map(|why| format!("layer {} ({instruction}): {why}", place + 1)));
            found.extend(layer.leaks.into_iter().map(|(path, leak)| (place, path, Leak { instruction: instruction.clone(), ..leak })));
            layer.files.iter().filter(|(file, _)| below.contains(file)).for_each(|(_, bytes)| layer.tally.repeat(*bytes));
            below.extend(layer.files.iter().map(|(file, _)| file));
            layers.push(layer.tally.report(instruction));
            removed.push(layer.removed);
        }
        for (place, path, mut leak) in found {
            let above = removed.iter().skip(place + 1).flatten();
            if above.into_iter().any(|gone| path == *gone || path.starts_with(&format!("{gone}/"))) {
                leak.what.push_str(", which a later layer hides and does not take away");
            }
            leaks.push(leak);
        }
        Ok(Contents { config, layers, leaks, unread })
    }
}

fn hash(path: &str, bytes: u64) -> u64 {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    (path, bytes).hash(&mut hasher);
    hasher.finish()
}

fn up_to(reader: impl Read, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    reader.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// What a link beside a path leads to.
fn beside(path: &str, target: &str) -> String {
    let mut parts: Vec<&str> = path.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            ".." => drop(parts.pop()),
            "." | "" => {}
            part => parts.push(part),
        }
    }
    parts.join("/")
}
