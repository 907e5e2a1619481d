//! What the next command that changes something will begin with: it settles what a killed process left, so plans begin after that.

use std::collections::BTreeMap;

use chora_core::model::deployment::{Deployment, DeploymentAction, JournalMark};
use chora_core::model::ids::EnvironmentName;
use chora_core::model::release::Release;
use chora_core::plan::{Action, Observed};
use chora_core::ports::Liveness;

use crate::context::Context;
use crate::failure::Failure;
use crate::rollout::settle::{Settlement, broken, open_deployments};

/// The state that a command will find when its own work begins.
pub(crate) struct Foreseen {
    pub(crate) observed: Observed,
    pub(crate) live: Option<Release>,
    /// What happens before that, in words.
    pub(crate) words: Vec<String>,
    /// The steps of that, in words.
    pub(crate) steps: Vec<String>,
    /// A deploy is undone: what was live before it is so again.
    pub(crate) undoes_deploy: bool,
}

/// Foresees what becomes of open deployments. Nothing is changed.
pub(crate) async fn foresee(
    cx: &Context,
    environment: &EnvironmentName,
    observed: Observed,
    live: Option<Release>,
    how: Settlement,
) -> Result<Foreseen, Failure> {
    let mut foreseen = Foreseen { observed, live, words: Vec::new(), steps: Vec::new(), undoes_deploy: false };
    let ours = cx.host.owner();
    let lease = cx.store.lease(environment).await?;
    if let Some(lease) = lease.filter(|lease| lease.owner != ours && cx.host.liveness(&lease.owner) != Liveness::Dead) {
        let words = format!("{} is at it since {:.0} ({})", lease.owner, lease.since, lease.purpose);
        foreseen.words.push(format!("{words}: until it has ended this is refused, and what it does is not part of this plan"));
        return Ok(foreseen);
    }
    for deployment in open_deployments(cx, environment).await? {
        Box::pin(foresee_one(cx, &mut foreseen, &deployment, how)).await?;
    }
    Ok(foreseen)
}

async fn foresee_one(cx: &Context, foreseen: &mut Foreseen, deployment: &Deployment, how: Settlement) -> Result<(), Failure> {
    let journal = cx.store.journal(&deployment.id).await?;
    let marks: BTreeMap<usize, JournalMark> = journal.iter().map(|entry| (entry.step as usize, entry.mark)).collect();
    let plan = deployment.plan.clone().unwrap_or_default();
    let done = |index: &usize| marks.get(index) == Some(&JournalMark::Done);
    let recorded = plan.point_of_no_return().is_some_and(|record| done(&record));
    let release = cx.store.release(&deployment.release).await?;
    let what = format!("the unfinished deployment of {} ({})", deployment.version, broken(cx, deployment, &journal));
    let (actions, words): (Vec<Action>, String) = if (recorded || how == Settlement::Resume && !plan.is_empty()) && release.is_some() {
        foreseen.live = release;
        let rest = plan.steps.iter().enumerate().filter(|(index, _)| !done(index)).map(|(_, step)| step.action.clone());
        (rest.collect(), format!("{what} is completed first; {} is live then", deployment.version))
    } else {
        foreseen.undoes_deploy |= deployment.action == DeploymentAction::Deploy;
        foreseen.live = match &deployment.previous {
            Some(id) => cx.store.release(id).await?,
            None => None,
        };
        let begun = plan.steps.iter().enumerate().rev();
        let begun = begun.filter(|(index, _)| marks.get(index).is_some_and(|mark| *mark != JournalMark::Undone));
        let serves = deployment.previous_version.as_deref().unwrap_or("nothing");
        (begun.filter_map(|(_, step)| step.undo.clone()).collect(), format!("{what} is undone first; {serves} serves then"))
    };
    foreseen.words.push(words);
    foreseen.steps.extend(actions.iter().map(ToString::to_string));
    foreseen.observed = actions.iter().fold(std::mem::take(&mut foreseen.observed), Observed::after);
    Ok(())
}
