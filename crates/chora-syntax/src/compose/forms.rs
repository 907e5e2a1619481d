//! The short forms of values: ports, volumes, devices, hosts, command lines, numbers written as text.

pub(super) mod device;
pub(super) mod hosts;
pub(super) mod number;
pub(super) mod port;
pub(super) mod volume;
pub(super) mod words;
