//! A release that gets some of a service's requests, and what both releases do with theirs meanwhile.
//!
//! Requests are dealt out by count, so that the share is exact. Who was dealt out once stays there: by a cookie of the gateway's, an MCP
//! session by its release. A service without a canary pays nothing for it.

mod tally;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use hyper::header::{COOKIE, HeaderName, HeaderValue, SET_COOKIE};
use hyper::{HeaderMap, Response};
use serde_json::{Value, json};

use self::tally::Tally;
use super::release::Release;
use super::table::{CanaryEntry, MarkEntry};

/// The cookie that keeps a client with the release that it began with.
const STICKY: &str = "chora-canary";

/// A canary under way.
pub(super) struct Canary {
    pub(super) entry: CanaryEntry,
    pub(super) release: Arc<Release>,
    header: Option<HeaderName>,
    /// What the cookie says that keeps clients with the canary, and with the active release.
    words: (String, String),
    dealt: AtomicU64,
    new: Tally,
    old: Tally,
}

/// What is known of a request when a release is chosen for it.
#[derive(Clone, Copy, Default)]
pub(super) struct Asker<'a> {
    /// The MCP session that it belongs to.
    pub(super) session: Option<&'a str>,
    /// The head of an HTTP request; without one it is a connection, which no canary gets.
    pub(super) head: Option<&'a HeaderMap>,
    /// A release has refused it: what is tried out gets no second chance.
    pub(super) again: bool,
}

/// A request that is counted for a canary's comparison; whatever becomes of it, it ends once.
pub(super) struct Trial {
    canary: Arc<Canary>,
    is_new: bool,
    /// The client is told where it belongs.
    sticks: bool,
    begun: Instant,
}

impl Canary {
    pub(super) fn new(entry: &CanaryEntry, release: Arc<Release>) -> Arc<Self> {
        // The same for all ports and services of a deployment, so that a client that has met it once meets it everywhere.
        let mark = entry
            .release
            .name
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        Arc::new(Self {
            entry: entry.clone(),
            release,
            header: entry.header.as_ref().and_then(|header| header.name.parse().ok()),
            words: (format!("new-{mark:016x}"), format!("old-{mark:016x}")),
            dealt: AtomicU64::new(0),
            new: Tally::default(),
            old: Tally::default(),
        })
    }

    /// Whether a request that belongs to no session goes to the canary, and whether its client is to be told.
    fn chooses(&self, asker: &Asker<'_>) -> (bool, bool) {
        let Some(head) = asker.head.filter(|_| !asker.again && asker.session.is_none()) else { return (false, false) };
        if self.is_marked(head) {
            return (true, false);
        }
        match cookie(head, STICKY) {
            Some(word) if word == self.words.0 => return (true, false),
            Some(word) if word == self.words.1 => return (false, false),
            _ => {}
        }
        if self.entry.share == 0 {
            return (false, false);
        }
        let share = u64::from(self.entry.share);
        let dealt = self.dealt.fetch_add(1, Ordering::Relaxed);
        (dealt % 100 * share % 100 + share >= 100, true)
    }

    /// Whether header or cookie say that a request is for the canary.
    fn is_marked(&self, head: &HeaderMap) -> bool {
        let says =
            |mark: &Option<MarkEntry>, found: &str| mark.as_ref().and_then(|mark| mark.value.as_deref()).is_none_or(|value| value == found);
        let by_header = self.header.as_ref().is_some_and(|name| {
            head.get_all(name).iter().filter_map(|found| found.to_str().ok()).any(|found| says(&self.entry.header, found.trim()))
        });
        let by_cookie =
            || self.entry.cookie.as_ref().and_then(|mark| cookie(head, &mark.name)).is_some_and(|found| says(&self.entry.cookie, found));
        by_header || by_cookie()
    }

    /// The release for a request that belongs to no session of a known release, and its place in the comparison.
    pub(super) fn choose<'a>(self: &'a Arc<Self>, active: &'a Arc<Release>, asker: &Asker<'_>) -> (&'a Arc<Release>, Option<Trial>) {
        let (is_new, sticks) = self.chooses(asker);
        let release = if is_new { &self.release } else { active };
        // What another release has refused says nothing of the one that gets it now.
        let counts = asker.head.is_some() && !asker.again;
        (release, counts.then(|| self.begin(is_new, sticks)))
    }

    /// The place of a request that belongs to a session, where its release is one of the two.
    pub(super) fn of_session(self: &Arc<Self>, owner: &Arc<Release>, active: &Arc<Release>) -> Option<Trial> {
        let is_new = Arc::ptr_eq(owner, &self.release);
        (is_new || Arc::ptr_eq(owner, active)).then(|| self.begin(is_new, false))
    }

    fn begin(self: &Arc<Self>, is_new: bool, sticks: bool) -> Trial {
        let trial = Trial { canary: Arc::clone(self), is_new, sticks, begun: Instant::now() };
        trial.tally().requests.add(1);
        trial
    }

    /// What both releases did, for the comparison.
    pub(super) fn figures(&self) -> Value {
        json!({ "release": self.entry.release.name, "new": self.new.figures(), "old": self.old.figures() })
    }
}

