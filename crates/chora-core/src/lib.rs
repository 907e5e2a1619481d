//! What things are (`model`), what to do next (`plan`), what is left to adopt (`audit`), what an image is worth
//! (`inspection`) and what the world must offer (`ports`).
//!
//! Pure: no clock, no randomness, no environment, no files, no runtime. `now` is an argument.
#![warn(missing_docs)]

pub mod audit;
pub mod inspection;
pub mod model;
pub mod plan;
pub mod ports;

pub use chora_syntax::compose::model as compose;
