//! What the libraries have to say, on standard error: warnings, with `-v` more, with `-vv` everything.

use tracing::level_filters::LevelFilter;

use super::output::Output;

pub(crate) fn install(output: Output) {
    let level = match (output.verbosity, output.json) {
        (..=-1, _) | (0, true) => LevelFilter::ERROR,
        (0, false) => LevelFilter::WARN,
        (1, _) => LevelFilter::INFO,
        _ => LevelFilter::DEBUG,
    };
    let subscriber = tracing_subscriber::fmt().with_writer(std::io::stderr).with_max_level(level).with_ansi(false);
    // Installed once, at the beginning; a second one cannot be.
    drop(tracing::subscriber::set_global_default(subscriber.without_time().with_target(false).finish()));
}
