//! An engine that does not answer is waited for: every action may be repeated. What it ran has stopped with it, unless a
//! restart policy brings it back, and is started again before anything is judged by it.

use std::time::Duration;

use chora_core::model::deployment::Deployment;
use chora_core::model::event::ProgressState;
use chora_core::model::health::Check;
use chora_core::model::release::Release;
use chora_core::plan::gateway::GATEWAY;
use chora_core::plan::{Action, Change, DeployInput, GateTarget, Observed, Reuse, Rollout, plan_deploy};
use chora_core::ports::EngineError;
use indexmap::IndexMap;
use tokio::signal::unix::{SignalKind, signal};

use crate::context::Context;
use crate::rollout::execute::Run;
use crate::rollout::gate::{Budgets, gate};
use crate::rollout::observe::observe;
use crate::rollout::perform::{Evidence, StepError, perform};

/// How long an engine that does not answer is waited for before a step fails.
const ENGINE_PATIENCE: Duration = Duration::from_secs(30);
/// How often the engine may go away during one gate.
const ABSENCES: u32 = 3;

/// Whether the engine was there during a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Presence {
    /// All the time.
    #[default]
    Steady,
    /// It did not answer for a while, and what stopped with it was not looked after yet.
    Away,
    /// It was away; what stopped with it was started again.
    Back,
}

/// Waits for an engine with growing pauses, up to its limit.
struct Patience {
    began: Duration,
    pause: Duration,
    limit: Duration,
}

impl Patience {
    fn new(cx: &Context, limit: Duration) -> Self {
        Self { began: cx.clock.elapsed(), pause: Duration::from_millis(100), limit }
    }

    /// Waits a moment; `false` when there is no patience left.
    async fn wait(&mut self, cx: &Context, what: &str) -> bool {
        let spent = cx.clock.elapsed().saturating_sub(self.began);
        if spent + self.pause >= self.limit || cx.cancel.is_cancelled() {
            return false;
        }
        cx.note(ProgressState::Note, what, "the engine does not answer, waiting for it", (0, 0));
        cx.clock.sleep(self.pause).await;
        self.pause = (self.pause * 2).min(Duration::from_secs(2));
        true
    }
}

/// What came of an action.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Performed {
    /// The engine had to be waited for.
    pub(crate) waited: bool,
    pub(crate) evidence: Evidence,
}

/// Does an action.
pub(crate) async fn patiently(cx: &Context, action: &Action, release: &Release, waits: bool) -> Result<Performed, StepError> {
    let mut patience = Patience::new(cx, if waits { ENGINE_PATIENCE } else { Duration::ZERO });
    let mut waited = false;
    loop {
        match perform(cx, action, release).await {
            Err(StepError::Engine(EngineError::Unreachable { .. })) if patience.wait(cx, &action.to_string()).await => waited = true,
            done => return done.map(|evidence| Performed { waited, evidence }),
        }
    }
}

/// Waits until the engine answers.
async fn engine_answers(cx: &Context) -> Result<(), StepError> {
    let mut patience = Patience::new(cx, ENGINE_PATIENCE);
    loop {
        match cx.engine.facts().await {
            Err(EngineError::Unreachable { .. }) if patience.wait(cx, "gate").await => {}
            answer => return Ok(answer.map(drop)?),
        }
    }
}

