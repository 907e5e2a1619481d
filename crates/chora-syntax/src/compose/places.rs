//! Relative paths become absolute.

use super::lexical;
use crate::yaml::{Map, Node, Value};

/// Makes every path of a model absolute, from a directory.
pub(super) fn resolve(model: &mut Node, dir: &str, home: Option<&str>) {
    let from = From { dir, home };
    let Some(map) = model.as_map_mut() else { return };
    for_each(map, "services", |service| from.service(service));
    for section in ["configs", "secrets"] {
        for_each(map, section, |object| text(object, "file", |path| from.any_system(path)));
    }
    for_each(map, "volumes", |volume| from.volume(volume));
}

#[derive(Clone, Copy)]
struct From<'d> {
    dir: &'d str,
    home: Option<&'d str>,
}

fn for_each(map: &mut Map, section: &str, change: impl Fn(&mut Map)) {
    let entries = map.get_mut(section).and_then(|entry| entry.node.as_map_mut());
    for entry in entries.into_iter().flat_map(|entries| entries.values_mut()) {
        if let Value::Map(map) = &mut entry.node.value {
            change(map);
        }
    }
}

fn text(map: &mut Map, key: &str, change: impl Fn(&str) -> String) {
    if let Some(entry) = map.get_mut(key) {
        node(&mut entry.node, change);
    }
}

fn node(node: &mut Node, change: impl Fn(&str) -> String) {
    if let Value::Text(path) = &mut node.value {
        *path = change(path);
    }
}

fn list(map: &mut Map, key: &str, change: impl Fn(&mut Node)) {
    let list = map.get_mut(key).and_then(|entry| entry.node.as_list_mut());
    list.into_iter().flatten().for_each(change);
}

impl From<'_> {
    fn expanded(&self, path: &str) -> String {
        match (path.strip_prefix('~'), self.home) {
            (Some(rest), Some(home)) => lexical::clean(&format!("{home}/{rest}")),
            _ => path.to_owned(),
        }
    }

    /// A path of this system; blank stays blank, absolute stays as written.
    fn local(&self, path: &str) -> String {
        let path = self.expanded(path);
        if path.is_empty() || path.starts_with('/') { path } else { lexical::join(self.dir, &path) }
    }

    /// A path of the engine's system, which may be Windows.
    fn any_system(&self, path: &str) -> String {
        let path = self.expanded(path);
        if path.starts_with('/') || lexical::is_windows_absolute(&path) { path } else { lexical::join(self.dir, &path) }
    }

    /// A build context: a path, unless it names a service, an image or a repository.
    fn context(&self, path: &str) -> String {
        const REMOTE: [&str; 6] = ["https://", "http://", "git://", "ssh://", "github.com/", "git@"];
        let remote = path.contains("://") || path.starts_with("service:") || REMOTE.iter().any(|prefix| path.starts_with(prefix));
        if remote { path.to_owned() } else { self.local(path) }
    }

    fn service(&self, service: &mut Map) {
        if let Some(build) = service.get_mut("build").and_then(|entry| entry.node.as_map_mut()) {
            text(build, "context", |path| self.context(path));
            for (key, change) in [("additional_contexts", true), ("ssh", false)] {
                let entries = build.get_mut(key).and_then(|entry| entry.node.as_map_mut());
                for entry in entries.into_iter().flat_map(|entries| entries.values_mut()) {
                    node(&mut entry.node, |path| if change { self.context(path) } else { self.any_system(path) });
                }
            }
        }
        list(service, "env_file", |item| {
            if let Some(map) = item.as_map_mut() {
                text(map, "path", |path| self.local(path));
            }
        });
        list(service, "label_file", |item| node(item, |path| self.local(path)));
        if let Some(extends) = service.get_mut("extends").and_then(|entry| entry.node.as_map_mut()) {
            text(extends, "file", |path| self.local(path));
        }
        if let Some(develop) = service.get_mut("develop").and_then(|entry| entry.node.as_map_mut()) {
            list(develop, "watch", |item| {
                if let Some(map) = item.as_map_mut() {
                    text(map, "path", |path| self.local(path));
                }
            });
        }
        list(service, "volumes", |item| {
            let is_bind = item.get("type").and_then(Node::as_text) == Some("bind");
            if let Some(map) = item.as_map_mut().filter(|_| is_bind) {
                text(map, "source", |path| self.any_system(path));
            }
        });
    }

    /// A named volume that is a bind mount of the local driver.
    fn volume(&self, volume: &mut Map) {
        if volume.get("driver").and_then(|entry| entry.node.as_text()) != Some("local") {
            return;
        }
        let Some(options) = volume.get_mut("driver_opts").and_then(|entry| entry.node.as_map_mut()) else { return };
        if options.get("o").and_then(|entry| entry.node.as_text()) == Some("bind") {
            text(options, "device", |path| self.any_system(path));
        }
    }
}
