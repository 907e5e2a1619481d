//! Where the parts of a resolved project are written.

use crate::span::{Place, Sources};
use crate::yaml::Node;

/// The merged files of a project, to be asked where something stands.
#[derive(Debug, Clone, Default)]
pub struct Written {
    model: Node,
    sources: Sources,
}

impl Written {
    pub(super) const fn new(model: Node, sources: Sources) -> Self {
        Self { model, sources }
    }

    /// Where a key is written, such as `services`, `web`, `ports`; the nearest one above it where it is not there. A key that several
    /// files give is where the one stands that was merged into.
    #[must_use]
    pub fn place(&self, path: &[&str]) -> Option<Place> {
        self.sources.place(self.model.reach(path)?)
    }
}

#[cfg(test)]
mod tests {
    use crate::MemoryFiles;
    use crate::compose::{ResolveRequest, resolve};

    #[test]
    fn keys_are_found_in_the_file_that_wrote_them() {
        let base = "services:\n  web:\n    image: a\n    environment:\n      - A=1\n      - B=2\n    ports:\n      - '80:80'\n";
        let files = MemoryFiles::default()
            .with("/p/compose.yaml", base)
            .with("/p/more.yaml", "services:\n  web:\n    init: true\n    deploy:\n      resources: {}\n");
        let compose_files = vec!["compose.yaml".into(), "more.yaml".into()];
        let request = ResolveRequest { project_dir: "/p".into(), compose_files, ..ResolveRequest::default() };
        let written = resolve(&files, &request).unwrap().written;
        let at = |path: &[&str]| written.place(path).map(|place| format!("{}:{}", place.file, place.line));
        for (path, place) in [
            (&["services", "web"][..], "compose.yaml:2"),
            (&["services", "web", "environment", "B"], "compose.yaml:6"),
            (&["services", "web", "ports", "0"], "compose.yaml:8"),
            (&["services", "web", "init"], "more.yaml:3"),
            (&["services", "web", "logging", "options"], "compose.yaml:2"),
        ] {
            assert_eq!(at(path).as_deref(), Some(place), "{path:?}");
        }
        assert_eq!(at(&["nothing"]), None);
    }
}
