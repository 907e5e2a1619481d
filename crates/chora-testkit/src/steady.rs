//! Time, identity and probes that a test controls.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicI64, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use chora_core::model::container::{Container, ContainerState};
use chora_core::model::deployment::Owner;
use chora_core::model::event::{Event, Progress};
use chora_core::model::health::{Probe, ProbeAnswer, ProbeVerdict};
use chora_core::ports::{Clock, Host, Liveness, Prober, Reporter};
use jiff::Timestamp;

/// A clock that only moves when somebody waits, or sets it. Clones share their time.
#[derive(Debug, Clone, Default)]
pub struct SteadyClock {
    passed: Arc<AtomicU64>,
    /// How far the wall clock was set forwards or back, in milliseconds.
    set: Arc<AtomicI64>,
}

impl SteadyClock {
    /// Another clock at the same time.
    #[must_use]
    pub fn fork(&self) -> Self {
        let passed = Arc::new(AtomicU64::new(self.passed.load(Ordering::SeqCst)));
        Self { passed, set: Arc::new(AtomicI64::new(self.set.load(Ordering::SeqCst))) }
    }

    /// Sets the wall clock by seconds, back where they are negative; the time that passes does not notice.
    pub fn set_by(&self, seconds: i64) {
        self.set.fetch_add(seconds.saturating_mul(1000), Ordering::SeqCst);
    }
}

#[async_trait]
impl Clock for SteadyClock {
    fn now(&self) -> Timestamp {
        // 2026-01-01T00:00:00Z
        let start = 1_767_225_600_000_i64;
        let passed = i64::try_from(self.passed.load(Ordering::SeqCst)).unwrap_or(i64::MAX);
        let set = self.set.load(Ordering::SeqCst);
        Timestamp::from_millisecond(start.saturating_add(passed).saturating_add(set)).unwrap_or(Timestamp::MAX)
    }

    fn elapsed(&self) -> Duration {
        Duration::from_millis(self.passed.load(Ordering::SeqCst))
    }

    async fn sleep(&self, duration: Duration) {
        let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX).max(1);
        self.passed.fetch_add(millis, Ordering::SeqCst);
        tokio::task::yield_now().await;
    }
}

/// A machine on which processes die when a test says so. Clones share the machine.
#[derive(Debug, Clone)]
pub struct SteadyHost {
    pid: u32,
    machine: Arc<Machine>,
}

#[derive(Debug, Default)]
struct Machine {
    dead: Mutex<BTreeSet<u32>>,
    next_pid: AtomicU32,
    next_id: AtomicU64,
}

impl Default for SteadyHost {
    fn default() -> Self {
        let machine = Arc::new(Machine::default());
        Self { pid: machine.next_pid.fetch_add(1, Ordering::SeqCst) + 100, machine }
    }
}

impl SteadyHost {
    /// The same process on a machine of its own, with the same past.
    #[must_use]
    pub fn fork(&self) -> Self {
        let machine = Machine {
            dead: Mutex::new(self.machine.dead.lock().unwrap_or_else(PoisonError::into_inner).clone()),
            next_pid: AtomicU32::new(self.machine.next_pid.load(Ordering::SeqCst)),
            next_id: AtomicU64::new(self.machine.next_id.load(Ordering::SeqCst)),
        };
        Self { pid: self.pid, machine: Arc::new(machine) }
    }

    /// Kills this process and gives the next one.
    #[must_use]
    pub fn killed(&self) -> Self {
        self.machine.dead.lock().unwrap_or_else(PoisonError::into_inner).insert(self.pid);
        self.another()
    }

    /// Another process on the same machine.
    #[must_use]
    pub fn another(&self) -> Self {
        Self { pid: self.machine.next_pid.fetch_add(1, Ordering::SeqCst) + 100, machine: Arc::clone(&self.machine) }
    }
}

impl Host for SteadyHost {
    fn owner(&self) -> Owner {
        Owner { host: "steady".into(), pid: self.pid, started: "0".into() }
    }

    fn liveness(&self, owner: &Owner) -> Liveness {
        let dead = self.machine.dead.lock().unwrap_or_else(PoisonError::into_inner).contains(&owner.pid);
        match (owner.host == "steady", dead) {
            (false, _) => Liveness::Unknown,
            (true, true) => Liveness::Dead,
            (true, false) => Liveness::Alive,
        }
    }

    fn fresh_id(&self) -> String {
        format!("{:032x}", self.machine.next_id.fetch_add(1, Ordering::SeqCst) + 1)
    }
}

/// Every running container passes.
#[derive(Debug, Clone, Default)]
pub struct SteadyProber;

#[async_trait]
impl Prober for SteadyProber {
    async fn probe(&self, container: &Container, probe: &Probe, _limit: Duration) -> ProbeAnswer {
        let verdict = if container.state == ContainerState::Running { ProbeVerdict::Pass } else { ProbeVerdict::NoAnswer };
        ProbeAnswer { verdict, asked: format!("{probe:?}"), answered: "steady".into(), took: Duration::ZERO, contract: None }
    }
}

/// Remembers everything that it is told.
#[derive(Debug, Clone, Default)]
pub struct Listener(Arc<Mutex<(Vec<Event>, Vec<Progress>)>>);

impl Listener {
    /// Everything so far, as text: what a person or a log could have seen.
    #[must_use]
    pub fn text(&self) -> String {
        let heard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        format!("{:?}{:?}", heard.0, heard.1)
    }
}

impl Reporter for Listener {
    fn event(&self, event: &Event) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).0.push(event.clone());
    }

    fn progress(&self, progress: &Progress) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).1.push(progress.clone());
    }
}
