//! What commands share: settings, output, cancellation, the runtime.

use std::sync::Arc;

use chora_core::ports::Reporter;
use chora_ops::{Context, Failure, FailureKind, Settings};
use tokio_util::sync::CancellationToken;

use super::output::{Answer, Output};
use super::{progress, signals};
use crate::config::{Config, Flags};
use crate::wire::{self, Wanted};

/// One run of a command.
pub(crate) struct Door {
    pub(crate) config: Config,
    pub(crate) output: Output,
    pub(crate) cancel: CancellationToken,
}

impl Door {
    pub(crate) fn open(flags: &Flags, output: Output) -> Result<Self, Failure> {
        Ok(Self { config: Config::read(flags)?, output, cancel: CancellationToken::new() })
    }

    pub(crate) fn settings(&self) -> Settings {
        wire::settings(&self.config)
    }

    /// The context of an environment, with progress on standard error.
    pub(crate) fn context(&self, environment: Option<&str>) -> Result<Context, Failure> {
        let reporter: Arc<dyn Reporter> = progress::reporter(self.output);
        wire::context(&self.config, Wanted { environment: environment.map(str::to_owned), reporter, cancel: self.cancel.clone() })
    }

    /// Runs a command that only asks: a signal ends it where it stands.
    pub(crate) fn ask(self, work: impl AsyncFnOnce(&Self) -> Result<Answer, Failure>) -> Result<Answer, Failure> {
        self.on_runtime(Some(false), async |door| {
            tokio::select! {
                answer = work(door) => answer,
                () = door.cancel.cancelled() => Ok(Answer::written(130)),
            }
        })
    }

    /// Runs a command that changes something: the operation itself ends in order on a signal.
    pub(crate) fn change(self, work: impl AsyncFnOnce(&Self) -> Result<Answer, Failure>) -> Result<Answer, Failure> {
        self.on_runtime(Some(true), work)
    }

    /// Runs a command that hears signals itself.
    pub(crate) fn stay(self, work: impl AsyncFnOnce(&Self) -> Result<Answer, Failure>) -> Result<Answer, Failure> {
        self.on_runtime(None, work)
    }

    fn on_runtime(self, undoes: Option<bool>, work: impl AsyncFnOnce(&Self) -> Result<Answer, Failure>) -> Result<Answer, Failure> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.map_err(|error| Failure::new(FailureKind::Unavailable, format!("no runtime could be started: {error}")))?;
        let answer = runtime.block_on(async {
            if let Some(undoes) = undoes {
                signals::listen(self.output, self.cancel.clone(), undoes);
            }
            // Boxed, because the futures of whole commands are large.
            Box::pin(work(&self)).await
        });
        // Threads that wait for input or for a name must not hold the process.
        runtime.shutdown_background();
        answer
    }
}

/// The next command, with the environment it is about.
pub(crate) fn next(next: &str, environment: &str) -> String {
    let is_development = environment == chora_ops::project::DEVELOPMENT;
    let next = if next == "chora up" && !is_development { "chora deploy" } else { next };
    if environment == chora_ops::project::DEFAULT_ENVIRONMENT || next.contains("--env") || next == "chora up" {
        return next.to_owned();
    }
    next.split(", or ").map(|command| format!("{command} --env {environment}")).collect::<Vec<_>>().join(", or ")
}

#[cfg(test)]
mod tests {
    use super::next;

    #[test]
    fn the_next_command_names_an_environment_that_is_not_the_default() {
        assert_eq!(next("chora health", "production"), "chora health");
        assert_eq!(next("chora resume, or chora abort", "staging"), "chora resume --env staging, or chora abort --env staging");
        assert_eq!(
            ["development", "production", "staging"].map(|name| next("chora up", name)),
            ["chora up", "chora deploy", "chora deploy --env staging"]
        );
    }
}
