//! Certificates that the gateway gets by itself: ordered when a table asks for them, renewed in time, kept in a folder beside
//! the state file. What is there is served meanwhile, and a failure is tried again later and later.

mod challenges;
mod order;
mod storage;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rustls::sign::CertifiedKey;
use tokio::sync::Semaphore;
use tokio::task::AbortHandle;

pub(super) use self::challenges::Challenges;
use self::storage::Storage;
use super::table::{AcmeEntry, ChallengeEntry, ListenerEntry};
use crate::causes::with_causes;

/// The protocol that an authority speaks to see a challenge (RFC 8737).
pub(super) const PROTOCOL: &[u8] = b"acme-tls/1";
/// Longest time between two looks at the clock, which may be set.
const LOOK: Duration = Duration::from_secs(3600);
/// How long after a failure an order is tried again; doubled with each one. Authorities count failures per hour.
const AGAIN: Duration = Duration::from_secs(120);
const LATEST: Duration = Duration::from_secs(6 * 3600);
/// How long an order may take.
const ORDER: Duration = Duration::from_secs(300);

/// An authority and a host.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Wanted {
    directory: String,
    host: String,
}

/// Everything that is got by ACME.
pub(super) struct Acme {
    pub(super) shared: Arc<Shared>,
    keeping: Mutex<BTreeMap<Wanted, (AcmeEntry, AbortHandle)>>,
}

/// What orders and handshakes share.
pub(super) struct Shared {
    pub(super) challenges: Arc<Challenges>,
    storage: Storage,
    issued: RwLock<BTreeMap<Wanted, Issued>>,
    /// Why the last order came to nothing, where it did.
    failures: RwLock<BTreeMap<Wanted, String>>,
    /// One order at a time, so that an account is made once.
    turn: Semaphore,
}

#[derive(Debug, Clone)]
struct Issued {
    key: Arc<CertifiedKey>,
    from: Timestamp,
    to: Timestamp,
}

impl Issued {
    /// When it is time for another one: after two thirds of its life.
    fn due(&self) -> Timestamp {
        self.from + SignedDuration::from_secs(self.to.duration_since(self.from).as_secs() / 3 * 2)
    }
}

impl Acme {
    /// Keeps its files in a folder, which is made when there is something to keep.
    pub(super) fn new(folder: &Path) -> Self {
        let (issued, failures) = (RwLock::default(), RwLock::default());
        let shared = Shared { challenges: Arc::default(), storage: Storage::new(folder), issued, failures, turn: Semaphore::new(1) };
        Self { shared: Arc::new(shared), keeping: Mutex::default() }
    }

    fn keeping(&self) -> MutexGuard<'_, BTreeMap<Wanted, (AcmeEntry, AbortHandle)>> {
        self.keeping.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps certificates for the hosts that these listeners want, and no others.
    pub(super) fn follow(&self, listeners: &[ListenerEntry]) {
        let entries = listeners.iter().filter_map(|listener| listener.tls.as_ref()?.acme.as_ref());
        let alone = |entry: &AcmeEntry, wanted: &Wanted| AcmeEntry { hosts: vec![wanted.host.clone()], ..entry.clone() };
        let wanted = entries.flat_map(|entry| wanted(entry).map(move |wanted| (alone(entry, &wanted), wanted)));
        let wanted: BTreeMap<Wanted, AcmeEntry> = wanted.map(|(entry, wanted)| (wanted, entry)).collect();
        let mut keeping = self.keeping();
        keeping.retain(|key, (entry, task)| {
            let stays = wanted.get(key) == Some(entry);
            if !stays {
                task.abort();
            }
            stays
        });
        for (key, entry) in wanted {
            keeping.entry(key).or_insert_with_key(|key| {
                let task = tokio::spawn(keep(Arc::clone(&self.shared), key.clone(), entry.clone())).abort_handle();
                (entry, task)
            });
        }
    }
}

impl Drop for Acme {
    fn drop(&mut self) {
        self.keeping().values().for_each(|(_, task)| task.abort());
    }
}

fn wanted(entry: &AcmeEntry) -> impl Iterator<Item = Wanted> {
    entry.hosts.iter().map(|host| Wanted { directory: entry.directory.clone(), host: host.to_ascii_lowercase() })
}

impl Shared {
    /// Takes up what is in the folder for these hosts, before they are served.
    pub(super) fn load(&self, entry: &AcmeEntry) {
        for wanted in wanted(entry) {
            if self.issued(&wanted).is_some() {
                continue;
            }
            match self.storage.certificate(&wanted) {
                Ok(Some(issued)) => self.put(wanted, issued),
                Ok(None) => {}
                Err(error) => tracing::warn!(host = wanted.host, "the certificate that was kept cannot be used: {error}"),
            }
        }
    }

