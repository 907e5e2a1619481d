//! `chora schema`.

use chora_ops::Failure;
use chora_syntax::manifest::Manifest;
use clap::Args;

use super::output::{Answer, pretty};

/// Print the JSON Schema of chora.yaml, for editors
#[derive(Debug, Args)]
pub(crate) struct SchemaArgs {}

pub(crate) fn run(_: &SchemaArgs) -> Result<Answer, Failure> {
    let schema = Manifest::json_schema();
    let text = pretty(&schema);
    Ok(Answer::verbatim(schema, text))
}
