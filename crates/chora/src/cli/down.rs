//! `chora down`.

use std::io::{BufRead, IsTerminal};

use chora_ops::project::DEVELOPMENT;
use chora_ops::stack::{DownRequest, down};
use chora_ops::{Failure, FailureKind};
use clap::Args;

use super::door::Door;
use super::output::Answer;
use super::prune::removed;

/// Stop and remove the containers and networks
///
/// Volumes and their data stay unless --volumes is given, which asks first.
#[derive(Debug, Args)]
pub(crate) struct DownArgs {
    /// Work on this environment [default: development]
    #[arg(short, long = "env", value_name = "NAME")]
    environment: Option<String>,
    /// Remove the volumes and their data too
    #[arg(long)]
    volumes: bool,
    /// Show what would be removed and touch nothing
    #[arg(short = 'n', long)]
    dry_run: bool,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
}

pub(crate) async fn run(args: DownArgs, door: &Door) -> Result<Answer, Failure> {
    let environment = args.environment.unwrap_or_else(|| DEVELOPMENT.to_owned());
    if args.volumes && !args.yes && !args.dry_run {
        confirm(door, &format!("remove the volumes of {environment} and all data in them")).await?;
    }
    let request = DownRequest { environment: Some(environment.clone()), volumes: args.volumes, dry_run: args.dry_run };
    let outcome = down(&door.context(Some(&environment))?, &request).await?;
    let text = removed(&outcome, &environment);
    Answer::new(&outcome, text)
}

/// Asks a person; without one, refuses.
async fn confirm(door: &Door, what: &str) -> Result<(), Failure> {
    let refused = |message: String| Failure::new(FailureKind::Denied, message).state("nothing was changed");
    if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() || door.output.json {
        return Err(refused(format!("this would {what}, and there is nobody to ask")).hint("say so with --yes"));
    }
    door.output.say(&format!("This will {what}. Type `yes` to go on: "));
    let answer = tokio::task::spawn_blocking(|| {
        let mut line = String::new();
        std::io::stdin().lock().read_line(&mut line).map(|_| line)
    });
    let answer = tokio::select! {
        answer = answer => answer.ok().and_then(Result::ok).unwrap_or_default(),
        () = door.cancel.cancelled() => String::new(),
    };
    if answer.trim() == "yes" { Ok(()) } else { Err(refused("not confirmed".to_owned()).hint("type `yes`, or give --yes")) }
}
