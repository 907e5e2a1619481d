//! The sidecar's side: answers questions that come as lines of JSON, until they end or nobody asks any more.

use std::time::Duration;

use chora_core::model::health::{ProbeAnswer, ProbeVerdict};
use tokio::io::{AsyncBufReadExt, BufReader};

use super::request::{ProbeOutcome, ProbeRequest, run};

/// A sidecar that is not asked for so long is forgotten by whoever started it, or cut off from them.
const IDLE: Duration = Duration::from_secs(60);

/// Answers what standard input asks; `tell` is given each answer, and says whether it could be told.
///
/// # Errors
/// When no runtime can be started.
pub fn attend(mut tell: impl FnMut(&str) -> bool) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
    runtime.block_on(async {
        let mut questions = BufReader::new(tokio::io::stdin()).lines();
        while let Ok(Ok(Some(line))) = tokio::time::timeout(IDLE, questions.next_line()).await {
            let outcome = match serde_json::from_str::<ProbeRequest>(&line) {
                Ok(request) => run(&request).await.map_err(|error| error.to_string()),
                Err(error) => Err(format!("the question cannot be read: {error}")),
            };
            let told = serde_json::to_string(&outcome.unwrap_or_else(refused)).is_ok_and(|text| tell(&format!("{text}\n")));
            if !told {
                break;
            }
        }
    });
    // Standard input may be waited for still.
    runtime.shutdown_background();
    Ok(())
}

fn refused(reason: String) -> ProbeOutcome {
    let answer = ProbeAnswer {
        verdict: ProbeVerdict::NoAnswer,
        asked: "the sidecar".to_owned(),
        answered: reason,
        took: Duration::ZERO,
        contract: None,
    };
    ProbeOutcome { ok: false, answer }
}
