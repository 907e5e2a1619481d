//! A builder as `docker buildx inspect` shows it: its driver, its nodes, their platforms, and what it lacks for a build.

use super::super::{Wanted, emulation};
use crate::platform::plain;
use crate::project::Project;

/// The driver by which an engine's own BuildKit is a builder.
const ENGINES_OWN: &str = "docker";
/// Drivers that start their nodes themselves; others only find them.
const STARTED: [&str; 2] = ["docker-container", "kubernetes"];
/// The label of a worker that has containerd's image store, which holds several platforms of a name; buildx itself goes by it.
const HOLDS_MANY: &str = "org.mobyproject.buildkit.worker.snapshotter";

/// A builder.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Builder {
    pub(super) name: String,
    pub(super) driver: String,
    /// Why its nodes could not be asked.
    error: String,
    nodes: Vec<Node>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Node {
    name: String,
    /// `running`, `inactive`, `stopped`, …; empty where `error` says why it could not be asked.
    status: String,
    error: String,
    platforms: Vec<String>,
    holds_many: bool,
    /// Whether it is on the network of its machine.
    on_host: bool,
}

impl Builder {
    /// Reads `Key: value` lines; those that are set in belong to parts of a node. `None` when it is something else.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (mut builder, mut in_nodes) = (Self::default(), false);
        for line in text.lines() {
            let Some((key, value)) = line.split_once(':') else { continue };
            let value = value.trim();
            if key.starts_with(char::is_whitespace) {
                if let Some(node) = builder.nodes.last_mut() {
                    node.holds_many |= key.trim() == HOLDS_MANY;
                }
                continue;
            }
            match (key, in_nodes) {
                ("Nodes", _) => in_nodes = true,
                ("Name", false) => value.clone_into(&mut builder.name),
                ("Driver", false) => value.clone_into(&mut builder.driver),
                ("Error", false) => value.clone_into(&mut builder.error),
                ("Name", true) => builder.nodes.push(Node { name: value.to_owned(), ..Node::default() }),
                (key, true) => {
                    if let Some(node) = builder.nodes.last_mut() {
                        node.take(key, value);
                    }
                }
                _ => {}
            }
        }
        (!builder.name.is_empty() && !builder.driver.is_empty()).then_some(builder)
    }

    /// Whether it is an engine.
    pub(super) fn is_engine(&self) -> bool {
        self.driver == ENGINES_OWN
    }

    /// Whether it has a node that does not run and could.
    pub(super) fn is_asleep(&self) -> bool {
        STARTED.contains(&self.driver.as_str()) && self.nodes.iter().any(|node| node.error.is_empty() && !node.is_up())
    }

    /// Whether all of its nodes run.
    pub(super) fn is_whole(&self) -> bool {
        self.error.is_empty() && self.nodes.iter().all(Node::is_up)
    }

    /// Whether a registry of this machine is one for its nodes, too, as far as that can be told.
    pub(super) fn reaches(&self, registry: &str) -> bool {
        let host = registry.split('/').next().unwrap_or_default();
        let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
        let is_here = name == "localhost" || name == "[::1]" || name.starts_with("127.");
        !is_here || !STARTED.contains(&self.driver.as_str()) || self.nodes.iter().all(|node| node.on_host)
    }

    /// Why it cannot build what is wanted, if so: all platforms of every service, pushed under one name.
    pub(super) fn lacks(&self, project: &Project, wanted: &[Wanted]) -> Option<String> {
        if self.is_engine() && !self.nodes.iter().any(|node| node.holds_many) {
            return Some(format!("builder `{}` is an engine whose image store holds one platform of a name", self.name));
        }
        let first_run = |service: &str| emulation::runs_programs(project, service, &|platform| self.has_everywhere(platform));
        wanted.iter().find_map(|wanted| self.lacks_for(wanted.service(), &wanted.platforms, first_run(wanted.service())))
    }

    /// A platform that no node has is no obstacle where nothing of it is run.
    fn lacks_for(&self, service: &str, platforms: &[String], first_run: Option<usize>) -> Option<String> {
        let has = |wanted: &String| self.nodes.iter().any(|node| node.is_up() && node.has(wanted));
        let same_system = |wanted: &String| self.platforms().any(|platform| platform.split('/').next() == wanted.split('/').next());
        let missing: Vec<&str> = platforms
            .iter()
            .filter(|platform| !has(platform) && (first_run.is_some() || !same_system(platform)))
            .map(String::as_str)
            .collect();
        if missing.is_empty() {
            return None;
        }
        let own: Vec<&str> = self.platforms().collect();
        let offers = if own.is_empty() { "says of no platform that it has it".to_owned() } else { format!("has {}", own.join(", ")) };
        let runs = first_run.map(|line| format!(", whose programs line {line} of its Dockerfile runs")).unwrap_or_default();
        let why = self.nodes.iter().find(|node| !node.is_up()).map(Node::lack);
        let why = why.or_else(|| (!self.error.is_empty()).then(|| format!("; {}", self.error))).unwrap_or_default();
        Some(format!("builder `{}` {offers}; `{service}` is to be built for {}{runs}{why}", self.name, missing.join(", ")))
    }

    /// Whether any of its nodes runs programs of a platform: any of them may get what is for a platform that none has.
    fn has_everywhere(&self, platform: &str) -> bool {
        self.nodes.iter().filter(|node| node.is_up()).all(|node| node.has(platform))
    }

    fn platforms(&self) -> impl Iterator<Item = &str> {
        self.nodes.iter().filter(|node| node.is_up()).flat_map(|node| &node.platforms).map(String::as_str)
    }
}

