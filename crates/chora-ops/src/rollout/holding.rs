//! Work under a lease: however it ends, the lease is given back; after a panic what it began is settled first.

use std::any::Any;
use std::panic::AssertUnwindSafe;

use chora_core::model::deployment::OutcomeKind;
use futures_util::FutureExt as _;
use tokio_util::sync::CancellationToken;

use super::lease;
use super::settle::{Settled, Settlement, settle};
use crate::context::Context;
use crate::failure::Failure;
use crate::project::Project;

/// Does work under the lease of the project's environment.
///
/// # Errors
/// Conflict when somebody else holds the lease; internal when the work panics; else those of the work.
pub(crate) async fn holding<T>(
    cx: &Context,
    project: &Project,
    purpose: &str,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let held = lease::take(cx, &project.environment.name, purpose).await?;
    let result = match Box::pin(AssertUnwindSafe(work).catch_unwind()).await {
        Ok(result) => result,
        Err(panic) => Err(Box::pin(broken_off(cx, project, panic)).await),
    };
    held.give_back(cx).await;
    result
}

/// A bug must not leave the environment half changed until somebody else comes by.
async fn broken_off(cx: &Context, project: &Project, panic: Box<dyn Any + Send>) -> Failure {
    // Nobody may cut this short, and the reporter that heard the panic may be part of it.
    let patient = Context { cancel: CancellationToken::new(), ..cx.clone() };
    let settled = AssertUnwindSafe(settle(&patient, project, &project.environment.name, Settlement::Safe)).catch_unwind().await;
    let state = match settled {
        Ok(Ok(settled)) => words(&settled),
        Ok(Err(failure)) => format!("what was begun could not be settled ({}); the next command does", cx.redactor.clean(&failure.message)),
        Err(_) => "what was begun could not be settled; the next command tries again".to_owned(),
    };
    let failure = Failure::of_panic(panic.as_ref());
    let failure = Failure { message: cx.redactor.clean(&failure.message), ..failure };
    failure.state(state)
}

fn words(settled: &[Settled]) -> String {
    let Some(last) = settled.last() else { return "no deployment was left unfinished".to_owned() };
    let (version, previous) = (&last.deployment.version, last.deployment.previous_version.as_deref().unwrap_or("nothing"));
    match last.outcome.kind {
        OutcomeKind::Deployed | OutcomeKind::Unchanged => format!("{version} had been recorded and is live"),
        OutcomeKind::Kept | OutcomeKind::Restored => format!("{version} was undone; {previous} serves"),
        OutcomeKind::Degraded => format!("{version} was undone, and {previous} is not healthy"),
    }
}
