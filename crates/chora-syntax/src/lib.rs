//! The files people write, parsed with spans, merged and interpolated. Pure: callers hand in the text.
#![warn(missing_docs)]

pub mod compose;
