//! The operations against real peers: servers in this process, child processes, files.

#[cfg(test)]
mod contract;
#[cfg(test)]
mod entrypoint;
#[cfg(test)]
mod probe;
#[cfg(test)]
mod server;
#[cfg(test)]
mod wait;
