//! Pushing: one try, with the login that Docker's configuration has.

use chora_core::ports::EngineError;
use chora_core::ports::engine::ProgressSink;
use futures_util::StreamExt;
use serde_json::Value;

use super::{about, sayings, split_tag};
use crate::client::{Call, Client, reference_path};
use crate::failure;
use crate::login::{Login, Logins};

pub(crate) async fn push(client: &Client, logins: &Logins, reference: &str, progress: ProgressSink<'_>) -> Result<String, EngineError> {
    let (name, tag) = split_tag(reference);
    // The engine wants the header also of who has no login.
    let login = logins.find(reference).await?.unwrap_or_else(Login::default);
    let call = Call::post(format!("/images/{}/push", reference_path(name)), about(reference))
        .query("tag", tag.unwrap_or("latest"))
        .header("X-Registry-Auth", login.header())
        .limit(None);
    follow(client, call, reference, progress).await.map_err(|error| failure::push(error, reference))
}

async fn follow(client: &Client, call: Call, reference: &str, progress: ProgressSink<'_>) -> Result<String, EngineError> {
    let mut sayings = std::pin::pin!(sayings(client, call).await?);
    let (mut last, mut digest) = (String::new(), None);
    while let Some(saying) = sayings.next().await {
        let saying = saying?;
        if !saying.error.is_empty() {
            return Err(failure::refusal(500, &saying.error, "the image"));
        }
        let told = saying.aux.and_then(|aux| aux.get("Digest").and_then(Value::as_str).map(str::to_owned));
        digest = told.or_else(|| digest_in(&saying.status)).or(digest);
        let line = if saying.id.is_empty() { saying.status } else { format!("{}: {}", saying.id, saying.status) };
        // Progress bars repeat their words with every piece.
        if line != last && !line.is_empty() {
            progress(&line);
            last = line;
        }
    }
    digest.ok_or_else(|| EngineError::Failed {
        reason: format!("it does not say what it pushed as {reference}: the connection broke off (unexpected EOF)"),
    })
}

/// Engines with containerd's image store say it in words only: `1.2: digest: sha256:… size: 480`.
fn digest_in(status: &str) -> Option<String> {
    let (_, rest) = status.split_once(": digest: ")?;
    rest.split(' ').next().filter(|digest| digest.starts_with("sha256:")).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::digest_in;

    #[test]
    fn a_digest_is_found_in_words() {
        assert_eq!(digest_in("1: digest: sha256:16 size: 480").as_deref(), Some("sha256:16"));
        assert_eq!(digest_in("Pushed"), None);
    }
}
