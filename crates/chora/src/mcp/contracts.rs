//! Tools of what a server promised, and of what happened.

use super::operation::Operation;

pub(super) fn operations() -> Vec<Operation> {
    Vec::new()
}
