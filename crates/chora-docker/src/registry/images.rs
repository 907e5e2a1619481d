//! What a registry has under a name, an image for each platform: indexes, manifests and configurations, never layers (OCI
//! image-spec, image-index.md, manifest.md and config.md).

use chora_core::model::digest::Digest;
use chora_core::model::image::{PublishedImage, PublishedIndex};
use chora_core::ports::EngineError;
use hyper::header::LOCATION;
use hyper::{Method, StatusCode};
use indexmap::IndexMap;
use jiff::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::{Answer, Question, Registry};

/// The label that says when an image was made (OCI image-spec, annotations.md).
const CREATED: &str = "org.opencontainers.image.created";
/// What the platform of a manifest is called that is no image, such as an attestation.
const NO_PLATFORM: &str = "unknown";
/// Places that an answer may lead to, one after the other.
const PLACES: usize = 3;

/// An index, or a manifest.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Document {
    manifests: Option<Vec<Entry>>,
    config: Option<Entry>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Entry {
    digest: String,
    platform: Option<Platform>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Platform {
    os: String,
    architecture: String,
    variant: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Configuration {
    #[serde(flatten)]
    platform: Platform,
    created: Option<String>,
    config: Option<Settings>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Settings {
    labels: Option<IndexMap<String, String>>,
}

impl Platform {
    fn name(&self) -> String {
        let parts = [&self.os, &self.architecture, &self.variant].into_iter().filter(|part| !part.is_empty());
        parts.map(String::as_str).collect::<Vec<_>>().join("/")
    }
}

impl Registry {
    /// The images that stand under the name.
    pub(crate) async fn images(&self) -> Result<Vec<PublishedImage>, EngineError> {
        let answer = self.taken(&self.manifest(Method::GET, &self.named)).await?;
        let document: Document = self.read(&answer)?;
        let Some(entries) = document.manifests else {
            return Ok(vec![self.image(digest(&answer), &document, None).await?]);
        };
        let mut images = self.entries(entries).await?;
        images.retain(is_image);
        Ok(images)
    }

    /// The index that stands under the name; `None` when nothing does, or no index.
    pub(crate) async fn index(&self) -> Result<Option<PublishedIndex>, EngineError> {
        let answer = self.ask(&self.manifest(Method::GET, &self.named)).await?;
        if answer.status == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        let answer = self.there(answer)?;
        let document: Document = self.read(&answer)?;
        let Some(entries) = document.manifests else { return Ok(None) };
        Ok(Some(PublishedIndex { digest: digest(&answer), images: self.entries(entries).await? }))
    }

    /// What an index has, in its order. What is no image is not looked into.
    async fn entries(&self, entries: Vec<Entry>) -> Result<Vec<PublishedImage>, EngineError> {
        let mut images = Vec::with_capacity(entries.len());
        for Entry { digest, platform } in entries {
            let platform = platform.as_ref().map(Platform::name).filter(|name| !name.is_empty());
            let known = PublishedImage { platform: platform.clone().unwrap_or_default(), digest, ..PublishedImage::default() };
            if !is_image(&known) {
                images.push(known);
                continue;
            }
            let document: Document = self.read(&self.taken(&self.manifest(Method::GET, &known.digest)).await?)?;
            images.push(self.image(known.digest, &document, platform).await?);
        }
        Ok(images)
    }

    /// The image of a manifest; an index knows its platform better than its configuration, which may lack the variant.
    async fn image(&self, digest: String, manifest: &Document, platform: Option<String>) -> Result<PublishedImage, EngineError> {
        let config = manifest.config.as_ref().map(|config| config.digest.as_str()).unwrap_or_default();
        let configuration: Configuration = self.read(&self.blob(config).await?)?;
        let labels = configuration.config.and_then(|config| config.labels).unwrap_or_default();
        let told = labels.get(CREATED).and_then(|text| text.parse::<Timestamp>().ok());
        // Builds that are to be repeated have 1970 there.
        let created = told.or_else(|| configuration.created?.parse().ok()).filter(|at| at.as_second() > 0);
        Ok(PublishedImage { platform: platform.unwrap_or_else(|| configuration.platform.name()), digest, labels, created })
    }

    /// A configuration. Registries lead to where they keep it, and what they say to us is not said there.
    async fn blob(&self, digest: &str) -> Result<Answer, EngineError> {
        let url = format!("{}/v2/{}/blobs/{digest}", self.base, self.repository);
        let mut question = Question { url, accept: "*/*", ..self.manifest(Method::GET, digest) };
        let mut answer = self.ask(&question).await?;
        for _ in 0..PLACES {
            let place = answer.headers.get(LOCATION).filter(|_| answer.status.is_redirection()).and_then(|place| place.to_str().ok());
            let Some(place) = place else { break };
            question.url = if place.starts_with('/') { format!("{}{place}", self.base) } else { place.to_owned() };
            answer = self.send(&question, None).await?;
        }
        let answer = self.there(answer)?;
        if self::digest(&answer) == digest { Ok(answer) } else { Err(self.unreadable("it is damaged")) }
    }

    async fn taken(&self, question: &Question) -> Result<Answer, EngineError> {
        self.there(self.ask(question).await?)
    }

    /// What was asked for has to be there.
    fn there(&self, answer: Answer) -> Result<Answer, EngineError> {
        match answer.status {
            status if status.is_success() => Ok(answer),
            StatusCode::NOT_FOUND => Err(self.unreadable("a part of it is not there")),
            _ => Err(self.refused(&answer)),
        }
    }

    fn read<T: DeserializeOwned>(&self, answer: &Answer) -> Result<T, EngineError> {
        serde_json::from_slice(&answer.body).map_err(|error| self.unreadable(&error.to_string()))
    }

    fn unreadable(&self, why: &str) -> EngineError {
        let reason = format!("what the registry has under this name cannot be read: {why}");
        EngineError::ImageUnavailable { image: self.reference.clone(), reason }
    }
}

fn is_image(published: &PublishedImage) -> bool {
    !published.platform.starts_with(NO_PLATFORM)
}

/// The digest of what was answered.
fn digest(answer: &Answer) -> String {
    format!("sha256:{}", Digest::of(&answer.body))
}
