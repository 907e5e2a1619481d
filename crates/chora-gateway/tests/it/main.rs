//! The bridge with real server processes behind it and real HTTP clients before it.

#[cfg(test)]
mod aggregate;
#[cfg(test)]
mod client;
#[cfg(test)]
mod crowd;
#[cfg(test)]
mod failures;
#[cfg(test)]
mod guarded;
#[cfg(test)]
mod legacy;
#[cfg(test)]
mod many;
#[cfg(test)]
mod modern;
#[cfg(test)]
mod oldest;
#[cfg(test)]
mod proxy;
#[cfg(test)]
mod remote;
#[cfg(test)]
mod room;
#[cfg(test)]
mod sharing;
#[cfg(test)]
mod stalled;
#[cfg(test)]
mod support;
#[cfg(test)]
mod translated;
#[cfg(test)]
mod trickle;
#[cfg(test)]
mod unruly;
