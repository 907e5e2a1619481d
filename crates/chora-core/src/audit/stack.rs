//! What a stack should be: features of Compose files, judged as they resolve in each environment.

mod data;
mod health;
mod isolation;
mod resources;
mod service;
mod values;

use super::feature::{Area, Feature, Lines};
use super::marks::{Evidence, Marks};
use super::phase::Phase;
use super::subject::Subject;

pub(super) use service::{In, each_in, each_service};

const fn stack(id: &'static str, title: &'static str, weight: u8, minutes: u16) -> Feature {
    Feature { id, title, area: Area::Stack, weight, minutes, phase: Phase::Stack, check: resolves, change: "", lines: Lines::None }
}

pub(super) static FEATURES: [Feature; 22] = [
    Feature {
        phase: Phase::Readable,
        change: "Write the Compose file, or mend what the evidence names: what does not resolve cannot be judged, nor deployed. \
                 `chora init --dry-run` shows files that fit the project.",
        lines: Lines::Commands(&["chora config --check"]),
        ..stack("stack.resolves", "every environment resolves", 10, 20)
    },
    Feature {
        phase: Phase::Safety,
        check: isolation::unprivileged,
        change: "Take out `privileged`, the engine's socket, namespaces of the host and capabilities that amount to root.",
        ..stack("stack.privileges", "no privileges, no engine's socket, no namespace of the host", 10, 20)
    },
    Feature {
        phase: Phase::Safety,
        check: values::secrets,
        change: "Give secrets as files: a top-level secret, its use in the service, and the variable that ends in _FILE.",
        lines: Lines::ServiceAnd(
            "environment:\n  NAME: !reset null\n  NAME_FILE: /run/secrets/NAME\nsecrets: [NAME]",
            "secrets:\n  NAME:\n    file: ./secrets/NAME.txt",
        ),
        ..stack("stack.secrets", "secrets are files, not environment values", 9, 20)
    },
    Feature {
        phase: Phase::Safety,
        check: isolation::store_ports,
        change: "Publish no port of a store where it is deployed; for development on 127.0.0.1 only.",
        lines: Lines::Service("ports: !reset []"),
        ..stack("stack.store-ports", "stores publish no port", 8, 10)
    },
    Feature {
        phase: Phase::Safety,
        check: isolation::bound,
        change: "Name the address that a port is published on; 127.0.0.1 where a proxy or the gateway stands before it.",
        lines: Lines::Service("ports: !override\n  - \"127.0.0.1:8000:8000\""),
        ..stack("stack.ports", "ports are published on a named address", 5, 10)
    },
    Feature {
        check: resources::limits,
        change: "Limit memory, processors and processes: one service must not take the machine from the others.",
        lines: Lines::Service("deploy:\n  resources:\n    limits:\n      cpus: \"1.0\"\n      memory: 512M\n      pids: 256"),
        ..stack("stack.limits", "memory, processors and processes are limited", 8, 15)
    },
    Feature {
        check: health::checked,
        change: "Give every service that stays a check: in its image, in the Compose file, or as `health` in chora.yaml.",
        lines: Lines::Service(
            "healthcheck:\n  test: [\"CMD\", \"PROGRAM\", \"ARGUMENT\"]\n  interval: 10s\n  timeout: 3s\n  start_period: 20s\n  retries: 3",
        ),
        ..stack("stack.health", "every service that stays has a health check", 10, 20)
    },
    Feature {
        check: health::timed,
        change: "Say how often a check asks, how long it may take, how long a start may, and how many failures count.",
        lines: Lines::Service("healthcheck:\n  interval: 10s\n  timeout: 3s\n  start_period: 20s\n  retries: 3"),
        ..stack("stack.health-timings", "health checks have timings of their own", 3, 5)
    },
    Feature {
        check: resources::restart,
        change: "Let the engine start again what ends.",
        lines: Lines::Service("restart: unless-stopped"),
        ..stack("stack.restart", "what ends is started again", 5, 5)
    },
    Feature {
        check: resources::logging,
        change: "Rotate logs, or they fill the disk.",
        lines: Lines::Service("logging:\n  driver: json-file\n  options:\n    max-size: 10m\n    max-file: \"3\""),
        ..stack("stack.logging", "logs are rotated", 5, 5)
    },
    Feature {
        check: values::pinned,
        change: "Name every image by a version, better by digest: a rollback would get the same bad image under a tag that moves.",
        lines: Lines::Service("image: NAME:VERSION@sha256:DIGEST"),
        ..stack("stack.images", "images are pinned", 7, 10)
    },
    Feature {
        check: isolation::store_networks,
        change: "Put stores on a network that leads nowhere, and their clients on it, too.",
        lines: Lines::ServiceAnd("networks: !override [data]", "networks:\n  data:\n    internal: true"),
        ..stack("stack.networks", "stores stand on an internal network", 5, 15)
    },
    Feature {
        check: data::kept,
        change: "Keep the data of stores in named volumes: it goes with the container otherwise.",
        lines: Lines::ServiceAnd("volumes: [\"NAME-data:/WHERE/IT/KEEPS/DATA\"]", "volumes:\n  NAME-data: {}"),
        ..stack("stack.volumes", "stores keep their data in volumes", 7, 10)
    },
    Feature {
        check: values::conditions,
        change: "Wait for health, or for completion, not for a start.",
        lines: Lines::Service("depends_on:\n  DEPENDENCY:\n    condition: service_healthy"),
        ..stack("stack.depends-on", "dependencies have conditions", 4, 5)
    },
    Feature {
        check: isolation::capabilities,
        change: "Drop every capability, and add back what the program cannot do without.",
        lines: Lines::Service("cap_drop: [ALL]"),
        ..stack("stack.capabilities", "capabilities are dropped", 4, 10)
    },
    Feature {
        check: isolation::no_new_privileges,
        change: "Let no program in the container become more than it is.",
        lines: Lines::Service("security_opt: [\"no-new-privileges:true\"]"),
        ..stack("stack.no-new-privileges", "no new privileges", 4, 5)
    },
    Feature {
        check: isolation::read_only,
        change: "Make the root file system read-only; what has to be written goes to a volume or to memory.",
        lines: Lines::Service("read_only: true\ntmpfs: [/tmp]"),
        ..stack("stack.read-only", "its own services have a read-only root", 3, 15)
    },
    Feature {
        check: resources::init,
        change: "Put an init before the program, to hand on signals and to reap what ends.",
        lines: Lines::Service("init: true"),
        ..stack("stack.init", "an init stands before its own services", 2, 5)
    },
    Feature {
        check: resources::grace,
        change: "Say how long a service may take to end what it is at.",
        lines: Lines::Service("stop_grace_period: 10s"),
        ..stack("stack.stop-grace", "services have time to stop", 3, 5)
    },
    Feature {
        check: data::source_mounted,
        change: "Mount the source in development only: elsewhere the image is what was tested.",
        lines: Lines::Service("volumes: !override []"),
        ..stack("stack.source", "the source is not mounted where it is deployed", 5, 10)
    },
    Feature {
        check: data::test_environment,
        change: "Give tests an environment of their own, with stores in memory and nothing published.",
        lines: Lines::File(
            "compose.test.yaml",
            "services:\n  STORE:\n    tmpfs: [/WHERE/IT/KEEPS/DATA]\n    volumes: !reset []\n    ports: !reset []\n",
        ),
        ..stack("stack.tests", "tests have an environment of their own, in memory", 4, 20)
    },
    Feature {
        check: values::required,
        change: "Give variables a default, `${NAME:-default}`, or ask for them, `${NAME:?why}`: one that is not set becomes the empty text.",
        ..stack("stack.variables", "no variable is silently empty", 2, 5)
    },
];

fn resolves(subject: &Subject, marks: &mut Marks) {
    for environment in &subject.environments {
        match &environment.stack {
            Ok(_) => marks.good(Evidence::in_file(environment.last_file(), None, format!("{} resolves", environment.name))),
            Err(reasons) => {
                marks.about(None, Some(environment.name.clone()));
                reasons.iter().for_each(|reason| marks.bad(reason.clone()));
                marks.about(None, None);
            }
        }
    }
}

#[cfg(test)]
mod tests;
