//! Layers: how large each is, what makes it so, and what to do.

use super::size;
use super::waste::{WASTES, kind};

/// Files of a layer that are named.
const LARGEST: usize = 3;
/// What has to be saved by an advice, in bytes, to be worth it.
const WORTH: u64 = 1_000_000;

/// A layer of an image.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
pub struct LayerReport {
    /// What made it, shortened.
    pub instruction: String,
    /// Bytes of its files, unpacked.
    pub size_bytes: u64,
    /// Files in it.
    pub files: u64,
    /// Its largest files.
    pub largest: Vec<LargeFile>,
    /// What to do about its size.
    pub advice: Vec<String>,
}

/// A file that a layer's size comes from.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
pub struct LargeFile {
    /// Path.
    pub path: String,
    /// Bytes.
    pub size_bytes: u64,
}

/// Counts a layer while it is read.
#[derive(Debug, Clone, Default)]
pub struct LayerTally {
    bytes: u64,
    files: u64,
    largest: Vec<LargeFile>,
    wasted: [u64; WASTES.len()],
    repeated: u64,
}

impl LayerTally {
    /// Counts a file.
    pub fn add(&mut self, path: &str, bytes: u64) {
        self.bytes = self.bytes.saturating_add(bytes);
        self.files += 1;
        if let Some(wasted) = kind(path).and_then(|kind| self.wasted.get_mut(kind)) {
            *wasted = wasted.saturating_add(bytes);
        }
        if self.largest.len() < LARGEST || self.largest.last().is_some_and(|least| least.size_bytes < bytes) {
            self.largest.push(LargeFile { path: format!("/{path}"), size_bytes: bytes });
            self.largest.sort_by(|a, b| b.size_bytes.cmp(&a.size_bytes).then_with(|| a.path.cmp(&b.path)));
            self.largest.truncate(LARGEST);
        }
    }

    /// Counts bytes of a file that a layer below has as well, with the same size.
    pub const fn repeat(&mut self, bytes: u64) {
        self.repeated = self.repeated.saturating_add(bytes);
    }

    /// What there is to tell.
    #[must_use]
    pub fn report(self, instruction: String) -> LayerReport {
        let wasted = self.wasted.iter().zip(&WASTES).filter(|(bytes, _)| **bytes >= WORTH);
        let mut advice: Vec<String> = wasted.map(|(bytes, waste)| format!("{} of {}", size(*bytes), waste.advice)).collect();
        if self.repeated >= WORTH {
            let words = "files that a layer below has as well: change owner and mode where they are copied (`COPY --chown`, `--chmod`), not afterwards";
            advice.push(format!("{} of {words}", size(self.repeated)));
        }
        LayerReport { instruction, size_bytes: self.bytes, files: self.files, largest: self.largest, advice }
    }
}

#[cfg(test)]
mod tests {
    use super::LayerTally;

    #[test]
    fn a_layer_tells_what_makes_it_large() {
        let mut tally = LayerTally::default();
        for (path, bytes) in [("a", 1), ("b", 5_000_000), ("var/cache/apt/x.deb", 2_000_000), ("c", 3)] {
            tally.add(path, bytes);
        }
        tally.repeat(5_000_000);
        let report = tally.report("RUN make".to_owned());
        assert_eq!((report.size_bytes, report.files), (7_000_004, 4));
        assert_eq!(report.largest.iter().map(|file| file.path.as_str()).collect::<Vec<_>>(), ["/b", "/var/cache/apt/x.deb", "/c"]);
        assert!(
            report.advice[0].starts_with("2.0 MB of package lists") && report.advice[1].starts_with("5.0 MB of files that a layer below")
        );
    }
}
