//! The last lines of one container, as evidence.

use chora_core::model::container::LogQuery;
use futures_util::StreamExt as _;

use crate::context::Context;

/// How many lines of a failed container are shown.
const SHOWN: u64 = 20;
/// How long one shown line may be, in characters.
const LINE: usize = 400;

/// The last lines of a container; none when they cannot be had.
pub(crate) async fn last_lines(cx: &Context, container: &str) -> Vec<String> {
    let query = LogQuery { tail: Some(SHOWN), ..LogQuery::default() };
    let Ok(mut chunks) = cx.engine.logs(container, &query).await else { return Vec::new() };
    let mut bytes = Vec::new();
    while let Some(Ok(chunk)) = chunks.next().await {
        bytes.extend_from_slice(&chunk.bytes);
    }
    String::from_utf8_lossy(&bytes).lines().map(|line| line.chars().take(LINE).collect()).collect()
}
