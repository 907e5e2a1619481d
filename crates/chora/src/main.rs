//! The program: doors and wiring, nothing is decided here.

mod cli;
mod config;
mod mcp;
mod serve;
mod wire;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run()
}
