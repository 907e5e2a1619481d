//! What is worth knowing beside the answer, on standard error: Chora's own warnings, with `-v` more, with `-vv` everything and the
//! libraries too. A library's warning is about its own affairs: what matters of it is told as a failure or as progress.

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;

use super::output::Output;

pub(crate) fn install(output: Output) {
    let (own, others) = match (output.verbosity, output.json) {
        (..=-1, _) | (0, true) => (LevelFilter::ERROR, LevelFilter::ERROR),
        (0, false) => (LevelFilter::WARN, LevelFilter::ERROR),
        (1, _) => (LevelFilter::INFO, LevelFilter::ERROR),
        _ => (LevelFilter::DEBUG, LevelFilter::DEBUG),
    };
    // The name of every crate of ours begins like this.
    let mut levels = Targets::new().with_target("chora", own).with_default(others);
    if output.verbosity >= 0 {
        // What a server behind a bridge says beside its messages is for the one who started it.
        levels = levels.with_target("chora::child::stderr", LevelFilter::INFO);
    }
    let subscriber = tracing_subscriber::fmt().with_writer(std::io::stderr).with_max_level(LevelFilter::TRACE).with_ansi(false);
    // Installed once, at the beginning; a second one cannot be.
    drop(tracing::subscriber::set_global_default(subscriber.without_time().with_target(false).finish().with(levels)));
}
