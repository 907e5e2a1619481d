//! The files people write, parsed with spans, merged and interpolated. Pure: callers hand in the text.
#![warn(missing_docs)]

pub mod compose;
pub mod diagnostic;
pub mod dockerfile;
pub mod dockerignore;
pub mod dotenv;
pub mod files;
pub mod manifest;
pub mod nearest;
pub mod span;
pub mod template;
pub mod yaml;

pub use diagnostic::{Diagnostic, DiagnosticKind, Diagnostics};
pub use files::{FileProblem, Files, MemoryFiles};
