//! The place of a value as a chain of keys, built on the stack and printed only when a message needs it.

use std::fmt::{Display, Formatter};

/// A key and what it is under.
#[derive(Debug, Clone, Copy)]
pub(super) struct Path<'a> {
    parent: Option<&'a Self>,
    key: &'a str,
    index: Option<usize>,
}

impl<'a> Path<'a> {
    /// The top of a file.
    pub(super) const ROOT: Path<'static> = Path { parent: None, key: "", index: None };

    /// A key below this place.
    pub(super) const fn key(&'a self, key: &'a str) -> Self {
        Self { parent: Some(self), key, index: None }
    }

    /// An item of the list at this place.
    pub(super) const fn item(&'a self, index: usize) -> Self {
        Self { parent: Some(self), key: "", index: Some(index) }
    }
}

impl Display for Path<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        let Some(parent) = self.parent else { return Ok(()) };
        Display::fmt(parent, f)?;
        if let Some(index) = self.index {
            return write!(f, "[{index}]");
        }
        if parent.parent.is_some() {
            f.write_str(".")?;
        }
        f.write_str(self.key)
    }
}

#[cfg(test)]
mod tests {
    use super::Path;

    #[test]
    fn paths_print_keys_and_items() {
        let services = Path::ROOT.key("services");
        let web = services.key("web");
        let ports = web.key("ports");
        assert_eq!(ports.item(2).to_string(), "services.web.ports[2]");
        assert_eq!(Path::ROOT.to_string(), "");
    }
}
