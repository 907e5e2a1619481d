//! Progress of a call: from the reporter to `notifications/progress`, and the client's cancellation back to the work.

use std::sync::Arc;

use chora_core::model::event::{Event, Progress, ProgressState};
use chora_core::ports::Reporter;
use chora_ops::{Failure, FailureKind};
use rmcp::RoleServer;
use rmcp::model::{ProgressNotificationParam, ProgressToken};
use rmcp::service::RequestContext;
use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinHandle};
use tokio_util::sync::CancellationToken;

use super::operation::Answer;

/// How many notes may wait for a slow client before further ones are left out.
const WAITING: usize = 256;

/// Carries progress of one call to its client.
pub(super) struct Pump {
    token: Option<ProgressToken>,
    notes: mpsc::Receiver<Progress>,
    scale: Scale,
}

impl Pump {
    pub(super) fn new(client: &RequestContext<RoleServer>) -> (Self, Arc<dyn Reporter>) {
        let (sender, notes) = mpsc::channel(WAITING);
        let pump = Self { token: client.meta.get_progress_token(), notes, scale: Scale::default() };
        (pump, Arc::new(Notes(sender)))
    }

    /// Waits for the work, telling the client how it goes; a client that cancels or goes away cancels the work.
    pub(super) async fn carry(
        mut self,
        client: &RequestContext<RoleServer>,
        work: JoinHandle<Result<Answer, Failure>>,
        cancel: &CancellationToken,
    ) -> Result<Answer, Failure> {
        let mut work = work;
        let result = loop {
            tokio::select! {
                Some(progress) = self.notes.recv() => self.tell(client, &progress).await,
                result = &mut work => break result,
                () = client.ct.cancelled(), if !cancel.is_cancelled() => cancel.cancel(),
            }
        };
        // What was said before the end arrives before the answer.
        while let Ok(progress) = self.notes.try_recv() {
            self.tell(client, &progress).await;
        }
        result.unwrap_or_else(|error| Err(broken(error)))
    }

    async fn tell(&mut self, client: &RequestContext<RoleServer>, progress: &Progress) {
        let Some(token) = &self.token else { return };
        let mut parameters = ProgressNotificationParam::new(token.clone(), self.scale.next(progress));
        if progress.steps > 0 {
            parameters = parameters.with_total(f64::from(progress.steps));
        }
        // A client that is gone is noticed by its cancelled call.
        _ = client.peer.notify_progress(parameters.with_message(words(progress))).await;
    }
}

/// Work that changes something catches its own bugs and settles what it began; this is about the rest.
fn broken(error: JoinError) -> Failure {
    match error.try_into_panic() {
        Ok(panic) => Failure::of_panic(panic.as_ref()).state("nothing was changed"),
        Err(error) => Failure::new(FailureKind::Internal, format!("internal: the operation ended without an outcome: {error}")),
    }
}

fn words(progress: &Progress) -> String {
    let state = match progress.state {
        ProgressState::Begun | ProgressState::Note => "",
        ProgressState::Done => ": done",
        ProgressState::Failed => ": failed",
    };
    let note = if progress.note.is_empty() { String::new() } else { format!(": {}", progress.note) };
    format!("{}{state}{note}", progress.what)
}

/// Hands progress over without waiting.
struct Notes(mpsc::Sender<Progress>);

impl Reporter for Notes {
    fn event(&self, _: &Event) {}

    fn progress(&self, progress: &Progress) {
        // A client that reads too slowly misses notes, the work does not wait for it.
        _ = self.0.try_send(progress.clone());
    }
}

/// Step numbers as values that only ever increase, as the protocol wants, also when steps are undone.
#[derive(Default)]
struct Scale {
    last: f64,
}

impl Scale {
    /// The part of a step that one note within it counts for.
    const NOTE: f64 = 1.0 / 4096.0;

    fn next(&mut self, progress: &Progress) -> f64 {
        let done = match progress.state {
            ProgressState::Done | ProgressState::Failed => progress.step,
            ProgressState::Begun | ProgressState::Note => progress.step.saturating_sub(1),
        };
        self.last = f64::from(done).max(self.last + Self::NOTE);
        self.last
    }
}

#[cfg(test)]
mod tests {
    use super::{Scale, words};
    use chora_core::model::event::{Progress, ProgressState};

    fn progress(state: ProgressState, step: u32) -> Progress {
        Progress { state, what: "start web".into(), note: String::new(), step, steps: 3 }
    }

    #[test]
    fn progress_only_ever_increases() {
        use ProgressState::{Begun, Done, Failed, Note};
        let mut scale = Scale::default();
        let told = [(Note, 0), (Begun, 1), (Note, 1), (Done, 1), (Begun, 2), (Failed, 2), (Begun, 1), (Done, 1)];
        let values: Vec<f64> = told.iter().map(|(state, step)| scale.next(&progress(*state, *step))).collect();
        assert!(values.is_sorted_by(|a, b| a < b), "{values:?}");
        assert!(values.iter().all(|value| (0.0..3.0).contains(value)), "{values:?}");
    }

    #[test]
    fn a_note_is_told_with_its_step() {
        let note = Progress { note: "not yet".into(), ..progress(ProgressState::Note, 1) };
        assert_eq!(words(&note), "start web: not yet");
        assert_eq!(words(&progress(ProgressState::Done, 1)), "start web: done");
    }
}
