//! `chora serve`.

use std::sync::Arc;

use chora_ops::{Failure, FailureKind};
use clap::Args;

use super::door::Door;
use super::output::Answer;
use crate::mcp::{ContextSource, Wanted};
use crate::serve::{ServeOptions, serve};
use crate::wire;

/// Serve the operations to agents over MCP
///
/// Over streamable HTTP on 127.0.0.1:8000 (`/mcp`, and `/health` for the server's own health), or over standard input and output with
/// --stdio. Tools that replace or remove something ask a person first.
#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    #[command(flatten)]
    options: ServeOptions,
}

pub(crate) async fn run(args: ServeArgs, door: &Door) -> Result<Answer, Failure> {
    let config = door.config.clone();
    let contexts: ContextSource = Arc::new(move |Wanted { environment, reporter, cancel, of_files }| {
        let config = config.clone();
        let open = move || wire::context(&config, wire::Wanted { environment, reporter, cancel, of_files });
        Box::pin(async move {
            let opened = tokio::task::spawn_blocking(open).await;
            opened.map_err(|error| Failure::new(FailureKind::Internal, format!("no context could be made: {error}")))?
        })
    });
    serve(args.options, contexts).await?;
    Ok(Answer::written(0))
}
