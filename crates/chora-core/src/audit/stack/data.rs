//! Where data and source are.

use std::path::Path;

use super::{In, each_service};
use crate::audit::marks::{Evidence, Marks};
use crate::audit::subject::Subject;
use crate::compose::{Mount, MountKind};

/// Names of folders that hold source.
const SOURCE: [&str; 4] = ["src", "app", "lib", "server"];
/// Names of environments for tests.
const TESTS: [&str; 4] = ["test", "tests", "testing", "ci"];

fn keeps(mount: &Mount) -> bool {
    matches!(mount.kind, MountKind::Volume | MountKind::Bind | MountKind::Cluster) && !mount.read_only
}

pub(super) fn kept(subject: &Subject, marks: &mut Marks) {
    each_service(subject, marks, |at, marks| {
        if !at.is_store() {
            return;
        }
        let named = at.service.volumes.iter().find(|mount| keeps(mount) && mount.source.is_some());
        match named {
            Some(mount) => marks.good(at.at(&["volumes"], format!("{}: {}", at.name, mount.target))),
            None => marks.bad(at.at(&["volumes"], format!("{}: its data goes with its container", at.name))),
        }
    });
}

pub(super) fn source_mounted(subject: &Subject, marks: &mut Marks) {
    let root = Path::new(&subject.directory);
    let is_source = |mount: &&Mount| {
        let source = mount.source.as_deref().map(Path::new).filter(|_| mount.kind == MountKind::Bind);
        source.and_then(|source| source.strip_prefix(root).ok()).is_some_and(|below| {
            let name = below.to_string_lossy();
            name.is_empty() || SOURCE.contains(&name.as_ref())
        })
    };
    each_service(subject, marks, |at, marks| {
        if !at.is_own() {
            return;
        }
        match at.service.volumes.iter().find(is_source) {
            Some(mount) => marks.bad(at.at(&["volumes"], format!("{}: the source lies over {}", at.name, mount.target))),
            None => marks.good(at.at(&[], format!("{}: what runs is the image", at.name))),
        }
    });
}

pub(super) fn test_environment(subject: &Subject, marks: &mut Marks) {
    let Some(environment) = subject.environments.iter().find(|environment| TESTS.contains(&environment.name.as_str())) else {
        return marks.bad(Evidence::note("there is no environment `test`"));
    };
    let Ok(resolved) = &environment.stack else {
        return marks.unknown(Evidence::note(format!("{} does not resolve", environment.name)));
    };
    let file = environment.last_file();
    let mut is_clean = true;
    for (name, service) in &resolved.stack.services {
        let at = In { subject, environment, resolved, name, service };
        marks.about(Some((name.clone(), file.to_owned())), None);
        if at.is_store() && service.volumes.iter().any(|mount| keeps(mount) && mount.source.is_some()) {
            is_clean = false;
            marks.half(at.at(&["volumes"], format!("{name}: tests keep data")));
        }
        if at.is_store() && !service.ports.is_empty() {
            is_clean = false;
            marks.half(at.at(&["ports"], format!("{name}: tests publish a port")));
        }
    }
    marks.about(None, None);
    if is_clean {
        marks.good(Evidence::in_file(file, None, format!("{} keeps and publishes nothing", environment.name)));
    }
}
