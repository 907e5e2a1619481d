//! `chora completions`.

use chora_ops::Failure;
use clap::{Args, CommandFactory};
use clap_complete::Shell;
use serde_json::json;

use super::Cli;
use super::output::Answer;

/// Print completions for a shell
///
/// For bash: `chora completions bash > /etc/bash_completion.d/chora`. For zsh: into a file `_chora` on the `fpath`.
#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// The shell
    shell: Shell,
}

pub(crate) fn run(args: &CompletionsArgs) -> Result<Answer, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "chora", &mut script);
    let script = String::from_utf8_lossy(&script).into_owned();
    Answer::new(&json!({ "shell": args.shell.to_string(), "script": script }), script)
}
