//! How messages travel: to a process over its standard streams, to clients over HTTP.

pub(crate) mod http;
pub(crate) mod lines;
pub(crate) mod link;
pub(crate) mod stall;
pub(crate) mod stdio;
