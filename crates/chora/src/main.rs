//! The program: doors and wiring, nothing is decided here.

mod cli;
mod config;
mod mcp;
mod serve;
mod wire;

use std::process::ExitCode;

/// Files become many small values, which the allocator of the static C library is slow with.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    cli::run()
}
