//! What an image is worth before anybody gets it: its configuration, its layers, and what should not be in them.
//!
//! The bytes are handed in; nothing that is told holds a secret.

mod address;
mod config;
mod credential;
mod instruction;
mod judge;
mod layer;
mod leak;
mod token;
mod waste;

use crate::model::health::Verdict;

pub use config::{ImageConfig, Instruction};
pub use instruction::{shown, without_secrets};
pub use judge::{Rules, Subject, judge};
pub use layer::{LargeFile, LayerReport, LayerTally};
pub use leak::{Leak, leaks_in_config, leaks_in_file};

/// What is judged of an image as it lies there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Aspect {
    /// Its programs do not run as root.
    User,
    /// It says what it is.
    Labels,
    /// It is the version that it should be.
    Version,
    /// It says how it is asked whether it is well.
    Healthcheck,
    /// It is no larger than it may be.
    Size,
    /// It carries no secret.
    Secrets,
}

impl Aspect {
    /// The word for people.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Labels => "labels",
            Self::Version => "version",
            Self::Healthcheck => "healthcheck",
            Self::Size => "size",
            Self::Secrets => "secrets",
        }
    }
}

/// A judgement of one aspect.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
pub struct Remark {
    /// Aspect.
    pub aspect: Aspect,
    /// Verdict.
    pub verdict: Verdict,
    /// What was found.
    pub found: String,
    /// What to do about it; empty where nothing has to be done.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub advice: String,
}

/// Bytes as people say them.
#[must_use]
pub fn size(bytes: u64) -> String {
    const UNITS: [(&str, u64); 3] = [("GB", 1_000_000_000), ("MB", 1_000_000), ("kB", 1_000)];
    let unit = UNITS.into_iter().find(|(_, unit)| bytes >= *unit);
    unit.map_or_else(|| format!("{bytes} B"), |(name, unit)| format!("{}.{} {name}", bytes / unit, bytes % unit * 10 / unit))
}

#[cfg(test)]
mod tests {
    use super::size;

    #[test]
    fn sizes_have_the_unit_that_fits() {
        assert_eq!([size(7), size(1_500), size(250_000_000), size(1_990_000_000)], ["7 B", "1.5 kB", "250.0 MB", "1.9 GB"]);
    }
}
