//! Compose files: from text on disk to one resolved [`model::Stack`].

#[expect(missing_docs, reason = "fields carry the Compose Specification's own key names")]
pub mod model;
