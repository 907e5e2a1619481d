//! Who is told what happens.

use crate::model::event::{Event, Progress};

/// Receives events and progress; must not block and cannot fail.
pub trait Reporter: Send + Sync {
    /// An event was written to the log.
    fn event(&self, event: &Event);
    /// A step begins, ends or has something to say.
    fn progress(&self, progress: &Progress);
}
