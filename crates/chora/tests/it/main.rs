//! The program through its doors, and the shape of the workspace that it is made of.

#[cfg(test)]
mod architecture;
#[cfg(test)]
mod cli;
#[cfg(test)]
mod doors;
#[cfg(test)]
mod engine;
#[cfg(test)]
mod gateway;
#[cfg(test)]
mod mcp;
#[cfg(test)]
mod share;
#[cfg(test)]
mod support;
