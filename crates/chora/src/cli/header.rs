//! Headers for a remote server: values may stand in files, and are never shown.

use std::path::{Path, PathBuf};

use axum::http::{HeaderName, HeaderValue};

/// A header cannot be sent.
#[derive(Debug, thiserror::Error)]
pub(super) enum HeaderError {
    #[error("`{0}` is no name of a header")]
    Name(String),
    #[error("the value of the header `{0}` cannot be sent")]
    Value(String),
    #[error("{} cannot be read: {error}", path.display())]
    File { path: PathBuf, error: std::io::Error },
}

/// A header from its parts; `@FILE` as the value reads it from a file.
pub(super) fn read(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), HeaderError> {
    let name = name.trim();
    let parsed = HeaderName::try_from(name).map_err(|_| HeaderError::Name(name.to_owned()))?;
    let value = match value.trim().strip_prefix('@') {
        Some(path) => secret(Path::new(path))?,
        None => value.trim().to_owned(),
    };
    let value = sensitive(&value).ok_or_else(|| HeaderError::Value(name.to_owned()))?;
    Ok((parsed, value))
}

/// `Authorization` with a token from a file.
pub(super) fn bearer(path: &Path) -> Result<HeaderValue, HeaderError> {
    sensitive(&format!("Bearer {}", secret(path)?)).ok_or_else(|| HeaderError::Value("authorization".to_owned()))
}

fn secret(path: &Path) -> Result<String, HeaderError> {
    let text = std::fs::read_to_string(path).map_err(|error| HeaderError::File { path: path.to_owned(), error })?;
    Ok(text.trim().to_owned())
}

fn sensitive(value: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(value).ok()?;
    value.set_sensitive(true);
    Some(value)
}