impl Node {
    fn is_up(&self) -> bool {
        self.status == "running"
    }

    fn has(&self, wanted: &str) -> bool {
        self.platforms.iter().any(|platform| plain(platform) == plain(wanted))
    }

    fn lack(&self) -> String {
        let why = if self.error.is_empty() { &self.status } else { &self.error };
        format!("; node `{}`: {why}", self.name)
    }

    fn take(&mut self, key: &str, value: &str) {
        match key {
            "Status" => value.clone_into(&mut self.status),
            "Error" => value.clone_into(&mut self.error),
            "Driver Options" => self.on_host = value.contains("network=\"host\""),
            // A star marks those that somebody has claimed for the node.
            "Platforms" => self.platforms = value.split(',').map(|platform| platform.trim().trim_end_matches('*').to_owned()).collect(),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Builder;

    /// What buildx 0.29 prints, shortened.
    const MANY: &str = "Name:          many
Driver:        docker-container
Last Activity: 2026-01-08 10:00:00 +0000 UTC

Nodes:
Name:                  many0
Endpoint:              unix:///var/run/docker.sock
Driver Options:        network=\"host\"
Status:                running
BuildKit daemon flags: --allow-insecure-entitlement=network.host
BuildKit version:      v0.25.2
Platforms:             linux/amd64, linux/amd64/v2, linux/386
Labels:
 org.mobyproject.buildkit.worker.executor:    oci
 org.mobyproject.buildkit.worker.snapshotter: overlayfs
GC Policy rule#0:
 All:           false
File#buildkitd.toml:
 > Platforms: none

Name:      many1
Endpoint:  ssh://arm.example
Status:    running
Platforms: linux/arm64*, linux/arm/v7
";

    fn lacks(text: &str, platforms: &[&str], first_run: Option<usize>) -> Option<String> {
        let platforms: Vec<String> = platforms.iter().map(|platform| (*platform).to_owned()).collect();
        Builder::parse(text).unwrap().lacks_for("web", &platforms, first_run)
    }

    #[test]
    fn platforms_of_all_nodes_count() {
        let builder = Builder::parse(MANY).unwrap();
        assert_eq!((builder.name.as_str(), builder.driver.as_str(), builder.nodes.len()), ("many", "docker-container", 2));
        assert!(!builder.is_asleep() && !builder.is_engine() && builder.nodes[0].holds_many);
        for (registry, one, all) in [("localhost:5000/a", false, true), ("127.0.0.1:5000", false, true), ("ghcr.io/a", true, true)] {
            let whole = MANY.replace("Endpoint:  ssh", "Driver Options: network=\"host\"\nEndpoint:  ssh");
            assert_eq!((builder.reaches(registry), Builder::parse(&whole).unwrap().reaches(registry)), (one, all), "{registry}");
        }
        assert_eq!(lacks(MANY, &["linux/amd64", "linux/arm64/v8", "linux/arm"], Some(2)), None);
        let lack = lacks(MANY, &["linux/amd64", "linux/s390x"], Some(2)).unwrap();
        assert!(lack.contains("has linux/amd64, linux/amd64/v2, linux/386, linux/arm64, linux/arm/v7"), "{lack}");
        assert!(lack.ends_with("`web` is to be built for linux/s390x, whose programs line 2 of its Dockerfile runs"), "{lack}");
        // Nothing of it is run; nobody has Windows all the same.
        assert_eq!(lacks(MANY, &["linux/s390x"], None), None);
        assert!(lacks(MANY, &["windows/amd64"], None).is_some());
        let one = Builder::parse(MANY.split("\nName:      many1").next().unwrap()).unwrap();
        assert!(one.has_everywhere("linux/amd64/v1") && !one.has_everywhere("linux/arm64") && !builder.has_everywhere("linux/amd64"));
    }

    #[test]
    fn a_node_that_does_not_run_has_nothing() {
        let asleep =
            "Name: a\nDriver: docker-container\n\nNodes:\nName: a0\nEndpoint: default\nStatus: inactive\nPlatforms: linux/amd64*\n";
        assert!(Builder::parse(asleep).unwrap().is_asleep());
        assert!(lacks(asleep, &["linux/amd64"], None).unwrap().ends_with("; node `a0`: inactive"));
        assert!(!Builder::parse(&asleep.replace("docker-container", "remote")).unwrap().is_asleep(), "nobody can start it");
        let away = "Name: a\nDriver: remote\n\nNodes:\nName: a0\nEndpoint: tcp://x\nError: no route to host\n";
        assert!(!Builder::parse(away).unwrap().is_asleep());
        let lack = lacks(away, &["linux/amd64"], None).unwrap();
        assert_eq!(
            lack,
            "builder `a` says of no platform that it has it; `web` is to be built for linux/amd64; node `a0`: no route to host"
        );
        for other in ["", "buildah 1.39\n", "{\"Name\": \"a\"}"] {
            assert_eq!(Builder::parse(other), None, "{other}");
        }
    }
}
