//! Which keys of a project Chora does not honour.

use std::collections::HashSet;

use crate::diagnostic::Problem;
use crate::yaml::Node;

pub(super) fn unsupported(_model: &Node, _active: &HashSet<&str>) -> Vec<Problem> {
    Vec::new()
}
