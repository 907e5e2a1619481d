//! The program: doors and wiring, nothing is decided here.

mod cli;
mod config;
mod wire;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run()
}
