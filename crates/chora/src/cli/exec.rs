//! `chora exec`.

use std::io::IsTerminal;
use std::time::Duration;

use chora_core::model::container::ExecSpec;
use chora_ops::Failure;
use clap::Args;
use serde_json::json;

use super::EnvironmentArgs;
use super::door::Door;
use super::duration::duration;
use super::output::Answer;
use super::services::running;

/// Run a command in a service's container
///
/// With a terminal when standard input is one. The exit code is the command's own.
#[derive(Debug, Args)]
pub(crate) struct ExecArgs {
    /// The service
    service: String,
    /// The command with its arguments
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true, value_name = "COMMAND")]
    command: Vec<String>,
    #[command(flatten)]
    environment: EnvironmentArgs,
    /// Choose among the service's containers
    #[arg(long, value_name = "N")]
    index: Option<u32>,
    /// Run as this user
    #[arg(short, long)]
    user: Option<String>,
    /// Run in this directory
    #[arg(short, long, value_name = "DIR")]
    workdir: Option<String>,
    /// Set a variable, as KEY=VALUE
    #[arg(long = "set", value_name = "KEY=VALUE")]
    variables: Vec<String>,
    /// Give no terminal
    #[arg(short = 'T', long)]
    no_tty: bool,
    /// End waiting after this time, with --json
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "10m")]
    timeout: Duration,
}

pub(crate) async fn run(args: ExecArgs, door: &Door) -> Result<Answer, Failure> {
    let environment = args.environment.environment.as_deref();
    let cx = door.context(environment)?;
    let (_, instance) = running(&cx, environment, &args.service, args.index).await?;
    let spec =
        ExecSpec { command: args.command, user: args.user, working_dir: args.workdir, environment: args.variables, privileged: false };
    let container = instance.container.id.as_str();
    if door.output.json {
        let outcome = cx.engine.exec(container, &spec, args.timeout).await?;
        let document = json!({ "ok": outcome.exit_code == 0, "exit_code": outcome.exit_code, "output": outcome.output });
        return Ok(Answer::verbatim(document, String::new()).exit(exit(outcome.exit_code)));
    }
    let tty = !args.no_tty && std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    let code = cx.engine.exec_attached(container, &spec, tty).await?;
    Ok(Answer::written(exit(code)))
}

/// Exit codes are one byte; one that does not fit is still not a success.
fn exit(code: i64) -> u8 {
    u8::try_from(code).unwrap_or(255)
}
