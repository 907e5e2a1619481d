//! `chora man`.

use std::path::{Path, PathBuf};

use chora_ops::{Failure, FailureKind};
use clap::{Args, CommandFactory};
use clap_mangen::Man;
use serde_json::json;

use super::Cli;
use super::output::Answer;

/// Print the manual page, or write one for every command
///
/// `chora man | man -l -` shows the page; `chora man --out /usr/local/share/man/man1` installs all of them.
#[derive(Debug, Args)]
pub(crate) struct ManArgs {
    /// Write a page for every command into this directory
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

pub(crate) fn run(args: &ManArgs) -> Result<Answer, Failure> {
    let mut command = Cli::command();
    command.build();
    match &args.out {
        None => {
            let page = page(command)?;
            Answer::new(&json!({ "page": page }), page)
        }
        Some(folder) => {
            let mut pages = Vec::new();
            write_all(folder, command, "chora", &mut pages)?;
            let text = pages.iter().map(|page| format!("{page}\n")).collect();
            Answer::new(&json!({ "pages": pages }), text)
        }
    }
}

fn page(command: clap::Command) -> Result<String, Failure> {
    let mut page = Vec::new();
    Man::new(command)
        .render(&mut page)
        .map_err(|error| Failure::new(FailureKind::Internal, format!("the page cannot be made: {error}")))?;
    Ok(String::from_utf8_lossy(&page).into_owned())
}

fn write_all(folder: &Path, command: clap::Command, name: &str, pages: &mut Vec<String>) -> Result<(), Failure> {
    for child in command.get_subcommands().filter(|child| child.get_name() != "help" && !child.is_hide_set()).cloned().collect::<Vec<_>>() {
        let name = format!("{name}-{}", child.get_name());
        write_all(folder, child, &name, pages)?;
    }
    let path = folder.join(format!("{name}.1"));
    // A page is named for its command in full; clap's own names borrow for ever.
    let titled: &'static str = Box::leak(name.to_owned().into_boxed_str());
    let text = page(command.name(titled))?;
    let failed = |error: std::io::Error| Failure::new(FailureKind::Denied, format!("{} cannot be written: {error}", path.display()));
    std::fs::create_dir_all(folder)
        .and_then(|()| std::fs::write(&path, text))
        .map_err(|error| failed(error).hint("name a directory that can be written"))?;
    pages.push(path.display().to_string());
    Ok(())
}
