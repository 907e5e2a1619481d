//! `chora entrypoint`.

use std::time::Duration;

use chora_ops::entrypoint::{EntrypointRequest, enter};
use chora_ops::system::SystemClock;
use clap::Args;

use super::duration::duration;
use super::output::{Answer, Output};

/// Wait, run migrations, then become the server
///
/// For an image's ENTRYPOINT: `chora entrypoint --wait postgres://db/shop --run "migrate up" -- server --port 8000`. Nothing is written
/// to standard output, signals reach the server, and a migration that fails stops the start with its own exit code.
#[derive(Debug, Args)]
pub(crate) struct EntrypointArgs {
    /// Wait for this target first, see `chora wait`
    #[arg(long, value_name = "TARGET")]
    wait: Vec<String>,
    /// End waiting after this time
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "60s")]
    timeout: Duration,
    /// Run this command before the server; no shell reads it
    #[arg(long, value_name = "COMMAND")]
    run: Vec<String>,
    /// The server with its arguments
    #[arg(last = true, required = true, value_name = "SERVER")]
    server: Vec<String>,
}

pub(crate) fn run(args: EntrypointArgs, output: Output) -> Answer {
    let request = EntrypointRequest { wait: args.wait, limit: args.timeout, run: args.run, server: args.server };
    let progress = |line: &str| {
        if !output.is_quiet() {
            output.say(&format!("chora: {line}\n"));
        }
    };
    match enter(&SystemClock::start(), &request, &progress) {
        Ok(never) => match never {},
        Err(error) => {
            // Standard output may be the server's protocol channel, also now.
            output.say(&format!("chora: {error}\n"));
            Answer::written(error.exit_code())
        }
    }
}
