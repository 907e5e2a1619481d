//! Names under which many servers' tools or prompts are offered together: `SERVER_NAME`, each meaning one thing for ever.

use std::collections::HashMap;

use sha2::{Digest as _, Sha256};

/// Longest name of a tool (MCP 2025-11-25, tool names).
const LONGEST: usize = 128;
/// Names that are remembered: a server that makes up ever new ones is not followed for ever.
const MOST: usize = 100_000;
/// Hexadecimal digits that tell names apart which would be one.
const DIGITS: usize = 8;

/// A server, by its place, and what it calls a thing.
pub(super) type Origin = (usize, String);

/// Names that were given.
#[derive(Debug, Default)]
pub(super) struct Names {
    origins: HashMap<String, Origin>,
    given: HashMap<Origin, String>,
}

/// A name, and why it is not the plain one where it is not.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Given {
    pub(super) name: String,
    pub(super) remark: Option<String>,
}

impl Names {
    /// The name under which a server's thing is offered; `None` where there are too many.
    pub(super) fn give(&mut self, server: &str, origin: Origin) -> Option<Given> {
        if let Some(name) = self.given.get(&origin) {
            return Some(Given { name: name.clone(), remark: None });
        }
        if self.given.len() >= MOST {
            return None;
        }
        let plain = format!("{server}_{}", origin.1);
        let is_taken = self.origins.contains_key(&plain);
        let (name, remark) = if plain.len() <= LONGEST && !is_taken {
            (plain, None)
        } else {
            let other = told_apart(&plain, server, &origin.1);
            let why = if is_taken { "the name is another server's" } else { "the name would be too long" };
            let remark = format!("`{}` of {server} is offered as `{other}`: {why}", origin.1);
            (other, Some(remark))
        };
        // What is told apart by its hash is taken only by somebody who wants to be mistaken for another.
        if self.origins.contains_key(&name) {
            return None;
        }
        self.origins.insert(name.clone(), origin.clone());
        self.given.insert(origin, name.clone());
        Some(Given { name, remark })
    }

    pub(super) fn origin(&self, name: &str) -> Option<Origin> {
        self.origins.get(name).cloned()
    }
}

fn told_apart(plain: &str, server: &str, name: &str) -> String {
    let digest = Sha256::digest(format!("{server}\n{name}").as_bytes());
    let mut hash = digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    hash.truncate(DIGITS);
    let mut kept = String::new();
    for letter in plain.chars() {
        if kept.len() + letter.len_utf8() + 1 + DIGITS > LONGEST {
            break;
        }
        kept.push(letter);
    }
    format!("{kept}_{hash}")
}

#[cfg(test)]
mod tests {
    use super::{LONGEST, Names};

    #[test]
    fn a_name_means_one_thing_for_ever() {
        let mut names = Names::default();
        let plain = names.give("a_b", (1, "c".to_owned())).expect("a name");
        assert_eq!((plain.name.as_str(), plain.remark), ("a_b_c", None));
        let other = names.give("a", (0, "b_c".to_owned())).expect("a name");
        assert!(other.name.starts_with("a_b_c_") && other.name.len() == 14, "{}", other.name);
        assert!(other.remark.expect("a remark").contains("another server's"));
        for (name, origin) in [("a_b_c", (1, "c")), (other.name.as_str(), (0, "b_c"))] {
            assert_eq!(names.origin(name), Some((origin.0, origin.1.to_owned())));
            let again = names.give(if origin.0 == 0 { "a" } else { "a_b" }, (origin.0, origin.1.to_owned())).expect("a name");
            assert_eq!((again.name.as_str(), again.remark), (name, None));
        }
    }

    #[test]
    fn long_names_are_cut_and_stay_apart() {
        let mut names = Names::default();
        let long = "é".repeat(100);
        let first = names.give("a", (0, format!("{long}1"))).expect("a name").name;
        let second = names.give("a", (0, format!("{long}2"))).expect("a name").name;
        assert!(first.len() <= LONGEST && second.len() <= LONGEST && first != second, "{first} {second}");
    }
}
