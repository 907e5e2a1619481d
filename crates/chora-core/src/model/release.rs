//! Releases: what was, is or will be live.

use indexmap::IndexMap;
use jiff::Timestamp;

use super::bridge::Bridge;
use super::digest::Digest;
use super::ids::{EnvironmentName, ReleaseId};
use super::image::ImagePin;
use crate::compose::Stack;

/// A release: immutable once recorded.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
pub struct Release {
    /// Identifier.
    pub id: ReleaseId,
    /// Version for people, such as `v1.4.2`; not unique.
    pub version: String,
    /// Environment it was made for.
    pub environment: EnvironmentName,
    /// When it was made.
    #[schemars(with = "String")]
    pub created_at: Timestamp,
    /// The resolved stack; configs' contents and secrets are not in it.
    pub stack: Stack,
    /// Image of each service.
    pub images: IndexMap<String, ImagePin>,
    /// Content hash of each config (`config:<key>`) and secret (`secret:<key>`).
    pub files: IndexMap<String, Digest>,
    /// What makes two containers of a service interchangeable: image, configuration and files.
    pub fingerprints: IndexMap<String, Digest>,
    /// The bridge of each service that is run under one.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub bridges: IndexMap<String, Bridge>,
}
