//! Commands and containers with pipes: programs that answer lines with lines.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use chora_core::model::container::{ContainerSpec, ContainerState, ExecSpec, LogChunk, LogStream};
use chora_core::ports::engine::{EngineError, Piped};

use super::state::FakeState;
use super::{FakeEngine, containers};

type Answer = dyn Fn(&str) -> Vec<String> + Send + Sync;

/// A program that reads lines, writes lines, and ends when its input does.
#[derive(Clone)]
pub struct Program {
    answer: Arc<Answer>,
    stays: bool,
}

impl std::fmt::Debug for Program {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Program").field("stays", &self.stays).finish_non_exhaustive()
    }
}

impl Program {
    /// Gives the lines that answer a line.
    pub fn new(answer: impl Fn(&str) -> Vec<String> + Send + Sync + 'static) -> Self {
        Self { answer: Arc::new(answer), stays: false }
    }

    /// Does not end when its input does.
    #[must_use]
    pub fn that_stays(self) -> Self {
        Self { stays: true, ..self }
    }
}

/// A program that was started.
pub(super) struct Opened {
    number: u64,
    program: Program,
    /// The container that is gone when it ends.
    container: Option<String>,
}

impl Opened {
    pub(super) fn held_by(self, engine: FakeEngine) -> Pipes {
        Pipes { engine, opened: self, pending: String::new(), output: VecDeque::new() }
    }
}

pub(super) fn exec(state: &mut FakeState, name: &str, exec: &ExecSpec) -> Result<Opened, EngineError> {
    let container = state.container(name).ok_or_else(|| EngineError::NotFound { what: format!("container `{name}`") })?;
    if container.state != ContainerState::Running {
        return Err(EngineError::Conflict { reason: format!("container {name} is not running") });
    }
    open(state, &exec.command, &exec.environment, None)
}

pub(super) fn run(state: &mut FakeState, spec: &ContainerSpec) -> Result<Opened, EngineError> {
    containers::create(state, spec)?;
    let command = spec.service.command.clone().unwrap_or_default();
    let opened = containers::start(state, &spec.name).and_then(|()| open(state, &command, &[], Some(spec.name.clone())));
    if opened.is_err() {
        containers::remove(state, &spec.name);
    }
    opened
}

fn open(state: &mut FakeState, command: &[String], environment: &[String], container: Option<String>) -> Result<Opened, EngineError> {
    let name = command.first().cloned().unwrap_or_default();
    let cat = || Program::new(|line| vec![line.to_owned()]);
    let program = state.programs.get(&name).cloned().or_else(|| (name == "cat").then(cat));
    let program = program.ok_or_else(|| EngineError::Invalid { reason: format!("exec failed: {name}: no such file or directory") })?;
    state.next += 1;
    state.piped.insert(state.next, [environment, command].concat().join(" "));
    Ok(Opened { number: state.next, program, container })
}

pub(super) struct Pipes {
    engine: FakeEngine,
    opened: Opened,
    pending: String,
    output: VecDeque<String>,
}

#[async_trait]
impl Piped for Pipes {
    async fn send(&mut self, bytes: Bytes) -> Result<(), EngineError> {
        self.engine.call("piped.send", |_| Ok(())).await?;
        self.pending.push_str(&String::from_utf8_lossy(&bytes));
        while let Some((line, rest)) = self.pending.split_once('\n') {
            self.output.extend((self.opened.program.answer)(line));
            self.pending = rest.to_owned();
        }
        Ok(())
    }

    /// Stricter than the real engine: waiting for output that would never come is an error.
    async fn receive(&mut self) -> Result<Option<LogChunk>, EngineError> {
        self.engine.call("piped.receive", |_| Ok(())).await?;
        let line = self.output.pop_front().ok_or_else(|| EngineError::Failed { reason: "it would never say more".into() })?;
        Ok(Some(LogChunk { stream: LogStream::Stdout, bytes: format!("{line}\n").into() }))
    }

    async fn finish(self: Box<Self>, patience: Duration) -> Result<i64, EngineError> {
        let Self { engine, opened, .. } = *self;
        engine
            .call("piped.finish", |state| {
                if opened.program.stays {
                    let what = state.piped.get(&opened.number).cloned().unwrap_or_default();
                    return Err(EngineError::TimedOut { what, limit: patience });
                }
                state.piped.remove(&opened.number);
                if let Some(container) = &opened.container {
                    containers::remove(state, container);
                }
                Ok(0)
            })
            .await
    }
}
