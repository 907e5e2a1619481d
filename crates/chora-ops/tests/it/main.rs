//! Operations against fakes that are stricter than the real thing.

#[cfg(test)]
mod bridged;
#[cfg(test)]
mod canary;
#[cfg(test)]
mod clock;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod gate;
#[cfg(test)]
mod gateway;
#[cfg(test)]
mod happy;
#[cfg(test)]
mod images;
#[cfg(test)]
mod panics;
#[cfg(test)]
mod plans;
#[cfg(test)]
mod releases;
#[cfg(test)]
mod telling;
#[cfg(test)]
mod watching;
#[cfg(test)]
mod way_back;
#[cfg(test)]
mod world;

/// As the program has it; the matrices of faults are made of small values.
#[cfg(test)]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
