//! Which replica of which release owns which MCP session.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::release::Release;

/// How often a full table may be searched for sessions that nobody uses.
const SWEEP: Duration = Duration::from_secs(1);
/// How often at least sessions that nobody uses are looked for.
const RARELY: Duration = Duration::from_secs(30);

/// The sessions of a service, of its active and of its draining releases.
#[derive(Default)]
pub(super) struct Sessions(Mutex<Table>);

#[derive(Default)]
struct Table {
    entries: HashMap<String, Entry>,
    swept: Option<Instant>,
}

struct Entry {
    owner: Owner,
    used: Instant,
    /// Shared with each request of the session that is under way.
    use_mark: UseMark,
}

/// Keeps a session from being forgotten.
pub(super) type UseMark = Arc<()>;

/// Who answers for a session.
#[derive(Clone)]
pub(super) enum Owner {
    /// A replica of a release.
    Release(Arc<Release>, usize),
    /// Its release was cut: the client has to open a new one.
    Cut,
}

impl Sessions {
    /// Remembers a session; at most `most`, of which those unused for `idle` make room. `None` when there is none.
    pub(super) fn open(&self, id: &str, (release, replica): (&Arc<Release>, usize), most: usize, idle: Duration) -> Option<UseMark> {
        let mut table = self.table();
        if let Some(entry) = table.entries.get_mut(id)
            && matches!(&entry.owner, Owner::Release(owner, _) if Arc::ptr_eq(owner, release))
        {
            entry.used = Instant::now();
            return Some(Arc::clone(&entry.use_mark));
        }
        if table.entries.len() >= most && table.swept.is_none_or(|swept| swept.elapsed() > SWEEP) {
            table.sweep(idle);
        }
        // A cut release opens nothing any more.
        if table.entries.len() >= most || release.is_cut() {
            return None;
        }
        release.session_opened();
        let use_mark = UseMark::default();
        let entry = Entry { owner: Owner::Release(Arc::clone(release), replica), used: Instant::now(), use_mark: Arc::clone(&use_mark) };
        if let Some(before) = table.entries.insert(id.to_owned(), entry) {
            before.end();
        }
        Some(use_mark)
    }

    pub(super) fn owner(&self, id: &str) -> Option<(Owner, UseMark)> {
        let mut table = self.table();
        let entry = table.entries.get_mut(id)?;
        entry.used = Instant::now();
        Some((entry.owner.clone(), Arc::clone(&entry.use_mark)))
    }

    /// Forgets a session that its client or its release has ended.
    pub(super) fn end(&self, id: &str) {
        if let Some(entry) = self.table().entries.remove(id) {
            entry.end();
        }
    }

    /// Forgets a session whose stream ended, unless it ended because its release was cut.
    pub(super) fn stream_ended(&self, id: &str, release: &Release) {
        if !release.is_cut() {
            self.end(id);
        }
    }

    /// Takes a release its sessions; later requests with their ids find them cut. Gives back how many there were.
    pub(super) fn cut(&self, release: &Arc<Release>) -> usize {
        let mut cut = 0;
        for entry in self.table().entries.values_mut() {
            if matches!(&entry.owner, Owner::Release(owner, _) if Arc::ptr_eq(owner, release)) {
                entry.owner = Owner::Cut;
                release.session_ended();
                cut += 1;
            }
        }
        cut
    }

    /// Forgets those that nobody has used for a while, when it is time to look for them.
    pub(super) fn tend(&self, idle: Duration) {
        let mut table = self.table();
        let pause = (idle / 4).clamp(SWEEP, RARELY);
        if !table.entries.is_empty() && table.swept.is_none_or(|swept| swept.elapsed() >= pause) {
            table.sweep(idle);
        }
    }

    /// Forgets those that nobody has used for a while.
    pub(super) fn sweep(&self, idle: Duration) {
        self.table().sweep(idle);
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn sweep(&mut self, idle: Duration) {
        let now = Instant::now();
        self.swept = Some(now);
        self.entries.retain(|_, entry| {
            if Arc::strong_count(&entry.use_mark) > 1 {
                entry.used = now;
            }
            let stays = now.saturating_duration_since(entry.used) <= idle;
            if !stays {
                entry.end();
            }
            stays
        });
        // A crowd that has left should not hold its memory for ever.
        if self.entries.len() < self.entries.capacity() / 4 {
            self.entries.shrink_to(2 * self.entries.len());
        }
    }
}

impl Entry {
    fn end(&self) {
        if let Owner::Release(release, _) = &self.owner {
            release.session_ended();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::release::Release;
    use super::super::table::ReleaseEntry;
    use super::{Owner, Sessions};

    const LONG: Duration = Duration::from_secs(3600);

    #[test]
    fn sessions_in_use_outlive_their_idle_time_and_cut_ones_stay_known() {
        let release = Release::new(&ReleaseEntry { name: "r1".into(), addresses: vec!["127.0.0.1:1".into()] });
        let sessions = Sessions::default();
        let used = sessions.open("used", (&release, 0), 3, LONG);
        sessions.open("unused", (&release, 0), 3, LONG);
        sessions.sweep(Duration::ZERO);
        assert_eq!(release.sessions(), 1);
        assert!(sessions.owner("unused").is_none());
        drop(used);
        release.cut();
        assert_eq!(sessions.cut(&release), 1);
        assert_eq!(release.sessions(), 0);
        assert!(matches!(sessions.owner("used"), Some((Owner::Cut, _))));
        assert!(sessions.open("late", (&release, 0), 3, LONG).is_none());
    }

    #[test]
    fn no_more_sessions_than_allowed_are_remembered() {
        let release = Release::new(&ReleaseEntry { name: "r1".into(), addresses: vec!["127.0.0.1:1".into()] });
        let sessions = Sessions::default();
        assert!(sessions.open("a", (&release, 0), 1, LONG).is_some());
        assert!(sessions.open("b", (&release, 0), 1, LONG).is_none());
        assert_eq!(release.sessions(), 1);
    }
}
