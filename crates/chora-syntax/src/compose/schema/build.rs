//! The `build` section.

use super::service_parts::{FILE_REFERENCE, ULIMITS};
use super::{Dict, Field, Merge, Object, Shape, Unique};

/// `services.*.build`.
pub(super) static BUILD: Object = Object::new(&[
    Field::new("context", Shape::Text),
    Field::new("dockerfile", Shape::Text),
    Field::new("dockerfile_inline", Shape::Text),
    Field::new("entitlements", Shape::Texts(false)),
    Field::new("args", Shape::Dict(Dict::Nullable)).merge(Merge::Sequence).unique(Unique::Key),
    Field::new("ssh", Shape::Ssh),
    Field::new("labels", Shape::Dict(Dict::Blank)).merge(Merge::Sequence).unique(Unique::Key),
    Field::new("cache_from", Shape::Texts(false)),
    Field::new("cache_to", Shape::Texts(false)),
    Field::new("no_cache", Shape::Flag),
    Field::new("no_cache_filter", Shape::TextOrTexts),
    Field::new("additional_contexts", Shape::KeyValues).merge(Merge::Sequence).unique(Unique::Key),
    Field::new("network", Shape::Text),
    Field::new("provenance", Shape::Stringified),
    Field::new("sbom", Shape::Stringified),
    Field::new("pull", Shape::Flag),
    Field::new("target", Shape::Text),
    Field::new("shm_size", Shape::Bytes),
    Field::new("extra_hosts", Shape::Hosts).merge(Merge::NewItems),
    Field::new("isolation", Shape::Text),
    Field::new("privileged", Shape::Flag),
    Field::new("secrets", Shape::FileReferences(&FILE_REFERENCE)),
    Field::new("tags", Shape::Texts(false)).unique(Unique::Key),
    Field::new("ulimits", ULIMITS),
    Field::new("platforms", Shape::Texts(false)),
]);
