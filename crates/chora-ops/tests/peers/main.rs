//! The operations against real peers: servers in this process, child processes, files.

mod contract;
mod entrypoint;
mod probe;
mod server;
mod wait;
