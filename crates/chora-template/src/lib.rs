//! Templates and answers in, the text of files out. Pure: the catalogue is part of the program, callers write the files.
#![warn(missing_docs)]

pub mod answers;
pub mod catalogue;
pub mod engine;
mod filters;
pub mod merge;
pub mod migration;
pub mod path;
pub mod pattern;
pub mod question;
pub mod record;
pub mod render;
pub mod source;
pub mod upgrade;

pub use answers::{AnswerError, Answers};
pub use catalogue::{Catalogue, CatalogueError};
pub use pattern::Pattern;
pub use render::{ProjectFile, RenderError, Rendered};
pub use source::{SourceError, SourceFiles};
