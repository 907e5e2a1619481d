//! The program through its doors, and the shape of the workspace that it is made of.

mod architecture;
mod cli;
mod doors;
mod mcp;
#[cfg(test)]
mod support;
