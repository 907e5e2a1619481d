//! A bug: said in one line, with its place, and exit code 70.

use chora_ops::{Failure, FailureKind};

use super::output::Output;

pub(crate) fn install(output: Output) {
    std::panic::set_hook(Box::new(move |panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let words = panic.payload_as_str().unwrap_or("a panic");
        let failure = Failure::new(FailureKind::Internal, format!("a bug in chora: {words}"));
        output.fail(
            &failure
                .state("what was begun is found and settled by the next command")
                .hint("chora status")
                .details(vec![format!("at {place}")]),
        );
        // Work beside the main thread is waited for by it, and reported there.
        if std::thread::current().name() == Some("main") {
            leave();
        }
    }));
}

#[expect(clippy::exit, reason = "a bug has its own exit code, not the one of an unwound main thread")]
fn leave() -> ! {
    std::process::exit(i32::from(FailureKind::Internal.exit_code()))
}
