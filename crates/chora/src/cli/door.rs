//! What commands share: settings, output, cancellation, the runtime.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use chora_core::model::ids::EnvironmentName;
use chora_core::ports::Reporter;
use chora_ops::project::{DEFAULT_ENVIRONMENT, DEVELOPMENT, in_environment};
use chora_ops::{Context, Failure, FailureKind, Settings};
use tokio_util::sync::CancellationToken;

use super::output::{Answer, Output};
use super::{progress, signals};
use crate::config::{Config, Flags};
use crate::wire::{self, Wanted};

/// The state of the world after a command that did not come to its work.
const UNTOUCHED: &str = "nothing was changed";

/// One run of a command.
pub(crate) struct Door {
    pub(crate) config: Config,
    pub(crate) output: Output,
    pub(crate) cancel: CancellationToken,
    /// The environment that the command works on, once it is known.
    environment: OnceLock<String>,
    /// Whether the command came to its work.
    begun: AtomicBool,
}

impl Door {
    pub(crate) fn open(flags: &Flags, output: Output) -> Result<Self, Failure> {
        let config = Config::read(flags).map_err(|failure| failure.or_state(UNTOUCHED))?;
        Ok(Self { config, output, cancel: CancellationToken::new(), environment: OnceLock::new(), begun: AtomicBool::new(false) })
    }

    pub(crate) fn settings(&self) -> Settings {
        wire::settings(&self.config)
    }

    /// The context of an environment, with progress on standard error.
    pub(crate) fn context(&self, environment: Option<&str>) -> Result<Context, Failure> {
        self.open_context(environment, false)
    }

    /// The same where a project is welcome and not needed.
    pub(crate) fn context_anywhere(&self, environment: Option<&str>) -> Result<Context, Failure> {
        match self.open_context(environment, false) {
            Err(failure) if failure.kind == FailureKind::NotFound && environment.is_none() => self.open_context(None, true),
            opened => opened,
        }
    }

    fn open_context(&self, environment: Option<&str>, of_files: bool) -> Result<Context, Failure> {
        let reporter: Arc<dyn Reporter> = progress::reporter(self.output);
        // The first one stands: a command works on one environment.
        self.environment.get_or_init(|| environment.unwrap_or(DEFAULT_ENVIRONMENT).to_owned());
        let wanted = Wanted { environment: environment.map(str::to_owned), reporter, cancel: self.cancel.clone(), of_files };
        let context = wire::context(&self.config, wanted)?;
        self.begun.store(true, Ordering::Relaxed);
        Ok(context)
    }

    /// The environment that a command looks into when none is named: production, or development where only that one runs.
    pub(crate) async fn running(&self, named: Option<String>) -> Result<Option<String>, Failure> {
        if named.is_some() {
            return Ok(named);
        }
        let Some(store) = wire::store_if_there(&self.config)? else { return Ok(None) };
        for (environment, found) in [(DEFAULT_ENVIRONMENT, None), (DEVELOPMENT, Some(DEVELOPMENT.to_owned()))] {
            if store.live_release(&EnvironmentName::new(environment)).await?.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// What a command without a context answers.
    pub(crate) fn plainly(self, work: impl FnOnce(&Self) -> Result<Answer, Failure>, environment: Option<&str>) -> Result<Answer, Failure> {
        self.environment.get_or_init(|| environment.unwrap_or(DEFAULT_ENVIRONMENT).to_owned());
        let answer = work(&self);
        self.told(answer)
    }

    /// The answer or failure with its environment in the next command. What fails before it began has changed nothing.
    fn told(&self, answer: Result<Answer, Failure>) -> Result<Answer, Failure> {
        let environment = self.environment.get().map_or(DEFAULT_ENVIRONMENT, String::as_str);
        let begun = self.begun.load(Ordering::Relaxed);
        answer.map(|answer| answer.in_environment(environment)).map_err(|failure| {
            let failure = if begun { failure } else { failure.or_state(UNTOUCHED) };
            Failure { hint: in_environment(&failure.hint, environment), ..failure }
        })
    }

    /// Runs a command that only asks: a signal ends it where it stands, and nothing is changed when it fails.
    pub(crate) fn ask(self, work: impl AsyncFnOnce(&Self) -> Result<Answer, Failure>) -> Result<Answer, Failure> {
        self.act(work).map_err(|failure| failure.or_state(UNTOUCHED))
    }

    /// Runs a command that does something of its own and leaves nothing half done: a signal ends it where it stands.
    pub(crate) fn act(self, work: impl AsyncFnOnce(&Self) -> Result<Answer, Failure>) -> Result<Answer, Failure> {
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
        self.told(answer)
    }
}

/// The next command, with the environment it is about.
pub(crate) fn next(next: &str, environment: &str) -> String {
    in_environment(next, environment)
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
