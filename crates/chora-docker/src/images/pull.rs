//! Pulling: one try, with the login that Docker's configuration has.

use chora_core::ports::EngineError;
use chora_core::ports::engine::ProgressSink;
use futures_util::StreamExt;

use super::{about, sayings};
use crate::client::{Call, Client};
use crate::failure;
use crate::login::Logins;

pub(crate) async fn pull(
    client: &Client,
    logins: &Logins,
    (reference, platform): (&str, Option<&str>),
    progress: ProgressSink<'_>,
) -> Result<(), EngineError> {
    let mut call = Call::post("/images/create", about(reference)).query("fromImage", with_tag(reference)).limit(None);
    if let Some(platform) = platform {
        call = call.query("platform", platform);
    }
    if let Some(login) = logins.find(reference).await? {
        call = call.header("X-Registry-Auth", login.header());
    }
    follow(client, call, progress).await.map_err(|error| failure::pull(error, reference))
}

async fn follow(client: &Client, call: Call, progress: ProgressSink<'_>) -> Result<(), EngineError> {
    let mut sayings = std::pin::pin!(sayings(client, call).await?);
    let mut last = String::new();
    while let Some(saying) = sayings.next().await {
        let saying = saying?;
        if !saying.error.is_empty() {
            return Err(failure::refusal(500, &saying.error, "the image"));
        }
        let line = if saying.id.is_empty() { saying.status } else { format!("{}: {}", saying.id, saying.status) };
        // Progress bars repeat their words with every piece.
        if line != last {
            progress(&line);
            last = line;
        }
    }
    Ok(())
}

/// Without a tag the engine would pull every one there is.
fn with_tag(reference: &str) -> String {
    let has_tag = reference.contains('@') || super::split_tag(reference).1.is_some();
    if has_tag { reference.to_owned() } else { format!("{reference}:latest") }
}

#[cfg(test)]
mod tests {
    use super::with_tag;

    #[test]
    fn a_bare_name_means_latest() {
        assert_eq!(with_tag("h:5000/a"), "h:5000/a:latest");
        assert_eq!(with_tag("a:1"), "a:1");
        assert_eq!(with_tag("a@sha256:0"), "a@sha256:0");
    }
}
