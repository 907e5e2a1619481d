//! What a service may take, and how it starts and ends.

use chora_syntax::dockerfile::InstructionKind;

use super::each_service;
use crate::audit::marks::Marks;
use crate::audit::subject::Subject;
use crate::audit::words::listed;

/// Programs that hand on signals and reap what ends.
const INITS: [&str; 5] = ["tini", "dumb-init", "s6-svscan", "catatonit", "chora"];

pub(super) fn limits(subject: &Subject, marks: &mut Marks) {
    each_service(subject, marks, |at, marks| {
        let service = at.service;
        let limits = service.deploy.as_ref().and_then(|deploy| deploy.resources.limits.as_ref());
        let (cpus, memory, pids) = limits.map_or((false, false, false), |limits| {
            (limits.cpus.is_some(), limits.memory.is_some(), limits.pids.is_some_and(|pids| pids > 0))
        });
        let given = [
            ("memory", memory || service.mem_limit.is_some()),
            ("processors", cpus || service.cpus.is_some() || service.cpu_quota.is_some()),
            ("processes", pids || service.pids_limit.is_some_and(|pids| pids > 0)),
        ];
        let lacking: Vec<&str> = given.iter().filter(|(_, given)| !given).map(|(name, _)| *name).collect();
        let note = match lacking.len() {
            0 => format!("{}: memory, processors and processes", at.name),
            _ => format!("{}: no limit of {}", at.name, listed(&lacking)),
        };
        marks.share(given.len() - lacking.len(), given.len(), at.at(&["deploy", "resources", "limits"], note));
    });
}

pub(super) fn logging(subject: &Subject, marks: &mut Marks) {
    each_service(subject, marks, |at, marks| {
        let name = at.name;
        let logging = at.service.logging.as_ref();
        let driver = logging.and_then(|logging| logging.driver.as_deref()).unwrap_or("json-file");
        if driver != "json-file" {
            return marks.good(at.at(&["logging", "driver"], format!("{name}: the driver `{driver}` keeps them")));
        }
        let has = |option: &str| logging.is_some_and(|logging| logging.options.contains_key(option));
        let have = usize::from(has("max-size")) + usize::from(has("max-file"));
        let note = match have {
            0 => format!("{name}: the log grows without end"),
            1 => format!("{name}: `max-size` and `max-file` belong together"),
            _ => format!("{name}: max-size and max-file"),
        };
        marks.share(have, 2, at.at(&["logging"], note));
    });
}

pub(super) fn restart(subject: &Subject, marks: &mut Marks) {
    each_service(subject, marks, |at, marks| {
        let policy = at.service.deploy.as_ref().and_then(|deploy| deploy.restart_policy.as_ref());
        let by_policy = policy.is_some_and(|policy| policy.condition.as_deref() != Some("none"));
        match at.service.restart.as_deref() {
            Some(restart) if restart != "no" => marks.good(at.at(&["restart"], format!("{}: {restart}", at.name))),
            _ if by_policy => marks.good(at.at(&["deploy", "restart_policy"], format!("{}: by its policy", at.name))),
            _ => marks.bad(at.at(&["restart"], format!("{}: what ends stays down", at.name))),
        }
    });
}

pub(super) fn grace(subject: &Subject, marks: &mut Marks) {
    each_service(subject, marks, |at, marks| match at.service.stop_grace_period {
        Some(grace) => marks.good(at.at(&["stop_grace_period"], format!("{}: {grace}", at.name))),
        None => marks.bad(at.at(&["stop_grace_period"], format!("{}: no stop_grace_period", at.name))),
    });
}

pub(super) fn init(subject: &Subject, marks: &mut Marks) {
    each_service(subject, marks, |at, marks| {
        if !at.is_own() {
            return;
        }
        let in_image = at.image().is_some_and(|(file, stage, _)| {
            file.chain(stage).flat_map(|stage| &stage.instructions).any(|one| match &one.kind {
                InstructionKind::Entrypoint(start) => start.words.first().is_some_and(|word| INITS.iter().any(|init| word.contains(*init))),
                _ => false,
            })
        });
        match (at.service.init, in_image) {
            (Some(true), _) => marks.good(at.at(&["init"], format!("{}: init", at.name))),
            (_, true) => marks.good(at.at(&["build"], format!("{}: its image starts with one", at.name))),
            _ => marks.bad(at.at(&["init"], format!("{}: its program is process 1", at.name))),
        }
    });
}
