//! SIGINT and SIGTERM: the first ends the work in order, the second ends the process at once.

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::output::Output;

/// Listens until the runtime ends. `undoes` tells whether ending in order takes work.
pub(crate) fn listen(output: Output, cancel: CancellationToken, undoes: bool) {
    let (Ok(interrupt), Ok(terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate())) else { return };
    drop(tokio::spawn(handle(interrupt, terminate, (output, cancel, undoes))));
}

async fn handle(mut interrupt: Signal, mut terminate: Signal, (output, cancel, undoes): (Output, CancellationToken, bool)) {
    let mut first = true;
    loop {
        let code = tokio::select! {
            Some(()) = interrupt.recv() => 130,
            Some(()) = terminate.recv() => 143,
            else => return,
        };
        if !first {
            leave(code);
        }
        first = false;
        cancel.cancel();
        if undoes && !output.is_quiet() {
            output.say("interrupted: ending in order; once more ends at once\n");
        }
    }
}

#[expect(clippy::exit, reason = "a second signal asks for exactly this")]
fn leave(code: i32) -> ! {
    std::process::exit(code)
}
