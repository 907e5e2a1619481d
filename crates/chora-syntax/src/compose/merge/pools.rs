//! Address pools of a network: those with the same subnet merge, the others are added.

use crate::compose::path::Path;
use crate::diagnostic::Problem;
use crate::yaml::{Node, Value};

/// Merges two lists of pools the way the reference does.
pub(super) fn merge(base: &mut Node, over: Node, path: &Path<'_>, problems: &mut Vec<Problem>) {
    if over.is_null() {
        return;
    }
    if base.is_unknown() || over.is_unknown() {
        base.value = Value::Unknown;
        return;
    }
    let (Value::List(earlier), Value::List(later)) = (std::mem::take(&mut base.value), over.value) else {
        problems.push(Problem::value(over.span, format!("`{path}` takes a list")));
        return;
    };
    let mut pools: Vec<Node> = Vec::new();
    for mut original in earlier {
        for candidate in &later {
            let same = subnet(candidate) == subnet(&original);
            if !same && !pools.iter().any(|pool| subnet(pool) == subnet(candidate)) {
                pools.push(candidate.clone());
                continue;
            }
            if let (Value::Map(map), Value::Map(other)) = (&mut original.value, &candidate.value) {
                for (key, entry) in other {
                    map.insert(key.clone(), entry.clone());
                }
            }
            match pools.iter_mut().find(|pool| subnet(pool) == subnet(&original)) {
                Some(pool) => *pool = original.clone(),
                None => pools.push(original.clone()),
            }
        }
    }
    base.span = over.span;
    base.value = Value::List(pools);
}

fn subnet(pool: &Node) -> Option<&Value> {
    pool.get("subnet").map(|node| &node.value)
}
