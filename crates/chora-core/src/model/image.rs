//! Images: how they are asked for and what the engine has.

use indexmap::IndexMap;
use jiff::Timestamp;

use super::ids::ImageId;
use crate::compose::Build;

/// An image that the engine has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Image {
    /// Id on the engine; with a containerd image store it is the manifest digest.
    pub id: Option<ImageId>,
    /// `name:tag` references.
    pub tags: Vec<String>,
    /// `name@sha256:…` references.
    pub digests: Vec<String>,
    /// Labels of its configuration.
    pub labels: IndexMap<String, String>,
    /// `healthcheck.test` of its configuration (`["CMD", …]`, `["CMD-SHELL", …]`, `["NONE"]`), empty when it has none.
    pub healthcheck: Vec<String>,
    /// Entry point of its configuration, empty when it has none.
    pub entrypoint: Vec<String>,
    /// Command of its configuration, empty when it has none.
    pub command: Vec<String>,
    /// Exposed ports, such as `8000/tcp`.
    pub exposed: Vec<String>,
    /// Declared anonymous volumes.
    pub volumes: Vec<String>,
    /// Size on disk in bytes.
    pub size_bytes: u64,
    /// When one of its tags was last set on this engine, by a pull, a build or by hand; `None` where the engine does not know.
    pub tagged_at: Option<Timestamp>,
}

/// An image pinned by a release.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
pub struct ImagePin {
    /// What the Compose file (or the build) calls it.
    pub reference: String,
    /// Id on the engine.
    pub id: ImageId,
    /// `name@sha256:…` where a registry knows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
}

/// What a registry has for one platform under a name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PublishedImage {
    /// Platform, such as `linux/amd64` or `linux/arm/v7`.
    pub platform: String,
    /// Digest of its manifest, `sha256:…`.
    pub digest: String,
    /// Labels of its configuration.
    pub labels: IndexMap<String, String>,
    /// When it was made: its label, else its configuration; `None` where neither says it.
    pub created: Option<Timestamp>,
}

/// An index, which a registry has under one name for several platforms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishedIndex {
    /// Its digest, `sha256:…`.
    pub digest: String,
    /// Everything in it, in its order; what is no image, such as an attestation, is for a platform `unknown/…`.
    pub images: Vec<PublishedImage>,
}

/// The path of a Dockerfile in the archive of a build that is not a file of the context: it is built from, and is not copied. It
/// cannot be a name of the user's.
pub const OWN_DOCKERFILE: &str = ".chora.Dockerfile";

/// Everything one build needs; the context is handed over as an uncompressed tar archive.
#[derive(Debug, Clone)]
pub struct ImageBuild {
    /// The service it is for, in messages.
    pub service: String,
    /// The `build` section.
    pub build: Build,
    /// Resolved build arguments.
    pub args: IndexMap<String, String>,
    /// Path of the Dockerfile inside the archive.
    pub dockerfile: String,
    /// Tags to give.
    pub tags: Vec<String>,
    /// Labels to set beside those of the `build` section.
    pub labels: IndexMap<String, String>,
    /// Target platform, such as `linux/amd64`.
    pub platform: Option<String>,
    /// Secrets by id, for `RUN --mount=type=secret`.
    pub secrets: IndexMap<String, super::secret::Secret<Vec<u8>>>,
    /// The build context.
    pub context: bytes::Bytes,
}
