//! The `Clock` and `Host` ports on this machine.

use std::fs;
use std::io;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use chora_core::model::deployment::Owner;
use chora_core::ports::clock::Clock;
use chora_core::ports::host::{Host, Liveness};
use jiff::Timestamp;

/// The machine's clocks.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock {
    start: Instant,
}

impl SystemClock {
    /// Counts [`Clock::elapsed`] from now.
    #[must_use]
    pub fn start() -> Self {
        Self { start: Instant::now() }
    }
}

#[async_trait]
impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

/// This machine as `/proc` shows it (proc(5)). Where there is no `/proc`, only heartbeats can tell whether an owner lives.
#[derive(Debug, Clone)]
pub struct SystemHost {
    owner: Owner,
}

impl SystemHost {
    /// Finds out who and where this process is.
    #[must_use]
    pub fn this_process() -> Self {
        let pid = std::process::id();
        let host = line("/proc/sys/kernel/hostname").unwrap_or_else(|| "localhost".to_owned());
        let ticks = stat(pid).ok().map_or_else(String::new, |stat| stat.started);
        let started = Started { ticks, ..Started::here() }.to_string();
        Self { owner: Owner { host, pid, started } }
    }
}

impl Host for SystemHost {
    fn owner(&self) -> Owner {
        self.owner.clone()
    }

    fn liveness(&self, owner: &Owner) -> Liveness {
        if owner.host != self.owner.host {
            return Liveness::Unknown;
        }
        let (theirs, ours) = (Started::parse(&owner.started), Started::parse(&self.owner.started));
        theirs.zip(ours).map_or(Liveness::Unknown, |(theirs, ours)| judge(owner.pid, &theirs, &ours))
    }

    fn fresh_id(&self) -> String {
        uuid::Uuid::now_v7().simple().to_string()
    }
}

/// `<clock ticks since boot>@<boot id>/<process id namespace>/<machine id>`: two processes that share it all are one.
#[derive(Debug, PartialEq, Eq)]
struct Started {
    ticks: String,
    boot: String,
    namespace: String,
    machine: String,
}

impl Started {
    fn here() -> Self {
        let namespace = fs::read_link("/proc/self/ns/pid").map(|link| link.display().to_string()).unwrap_or_default();
        Self {
            ticks: String::new(),
            boot: line("/proc/sys/kernel/random/boot_id").unwrap_or_default(),
            namespace: namespace.chars().filter(char::is_ascii_digit).collect(),
            machine: line("/etc/machine-id").unwrap_or_default(),
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let (ticks, place) = text.split_once('@')?;
        let mut parts = place.split('/').map(str::to_owned);
        let (boot, namespace, machine) = (parts.next()?, parts.next()?, parts.next()?);
        Some(Self { ticks: ticks.to_owned(), boot, namespace, machine })
    }
}

impl std::fmt::Display for Started {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}@{}/{}/{}", self.ticks, self.boot, self.namespace, self.machine)
    }
}

/// Dead only when that is proven: two machines may share a name, and a container sees its own processes only.
fn judge(pid: u32, theirs: &Started, ours: &Started) -> Liveness {
    if theirs.boot.is_empty() || theirs.ticks.is_empty() {
        return Liveness::Unknown;
    }
    if theirs.boot != ours.boot {
        let rebooted = !theirs.machine.is_empty() && theirs.machine == ours.machine;
        return if rebooted { Liveness::Dead } else { Liveness::Unknown };
    }
    if theirs.namespace != ours.namespace {
        return Liveness::Unknown;
    }
    match stat(pid) {
        Ok(stat) if stat.started == theirs.ticks && !stat.is_gone() => Liveness::Alive,
        Ok(_) => Liveness::Dead,
        // With `hidepid` other users' processes look absent; process 1 is then, too.
        Err(e) if e.kind() == io::ErrorKind::NotFound && stat(1).is_ok() => Liveness::Dead,
        Err(_) => Liveness::Unknown,
    }
}

struct Stat {
    state: String,
    started: String,
}

impl Stat {
    /// Killed, and only not yet collected by its parent.
    fn is_gone(&self) -> bool {
        matches!(self.state.as_str(), "Z" | "X" | "x")
    }
}

