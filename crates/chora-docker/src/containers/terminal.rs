//! This process's terminal in raw mode, for commands that have one in the container.

use rustix::termios::{OptionalActions, Termios, isatty, tcgetattr, tcgetwinsize, tcsetattr};

/// Raw mode; the former mode comes back when this is dropped.
pub(super) struct Terminal {
    former: Termios,
}

impl Terminal {
    /// Switches standard input to raw mode; `None` when it is no terminal.
    pub(super) fn enter() -> Option<Self> {
        let input = rustix::stdio::stdin();
        if !isatty(input) {
            return None;
        }
        let former = tcgetattr(input).ok()?;
        let mut raw = former.clone();
        raw.make_raw();
        tcsetattr(input, OptionalActions::Now, &raw).ok()?;
        Some(Self { former })
    }

    /// Rows and columns of standard output's terminal.
    pub(super) fn size() -> Option<(u16, u16)> {
        let size = tcgetwinsize(rustix::stdio::stdout()).ok()?;
        Some((size.ws_row, size.ws_col))
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = tcsetattr(rustix::stdio::stdin(), OptionalActions::Now, &self.former);
    }
}
