//! A container's main process, where the kernel of this machine runs it and shows it.

use std::path::{Path, PathBuf};

use chora_core::model::container::Container;

/// A container's main process in `/proc` (proc(5)).
pub(crate) struct MainProcess(PathBuf);

impl MainProcess {
    /// `None` where it is not one of this machine's, or not ours to see: its control groups bear the container's id.
    pub(crate) fn of(container: &Container) -> Option<Self> {
        let process = PathBuf::from(format!("/proc/{}", container.pid));
        let groups = (container.pid > 0).then(|| std::fs::read_to_string(process.join("cgroup")).ok()).flatten()?;
        groups.contains(container.id.as_str()).then_some(Self(process))
    }

    /// Whether it is in the same namespace of a kind (`net`, `user`) as this process.
    pub(crate) fn shares(&self, namespace: &str) -> bool {
        let own = std::fs::read_link(PathBuf::from("/proc/self/ns").join(namespace)).ok();
        own.is_some() && own == std::fs::read_link(self.0.join("ns").join(namespace)).ok()
    }

    /// Where a file of the container is for this process; root alone may go there.
    pub(crate) fn file(&self, path: &Path) -> PathBuf {
        self.0.join("root").join(path.strip_prefix("/").unwrap_or(path))
    }
}
