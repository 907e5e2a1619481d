//! `chora config`.

use chora_ops::project::{ConfigRequest, config};
use chora_ops::{Failure, FailureKind};
use clap::Args;

use super::EnvironmentArgs;
use super::door::Door;
use super::output::Answer;

/// Print the resolved stack
///
/// Reads chora.yaml and the Compose files, merges and interpolates them, and prints the result as `docker compose config` does:
/// YAML, or JSON with --json. Values of secrets are not part of it.
#[derive(Debug, Args)]
pub(crate) struct ConfigArgs {
    #[command(flatten)]
    environment: EnvironmentArgs,
    /// Print only the names of the services
    #[arg(long)]
    services: bool,
    /// Print nothing, only check
    #[arg(long, conflicts_with = "services")]
    check: bool,
}

impl ConfigArgs {
    pub(crate) fn environment(&self) -> Option<String> {
        self.environment.environment.clone()
    }
}

pub(crate) fn run(args: ConfigArgs, door: &Door) -> Result<Answer, Failure> {
    let outcome = config(&door.settings(), &ConfigRequest { environment: args.environment.environment })?;
    let names =
        outcome.stack.get("services").and_then(serde_json::Value::as_object).map(|services| services.keys().cloned().collect::<Vec<_>>());
    let text = if args.check {
        String::new()
    } else if args.services {
        names.unwrap_or_default().iter().map(|name| format!("{name}\n")).collect()
    } else {
        let failed =
            |error: serde_saphyr::ser::Error| Failure::new(FailureKind::Internal, format!("the stack cannot be written as YAML: {error}"));
        serde_saphyr::to_string(&outcome.stack).map_err(failed)?
    };
    Ok(Answer::verbatim(outcome.stack, text).warnings(&outcome.warnings))
}
