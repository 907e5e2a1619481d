//! Calls about files that the gateway is sent.

use hyper::Method;
use hyper::body::Incoming;
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::files::{FileError, Files};
use super::super::plane::Plane;
use super::{Refused, parse};

/// Not to be shown: its text may be a key.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileRequest {
    sha256: String,
    text: String,
}

pub(super) async fn call(plane: &Plane, method: &Method, body: Incoming) -> Result<Value, Refused> {
    match *method {
        Method::GET => Ok(json!({ "files": with(plane, Files::list).await? })),
        Method::PUT => {
            let FileRequest { sha256, text } = parse(body).await?;
            Ok(json!({ "path": with(plane, move |files| files.keep(&sha256, &text)).await? }))
        }
        Method::DELETE => Ok(json!({ "forgotten": plane.forget_files().await? })),
        _ => Err(Refused::NoCall),
    }
}

async fn with<T: Send + 'static>(plane: &Plane, work: impl FnOnce(&Files) -> Result<T, FileError> + Send + 'static) -> Result<T, Refused> {
    let files = plane.files.clone();
    Ok(tokio::task::spawn_blocking(move || work(&files)).await.map_err(|_| FileError::Interrupted)??)
}
