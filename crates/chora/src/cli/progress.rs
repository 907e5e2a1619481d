//! Progress on standard error: live lines on a terminal, plain lines elsewhere. It never decides anything and never fails.

use std::io::{IsTerminal, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use chora_core::model::event::{Event, Progress, ProgressState};
use chora_core::ports::Reporter;

use super::output::Output;
use super::style::{BAD, DIM, GOOD, WARN, paint, took};

/// How often live lines are drawn anew.
const FRAME: Duration = Duration::from_millis(100);
/// Live lines at most; more would not fit.
const LIVE_LINES: usize = 8;
/// Steps shorter than this are told without their time.
const WORTH_TELLING: Duration = Duration::from_millis(100);

/// The reporter of the command line.
pub(crate) fn reporter(output: Output) -> Arc<dyn Reporter> {
    if output.is_quiet() {
        return Arc::new(Silent);
    }
    let live = std::io::stderr().is_terminal();
    let screen = Arc::new(Screen { output, live, state: Mutex::new(State::default()) });
    if live {
        let weak = Arc::downgrade(&screen);
        // A thread that cannot be had costs the movement, not the lines.
        drop(std::thread::Builder::new().name("progress".to_owned()).spawn(move || redraw(&weak)));
    }
    screen
}

struct Silent;

impl Reporter for Silent {
    fn event(&self, _: &Event) {}

    fn progress(&self, _: &Progress) {}
}

struct Screen {
    output: Output,
    live: bool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    active: Vec<Active>,
    drawn: usize,
    frame: usize,
}

struct Active {
    what: String,
    note: String,
    number: String,
    since: Instant,
}

fn redraw(screen: &Weak<Screen>) {
    while let Some(screen) = screen.upgrade() {
        screen.draw("");
        drop(screen);
        std::thread::sleep(FRAME);
    }
}

impl Reporter for Screen {
    fn event(&self, _: &Event) {}

    fn progress(&self, progress: &Progress) {
        let lines = {
            let mut state = self.state();
            state.take(progress, self.output.verbosity > 0 || !self.live)
        };
        self.draw(&lines);
    }
}

impl Screen {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes lines that stay, then the live ones below them.
    fn draw(&self, lines: &str) {
        let mut state = self.state();
        let mut text = String::new();
        if self.live {
            for _ in 0..state.drawn {
                text.push_str("\x1b[1A\x1b[2K");
            }
            text.push_str(lines);
            let width = width();
            let frame = state.frame;
            let live: Vec<String> = state.active.iter().take(LIVE_LINES).map(|active| active.line(frame, width)).collect();
            state.drawn = live.len();
            state.frame += 1;
            text.push_str(&live.concat());
        } else {
            text.push_str(lines);
        }
        if !text.is_empty() {
            let mut stderr = self.output.stderr();
            drop(stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush()));
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.state().active.clear();
        self.draw("");
    }
}

impl State {
    /// Takes a report in; gives the line that stays.
    fn take(&mut self, progress: &Progress, notes_stay: bool) -> String {
        let Progress { state, what, note, step, steps } = progress;
        let number = if *step == 0 { String::new() } else { format!("{step:>width$}/{steps} ", width = steps.to_string().len()) };
        let known = self.active.iter().position(|active| &active.what == what);
        match state {
            ProgressState::Begun => {
                self.active.push(Active { what: what.clone(), note: note.clone(), number, since: Instant::now() });
                String::new()
            }
            ProgressState::Note => match known.and_then(|index| self.active.get_mut(index)) {
                Some(active) => {
                    active.note.clone_from(note);
                    if notes_stay { format!("{} {what}: {note}\n", paint(DIM, "│")) } else { String::new() }
                }
                None => format!("{} {what} {note}\n", paint(WARN, "•")),
            },
            ProgressState::Done => format!("{} {}{what}{}\n", paint(GOOD, "✓"), paint(DIM, number), self.ended(known, note)),
            ProgressState::Failed => format!("{} {}{what}{}\n", paint(BAD, "✗"), paint(DIM, number), self.ended(known, note)),
        }
    }

    fn ended(&mut self, known: Option<usize>, note: &str) -> String {
        let since = known.map(|index| self.active.remove(index).since.elapsed());
        let time = since.filter(|time| *time >= WORTH_TELLING).map(|time| took(u64::try_from(time.as_millis()).unwrap_or(u64::MAX)));
        let first = note.lines().next().unwrap_or_default();
        let words: Vec<&str> = [short(first), time.as_deref().unwrap_or_default()].into_iter().filter(|word| !word.is_empty()).collect();
        if words.is_empty() { String::new() } else { format!(" {}", paint(DIM, format!("({})", words.join(", ")))) }
    }
}

impl Active {
    fn line(&self, frame: usize, width: usize) -> String {
        const WHEEL: [&str; 10] = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];
        let wheel = WHEEL.get(frame % WHEEL.len()).copied().unwrap_or_default();
        let seconds = self.since.elapsed().as_secs();
        let time = if seconds == 0 { String::new() } else { format!(" {seconds} s") };
        let note = if self.note.is_empty() { String::new() } else { format!(": {}", self.note) };
        let text: String =
            format!("{}{}{time}{note}", self.number, self.what).chars().filter(|c| !c.is_control()).take(width.saturating_sub(3)).collect();
        format!("{} {text}\n", paint(WARN, wheel))
    }
}

/// An image's id is told by its first digits, as Docker's client does.
fn short(note: &str) -> &str {
    note.strip_prefix("sha256:").and_then(|digits| digits.get(..12)).unwrap_or(note)
}

/// Columns of the terminal.
fn width() -> usize {
    rustix::termios::tcgetwinsize(std::io::stderr()).map_or(80, |size| usize::from(size.ws_col).max(20))
}
