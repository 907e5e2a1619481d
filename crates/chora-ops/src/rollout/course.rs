//! What came of a run so far: which steps have begun and are over, gaps, checks, the engine's absences.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chora_core::model::deployment::{Gap, HeldRequests, Traffic};
use chora_core::model::health::Check;
use chora_core::plan::{Action, GateTarget};

use crate::rollout::patience::{Presence, started};
use crate::rollout::perform::Evidence;

/// The course of a run.
#[derive(Debug, Default)]
pub(crate) struct Course {
    /// Steps that have begun: what there is to undo.
    pub(crate) begun: BTreeSet<usize>,
    /// Steps that nothing waits for any more: done, or left over.
    pub(crate) over: BTreeSet<usize>,
    under_way: BTreeSet<usize>,
    /// When old containers of stop-first services stopped, by service.
    pub(crate) stopped_at: BTreeMap<String, Duration>,
    pub(crate) gaps: Vec<Gap>,
    /// What became of requests.
    pub(crate) traffic: Traffic,
    pub(crate) checks: Vec<Check>,
    /// A step of the switch phase has begun: clients may have noticed.
    pub(crate) switched: bool,
    /// Whether the engine was there all the time: what it ran stops with it.
    pub(crate) engine: Presence,
    /// How often it was found away.
    pub(crate) absences: u32,
    /// The containers that steps have started.
    pub(crate) started: Vec<GateTarget>,
    /// What failed after the release was recorded, in words; the rest was still done.
    pub(crate) left_over: Vec<String>,
}

impl Course {
    /// Takes what a journal says: steps that are done are over unless something that they need has to be done again.
    pub(crate) fn resume(&mut self, begun: impl Iterator<Item = usize>, needs: &[BTreeSet<usize>], done: impl Fn(usize) -> bool) {
        self.begun.extend(begun);
        for (index, needed) in needs.iter().enumerate() {
            if done(index) && needed.is_subset(&self.over) {
                self.over.insert(index);
            }
        }
    }

    /// The steps that can begin; they count as begun from now on.
    pub(crate) fn ready(&mut self, needs: &[BTreeSet<usize>]) -> Vec<usize> {
        let waiting = |index: &usize| !self.over.contains(index) && !self.under_way.contains(index);
        let ready: Vec<usize> = needs
            .iter()
            .enumerate()
            .filter(|(index, needed)| waiting(index) && needed.is_subset(&self.over))
            .map(|(index, _)| index)
            .collect();
        self.begun.extend(&ready);
        self.under_way.extend(&ready);
        ready
    }

    /// A step is not under way any more; `over` when what needs it may begin.
    pub(crate) fn ended(&mut self, index: usize, over: bool) {
        self.under_way.remove(&index);
        if over {
            self.over.insert(index);
        }
    }

    /// Takes in what came of an action.
    pub(crate) fn take(&mut self, action: &Action, evidence: Evidence) {
        self.started.extend(started(action));
        match (action, evidence) {
            (Action::ReleaseHold { service, .. }, Evidence::Held(held)) => self.traffic.held.push(HeldRequests {
                service: service.clone(),
                requests: held.held,
                refused: held.refused,
                longest_wait_ms: held.longest_wait_ms,
            }),
            // What a swap could not wait for ends with its containers.
            (Action::Drain { .. }, Evidence::Drained(drained)) => {
                self.traffic.cut += drained.cut;
                self.traffic.cut_sessions += drained.cut_sessions;
            }
            (Action::Route { .. }, Evidence::Routed(left)) => self.traffic.drained += left,
            _ => {}
        }
    }

    /// Gaps and traffic, to be told with the end.
    pub(crate) fn take_out(&mut self) -> (Vec<Gap>, Traffic) {
        (std::mem::take(&mut self.gaps), std::mem::take(&mut self.traffic))
    }

    /// A stop-first service serves again.
    pub(crate) fn close_gap(&mut self, service: &str, now: Duration) {
        if let Some(since) = self.stopped_at.remove(service) {
            let milliseconds = u64::try_from(now.saturating_sub(since).as_millis()).unwrap_or(u64::MAX);
            self.gaps.push(Gap { service: service.to_owned(), milliseconds });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::Course;

    /// 0 and 1 need nothing, 2 needs 0, 3 needs both.
    fn needs() -> Vec<BTreeSet<usize>> {
        vec![BTreeSet::new(), BTreeSet::new(), BTreeSet::from([0]), BTreeSet::from([0, 1])]
    }

    #[test]
    fn a_step_begins_once_and_when_what_it_needs_is_over() {
        let mut course = Course::default();
        assert_eq!(course.ready(&needs()), [0, 1]);
        assert_eq!(course.ready(&needs()), Vec::<usize>::new());
        course.ended(0, true);
        assert_eq!(course.ready(&needs()), [2]);
        course.ended(1, false);
        assert_eq!((course.begun.len(), course.over.len()), (3, 1));
    }

    #[test]
    fn what_needs_an_undone_step_is_done_again_gaps_are_not() {
        let mut course = Course::default();
        // 0 was undone, what needs it is still marked as done; 1 was not finished when the process died.
        course.resume([1, 2].into_iter(), &needs(), |index| index == 2);
        assert_eq!(course.ready(&needs()), [0, 1]);
        let mut gap = Course::default();
        gap.resume([0, 1, 2].into_iter(), &needs(), |index| index != 1);
        assert_eq!(gap.ready(&needs()), [1]);
        gap.ended(1, true);
        assert_eq!((gap.ready(&needs()), gap.begun.len()), (vec![3], 4));
    }
}