/// Fields 3 and 22 of `/proc/<pid>/stat`; the name before them may hold anything, also parentheses and spaces.
fn stat(pid: u32) -> io::Result<Stat> {
    let text = fs::read(format!("/proc/{pid}/stat"))?;
    let text = String::from_utf8_lossy(&text);
    let mut fields = text.rsplit_once(')').map_or("", |(_, fields)| fields).split_ascii_whitespace();
    let (state, started) = (fields.next(), fields.nth(18));
    state
        .zip(started)
        .map(|(state, started)| Stat { state: state.to_owned(), started: started.to_owned() })
        .ok_or_else(|| io::ErrorKind::InvalidData.into())
}

fn line(path: &str) -> Option<String> {
    fs::read_to_string(path).ok().map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use chora_core::model::deployment::Owner;
    use chora_core::ports::clock::Clock;
    use chora_core::ports::host::{Host, Liveness};

    use super::{Started, SystemClock, SystemHost, stat};

    fn with(owner: &Owner, change: impl FnOnce(&mut Started)) -> Owner {
        let mut started = Started::parse(&owner.started).unwrap();
        change(&mut started);
        Owner { started: started.to_string(), ..owner.clone() }
    }

    #[test]
    fn this_process_lives_and_an_earlier_one_with_its_number_does_not() {
        let host = SystemHost::this_process();
        let me = host.owner();
        assert_eq!(me.pid, std::process::id());
        assert_eq!(host.liveness(&me), Liveness::Alive);
        assert_eq!(host.liveness(&with(&me, |started| started.ticks = "1".into())), Liveness::Dead);
    }

    #[test]
    fn a_killed_process_is_dead_before_and_after_it_is_collected() {
        let host = SystemHost::this_process();
        let mut child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let ticks = stat(child.id()).unwrap().started;
        let owner = Owner { pid: child.id(), ..with(&host.owner(), |started| started.ticks = ticks) };
        assert_eq!(host.liveness(&owner), Liveness::Alive);
        child.kill().unwrap();
        // The end of its output is the end of the process, give or take the kernel's last steps.
        std::io::copy(child.stdout.as_mut().unwrap(), &mut std::io::sink()).unwrap();
        while stat(child.id()).is_ok_and(|stat| !stat.is_gone()) {
            std::thread::yield_now();
        }
        assert_eq!(host.liveness(&owner), Liveness::Dead);
        child.wait().unwrap();
        assert_eq!(host.liveness(&owner), Liveness::Dead);
    }

    #[test]
    fn what_cannot_be_proven_is_unknown() {
        let host = SystemHost::this_process();
        let me = host.owner();
        let elsewhere = Owner { host: format!("not-{}", me.host), ..me.clone() };
        let namesake = with(&me, |started| {
            started.boot = "other".into();
            started.machine = "other".into();
        });
        let contained = with(&me, |started| started.namespace = "1".into());
        let foreign = Owner { started: "yesterday".into(), ..me };
        for owner in [elsewhere, namesake, contained, foreign] {
            assert_eq!(host.liveness(&owner), Liveness::Unknown, "{owner:?}");
        }
    }

    #[test]
    fn the_same_machine_after_a_reboot_has_none_of_its_processes() {
        let known = |boot: &str| Started { ticks: "9".into(), boot: boot.into(), namespace: "4".into(), machine: "m".into() };
        assert_eq!(super::judge(1, &known("before"), &known("after")), Liveness::Dead);
    }

    #[test]
    fn ids_are_ordered_and_simple() {
        let host = SystemHost::this_process();
        let ids: Vec<String> = (0..100).map(|_| host.fresh_id()).collect();
        assert!(ids.is_sorted() && ids.iter().all(|id| id.len() == 32 && !id.contains('-')));
    }

    #[tokio::test]
    async fn time_passes() {
        let clock = SystemClock::start();
        let before = clock.elapsed();
        clock.sleep(std::time::Duration::from_millis(2)).await;
        assert!(clock.elapsed() >= before + std::time::Duration::from_millis(2));
    }
}
