//! `!reset` and `!override`: the places whose earlier values a file discards.

use crate::yaml::{Mark, Node, Value};

/// Places that earlier values are removed from, as chains of keys.
#[derive(Debug, Clone, Default)]
pub(super) struct Marks(Vec<Vec<String>>);

impl Marks {
    /// Collects the marks of a tree and removes what is marked `!reset` from it.
    pub(super) fn collect(node: &mut Node) -> Self {
        let mut marks = Self::default();
        if is_marked(node) {
            marks.gather(node, &mut Vec::new());
        }
        marks
    }

    /// Whether the node stays.
    fn gather(&mut self, node: &mut Node, path: &mut Vec<String>) -> bool {
        match node.mark {
            Mark::Reset => {
                self.0.push(path.clone());
                return false;
            }
            Mark::Override => {
                self.0.push(path.clone());
                return true;
            }
            Mark::None => {}
        }
        match &mut node.value {
            Value::Map(map) => map.retain(|key, entry| {
                path.push(key.clone());
                let stays = self.gather(&mut entry.node, path);
                path.pop();
                stays
            }),
            Value::List(list) => list.retain_mut(|item| {
                path.push(String::new());
                let stays = self.gather(item, path);
                path.pop();
                stays
            }),
            _ => {}
        }
        true
    }

    /// Removes the marked places from a tree that starts at `prefix`.
    pub(super) fn apply(&self, node: &mut Node, prefix: &[&str]) {
        for path in &self.0 {
            let starts = path.iter().zip(prefix).filter(|(key, wanted)| key.as_str() == **wanted).count();
            if starts == prefix.len()
                && let Some(rest) = path.get(starts..)
                && !rest.is_empty()
            {
                remove(node, rest);
            }
        }
    }

    /// Whether the whole of a place is marked.
    pub(super) fn covers(&self, place: &[&str]) -> bool {
        self.0.iter().any(|path| path.len() == place.len() && path.iter().zip(place).all(|(key, wanted)| key == wanted))
    }
}

/// Whether there is a mark anywhere; most files have none.
fn is_marked(node: &Node) -> bool {
    node.mark != Mark::None
        || match &node.value {
            Value::Map(map) => map.values().any(|entry| is_marked(&entry.node)),
            Value::List(list) => list.iter().any(is_marked),
            _ => false,
        }
}

fn remove(node: &mut Node, path: &[String]) {
    let (Some((key, rest)), Value::Map(map)) = (path.split_first(), &mut node.value) else { return };
    if rest.is_empty() {
        map.shift_remove(key);
    } else if let Some(entry) = map.get_mut(key) {
        remove(&mut entry.node, rest);
    }
}
