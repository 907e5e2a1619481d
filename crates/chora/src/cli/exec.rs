//! `chora exec`.

use std::io::IsTerminal;
use std::time::Duration;

use chora_ops::Failure;
use chora_ops::exec::{ExecRequest, exec, exec_attached};
use clap::Args;

use super::EnvironmentArgs;
use super::door::Door;
use super::duration::duration;
use super::output::Answer;

/// Run a command in a service's container
///
/// With a terminal when standard input is one. The exit code is the command's own. Where no environment is named and only
/// development runs, that one is meant.
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
    let ExecArgs { service, command, environment, index, user, workdir, variables, no_tty, timeout } = args;
    let environment = door.running(environment.environment).await?;
    let cx = door.context(environment.as_deref())?;
    let limit_ms = Some(u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX));
    let request = ExecRequest { service, command, environment, number: index, user, working_dir: workdir, variables, limit_ms };
    if door.output.json {
        let outcome = exec(&cx, &request).await?;
        return Ok(Answer::new(&outcome, String::new())?.exit(exit_code(outcome.exit_code)));
    }
    let tty = !no_tty && std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    let code = exec_attached(&cx, &request, tty).await?;
    Ok(Answer::written(exit_code(code)))
}

/// Exit codes are one byte; one that does not fit is still not a success.
fn exit_code(code: i64) -> u8 {
    u8::try_from(code).unwrap_or(255)
}
