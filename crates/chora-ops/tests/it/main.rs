//! Operations against fakes that are stricter than the real thing.

#[cfg(test)]
mod faults;
#[cfg(test)]
mod happy;
#[cfg(test)]
mod world;
