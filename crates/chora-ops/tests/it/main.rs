//! Operations against fakes that are stricter than the real thing.

mod faults;
mod happy;
mod world;