impl Trial {
    fn tally(&self) -> &Tally {
        if self.is_new { &self.canary.new } else { &self.canary.old }
    }

    /// Counts a response, and tells the client where it belongs.
    pub(super) fn answered<B>(self, response: &mut Response<B>) {
        let failed = response.status().is_server_error();
        if failed {
            self.tally().errors.add(1);
        } else {
            self.tally().observe(self.begun.elapsed());
        }
        let (new, old) = &self.canary.words;
        let word = if self.is_new { new } else { old };
        // A failure binds nobody.
        if self.sticks
            && !failed
            && let Ok(value) = HeaderValue::from_str(&format!("{STICKY}={word}; Path=/; HttpOnly; SameSite=Lax"))
        {
            response.headers_mut().append(SET_COOKIE, value);
        }
    }

    /// Counts a request that got no response by the release's fault.
    pub(super) fn failed(self) {
        self.tally().errors.add(1);
    }
}

impl Drop for Trial {
    fn drop(&mut self) {
        self.tally().ended.add(1);
    }
}

/// The value of a cookie.
fn cookie<'a>(head: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let lines = head.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.split_once('='));
    pairs.find(|(key, _)| key.trim() == name).map(|(_, value)| value.trim())
}

#[cfg(test)]
mod tests {
    use hyper::HeaderMap;
    use hyper::header::{COOKIE, HeaderName};

    use super::super::release::Release;
    use super::super::table::{CanaryEntry, MarkEntry, ReleaseEntry};
    use super::{Asker, Canary};

    fn canary(share: u32) -> std::sync::Arc<Canary> {
        let release = ReleaseEntry { name: "r2".into(), addresses: vec!["127.0.0.1:1".into()] };
        let mark = |name: &str, value: Option<&str>| Some(MarkEntry { name: name.into(), value: value.map(str::to_owned) });
        let (header, cookie) = (mark("X-Canary", Some("1")), mark("beta", None));
        let entry = CanaryEntry { release: release.clone(), share, header, cookie };
        Canary::new(&entry, Release::new(&release))
    }

    fn head(pairs: &[(HeaderName, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), value.parse().expect("a value"))).collect()
    }

    #[test]
    fn the_share_is_exact_and_spread_evenly() {
        let nothing = HeaderMap::new();
        for share in [1, 7, 10, 50, 99, 100] {
            let canary = canary(share);
            let asker = Asker { head: Some(&nothing), ..Asker::default() };
            let dealt: Vec<bool> = (0..1000).map(|_| canary.chooses(&asker).0).collect();
            for hundred in dealt.chunks(100) {
                assert_eq!(hundred.iter().filter(|new| **new).count(), share as usize, "{share} %");
            }
            let longest = dealt.split(|new| *new).map(<[bool]>::len).max().unwrap_or(0);
            assert!(longest <= 100_usize.div_ceil(share as usize), "{share} %: {longest} in a row");
        }
    }

    #[test]
    fn marks_come_before_the_cookie_and_the_cookie_before_the_count() {
        let canary = canary(0);
        let x = HeaderName::from_static("x-canary");
        let (new, old) = (format!("a=b; chora-canary={}", canary.words.0), format!("chora-canary={}", canary.words.1));
        let table: [(&[(HeaderName, &str)], bool); 8] = [
            (&[], false),
            (&[(x.clone(), "1")], true),
            (&[(x.clone(), "0")], false),
            (&[(COOKIE, "beta=anything")], true),
            (&[(COOKIE, "alphabeta=1")], false),
            (&[(COOKIE, new.as_str())], true),
            (&[(COOKIE, old.as_str())], false),
            (&[(x, "1"), (COOKIE, old.as_str())], true),
        ];
        for (pairs, wanted) in table {
            let head = head(pairs);
            assert_eq!(canary.chooses(&Asker { head: Some(&head), ..Asker::default() }).0, wanted, "{head:?}");
            let again = Asker { head: Some(&head), again: true, ..Asker::default() };
            let unknown = Asker { head: Some(&head), session: Some("of-nobody"), ..Asker::default() };
            assert!(!canary.chooses(&again).0 && !canary.chooses(&unknown).0 && !canary.chooses(&Asker::default()).0, "{head:?}");
        }
    }

    #[test]
    fn a_cookie_of_another_canary_binds_nobody() {
        let head = head(&[(COOKIE, "chora-canary=old-0000000000000000")]);
        assert_eq!(canary(100).chooses(&Asker { head: Some(&head), ..Asker::default() }), (true, true));
    }
}