impl Run<'_> {
    /// Passes the gate. Containers that stopped with their engine are not judged by that: they are started and asked again.
    pub(crate) async fn pass_gate(&self, cx: &Context, targets: &[GateTarget]) -> Result<Vec<Check>, StepError> {
        let mut targets = targets.to_vec();
        let mut absences = 0;
        loop {
            if self.presence() == Presence::Away {
                // A gateway that was not told its routes yet listens nowhere.
                targets.extend(self.revive(cx).await?.into_iter().filter(|target| target.service != GATEWAY));
                targets.sort_by(|a, b| a.container.cmp(&b.container));
                targets.dedup();
            }
            let known = self.course().absences;
            let refusal = match gate(cx, &targets, self.expectations, &self.budgets()).await {
                Ok(checks) => return Ok(checks),
                Err(refusal) => *refusal,
            };
            match refusal.engine.clone() {
                _ if refusal.interrupted => return Err(StepError::Interrupted(Some(Box::new(refusal)))),
                Some(error) if absences == ABSENCES => return Err(error.into()),
                Some(_) => self.found_away(),
                // Another step noticed what this one only saw the end of.
                None if self.course().absences > known => {}
                None => return Err(StepError::Gate(refusal)),
            }
            absences += 1;
        }
    }

    /// A service that went stop-first does not serve while its gate waits: it is given less time.
    fn budgets(&self) -> Budgets {
        let environment = &self.deployment.environment;
        let swapped = self.plan.services.iter().filter(|plan| plan.rollout == Some(Rollout::StopFirst));
        let while_down = swapped.filter_map(|plan| {
            let service = self.release.stack.services.get(&plan.service)?;
            let asked = self.expectations.of(&plan.service).health;
            let stable = asked.stable_for.max(asked.process_uptime).unwrap_or_default();
            Some((plan.service.clone(), environment.gate_while_down(service).max(stable * 2).min(environment.gate_timeout)))
        });
        Budgets { usual: environment.gate_timeout, while_down: while_down.collect() }
    }

    /// Whether the engine was there so far.
    pub(crate) fn presence(&self) -> Presence {
        self.course().engine
    }

    /// Takes in what an action tells of the engine.
    pub(crate) fn saw(&self, done: &Result<Performed, StepError>) {
        if matches!(done, Ok(Performed { waited: true, .. }) | Err(StepError::Engine(EngineError::Unreachable { .. }))) {
            self.found_away();
        }
    }

    fn found_away(&self) {
        let mut course = self.course();
        course.engine = Presence::Away;
        course.absences += 1;
    }

    /// Starts what stopped with the engine, however late that was noticed; what is wrong with it is left over.
    pub(crate) async fn look_after(&self, cx: &Context) {
        if self.presence() != Presence::Away {
            return;
        }
        let looked = async {
            cx.engine.facts().await?;
            self.pass_gate(cx, &[]).await
        };
        if let Err(error) = looked.await {
            self.course().left_over.push(format!("bring back what stopped with the engine: {error}"));
        }
    }

    /// Starts the containers that were up, new ones and those that the release keeps; started already is fine. What was to be
    /// stopped may have come back with the engine, and is stopped first.
    async fn revive(&self, cx: &Context) -> Result<Vec<GateTarget>, StepError> {
        engine_answers(cx).await?;
        let mut targets = self.course().started.clone();
        targets.extend(self.kept().await?);
        for (what, stop) in self.stopped() {
            patiently(cx, &stop, self.release, true).await?;
            self.course().left_over.retain(|left| !left.starts_with(&what));
        }
        for GateTarget { service, container } in targets.clone() {
            patiently(cx, &Action::StartContainer { service, container }, self.release, true).await?;
        }
        self.course().engine = Presence::Back;
        Ok(targets)
    }

    /// The steps that were to stop something, and are over, well or not.
    fn stopped(&self) -> Vec<(String, Action)> {
        let course = self.course();
        let over = self.plan.steps.iter().enumerate().filter(|(index, _)| course.over.contains(index));
        let stops = over.filter(|(_, step)| matches!(step.action, Action::StopContainer { .. }));
        stops.map(|(_, step)| (format!("{}: ", step.action), step.action.clone())).collect()
    }

    /// The containers of services that the plan does not touch, running or stopped.
    async fn kept(&self) -> Result<Vec<GateTarget>, StepError> {
        let observed = observe(self.cx, &self.deployment.environment.project, &self.release.stack).await?;
        let kept = |service: &str| self.plan.services.iter().any(|plan| plan.service == service && plan.change == Change::Keep);
        Ok(present(self.deployment, self.release, &observed).into_iter().filter(|target| kept(&target.service)).collect())
    }
}

/// The containers that a release runs as things are: those that are up, and stopped ones that it would start again.
pub(crate) fn present(deployment: &Deployment, release: &Release, observed: &Observed) -> Vec<GateTarget> {
    let rollouts = IndexMap::new();
    let input = DeployInput {
        deployment: &deployment.id,
        environment: &deployment.environment,
        release,
        live: Some(release),
        retained: vec![release],
        observed,
        reuse: Reuse::LiveOnly,
        rollouts: &rollouts,
        canaries: &IndexMap::new(),
        labels: &IndexMap::new(),
        recreate: false,
    };
    let up = observed.containers.iter().filter(|container| {
        container.is_up()
            && container.fingerprint.is_some()
            && container.fingerprint.as_ref() == release.fingerprints.get(&container.service)
    });
    let up = up.map(|container| GateTarget { service: container.service.clone(), container: container.name.clone() });
    let stopped = plan_deploy(&input).unwrap_or_default().steps.into_iter().filter_map(|step| started(&step.action));
    up.chain(stopped).collect()
}

/// The container that an action starts.
pub(crate) fn started(action: &Action) -> Option<GateTarget> {
    match action {
        Action::StartContainer { service, container } => Some(GateTarget { service: service.clone(), container: container.clone() }),
        _ => None,
    }
}

/// SIGCONT ends a pause that a test asked for.
pub(crate) fn told_to_go_on() -> impl Future<Output = ()> {
    let told = signal(SignalKind::from_raw(rustix::process::Signal::CONT.as_raw()));
    async move {
        match told {
            Ok(mut told) => drop(told.recv().await),
            Err(_) => std::future::pending().await,
        }
    }
}