    /// The certificate for a host in small letters, where one was issued.
    pub(super) fn certificate(&self, entry: &AcmeEntry, host: &str) -> Option<Arc<CertifiedKey>> {
        let asked = wanted(entry).find(|wanted| wanted.host == host)?;
        self.issued(&asked).map(|issued| issued.key)
    }

    /// Any certificate of an entry.
    pub(super) fn first(&self, entry: &AcmeEntry) -> Option<Arc<CertifiedKey>> {
        wanted(entry).find_map(|wanted| self.issued(&wanted)).map(|issued| issued.key)
    }

    /// Until when the certificate of each host is valid, and none where there is none yet.
    pub(super) fn report(&self, entry: &AcmeEntry) -> Vec<(String, Option<Timestamp>)> {
        wanted(entry).map(|wanted| (self.issued(&wanted).map(|issued| issued.to), wanted.host)).map(|(to, host)| (host, to)).collect()
    }

    fn issued(&self, wanted: &Wanted) -> Option<Issued> {
        self.issued.read().unwrap_or_else(PoisonError::into_inner).get(wanted).cloned()
    }

    /// Why the last order for each host came to nothing, where it did.
    pub(super) fn failures(&self, entry: &AcmeEntry) -> Vec<(String, String)> {
        let failures = self.failures.read().unwrap_or_else(PoisonError::into_inner);
        wanted(entry).filter_map(|wanted| Some((wanted.host.clone(), failures.get(&wanted)?.clone()))).collect()
    }

    fn fail(&self, wanted: Wanted, why: String) {
        self.failures.write().unwrap_or_else(PoisonError::into_inner).insert(wanted, why);
    }

    fn put(&self, wanted: Wanted, issued: Issued) {
        self.failures.write().unwrap_or_else(PoisonError::into_inner).remove(&wanted);
        self.issued.write().unwrap_or_else(PoisonError::into_inner).insert(wanted, issued);
    }
}

/// Gets a certificate whenever it is time, for as long as it is polled.
async fn keep(shared: Arc<Shared>, wanted: Wanted, entry: AcmeEntry) {
    let mut failures = 0;
    loop {
        until(shared.issued(&wanted).map(|issued| issued.due())).await;
        // Where one way is closed, another may be open.
        let usual = if failures % 2 == 0 { ChallengeEntry::TlsAlpn01 } else { ChallengeEntry::Http01 };
        let challenge = entry.challenge.unwrap_or(usual);
        let ordered = async {
            let _turn = shared.turn.acquire().await;
            tokio::time::timeout(ORDER, order::issue(&shared, &wanted, (&entry, challenge))).await
        };
        let error = match ordered.await {
            Ok(Ok(issued)) => {
                tracing::info!(host = wanted.host, until = %issued.to, "a certificate was issued");
                // One that is due again at once is of a clock that is wrong, here or there: no reason to ask without end.
                let pause = if issued.due() <= Timestamp::now() { AGAIN } else { Duration::ZERO };
                shared.put(wanted.clone(), issued);
                failures = 0;
                tokio::time::sleep(pause).await;
                continue;
            }
            Ok(Err(error)) => with_causes(&error),
            Err(_) => "the authority took too long".to_owned(),
        };
        let again = again(failures);
        tracing::warn!(host = wanted.host, ?challenge, seconds = again.as_secs(), "no certificate was issued, it is tried again: {error}");
        shared.fail(wanted.clone(), error);
        failures += 1;
        tokio::time::sleep(again).await;
    }
}

/// How long it takes to the next attempt after so many failures before this one.
fn again(failures: u32) -> Duration {
    AGAIN.saturating_mul(2_u32.saturating_pow(failures)).min(LATEST)
}

async fn until(due: Option<Timestamp>) {
    let Some(due) = due else { return };
    while let Ok(left) = Duration::try_from(due.duration_since(Timestamp::now())) {
        if left.is_zero() {
            return;
        }
        tokio::time::sleep(left.min(LOOK)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::again;
    use crate::causes::with_causes;

    #[test]
    fn an_error_is_told_with_what_it_came_of() {
        let refused = std::io::Error::new(std::io::ErrorKind::ConnectionRefused, "connection refused");
        let error = instant_acme::Error::Other(Box::new(std::io::Error::other(refused)));
        assert_eq!(with_causes(&super::order::OrderError::from(error)), "connection refused");
        let trust = super::order::OrderError::Trust(std::io::Error::other("nothing found"));
        assert!(with_causes(&trust).ends_with("(`ca`): nothing found"), "{}", with_causes(&trust));
    }

    #[test]
    fn a_failure_is_tried_again_later_and_later() {
        let seconds: Vec<u64> = (0..10).map(|failures| again(failures).as_secs()).collect();
        assert_eq!(seconds, [120, 240, 480, 960, 1920, 3840, 7680, 15360, 21600, 21600]);
        assert_eq!(again(u32::MAX).as_secs(), 21600);
    }
}
