//! A command with a terminal: a real one on this side, made by the test, and one of the engine's in the container.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use chora_core::model::container::ExecSpec;
use chora_testkit::engine_contract::Workbench;
use chora_testkit::test_image::SERVER;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};

const PATIENCE: Duration = Duration::from_secs(60);

/// Both ends of a terminal, and what has come out of it.
struct Screen {
    keyboard: File,
    slave: File,
    pieces: mpsc::Receiver<Vec<u8>>,
    shown: String,
}

impl Screen {
    fn open(rows: u16, columns: u16) -> Self {
        let master: OwnedFd = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
        let slave = File::options().read(true).write(true).open(name).unwrap();
        let keyboard = File::from(master);
        let mut screen = keyboard.try_clone().unwrap();
        let (sender, pieces) = mpsc::channel();
        std::thread::spawn(move || {
            let mut piece = [0; 1024];
            while let Ok(length @ 1..) = screen.read(&mut piece) {
                if sender.send(piece[..length].to_vec()).is_err() {
                    return;
                }
            }
        });
        let screen = Self { keyboard, slave, pieces, shown: String::new() };
        screen.resize(rows, columns);
        screen
    }

    fn resize(&self, rows: u16, columns: u16) {
        tcsetwinsize(&self.keyboard, Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
    }

    fn stdio(&self) -> Stdio {
        self.slave.try_clone().unwrap().into()
    }

    /// Whether lines are collected and echoed by the terminal itself.
    fn is_cooked(&self) -> bool {
        tcgetattr(&self.slave).unwrap().local_modes.contains(LocalModes::ICANON | LocalModes::ECHO)
    }

    fn until(&mut self, wanted: &str) {
        while !self.shown.contains(wanted) {
            let piece = self.pieces.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("no `{wanted}` in {:?}", self.shown));
            self.shown.push_str(&String::from_utf8_lossy(&piece));
        }
        self.shown.clear();
    }
}

#[test]
fn a_terminal_is_raw_follows_its_size_and_is_given_back() {
    let mut screen = Screen::open(24, 80);
    assert!(screen.is_cooked());
    // The terminal has to be the session's own for the change of its size to be signalled.
    let mut process = Command::new("setsid")
        .args(["--ctty", "--wait"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "terminal::on_a_terminal", "--ignored", "--nocapture"])
        .stdin(screen.stdio())
        .stdout(screen.stdio())
        .stderr(screen.stdio())
        .spawn()
        .unwrap();
    screen.until("24 rows 80 columns");
    assert!(!screen.is_cooked());
    screen.resize(50, 132);
    screen.until("50 rows 132 columns");
    // Neither a line end nor an echo: the byte goes through as it is, and so does what ends or stops other programs.
    for (key, shown) in [(b"x", "byte 120"), (b"\x03", "byte 3"), (b"\x1a", "byte 26"), (b"\x04", "byte 4")] {
        screen.keyboard.write_all(key).unwrap();
        screen.until(shown);
    }
    screen.keyboard.write_all(b"q").unwrap();
    screen.until("exit code 3");
    assert!(process.wait().unwrap().success());
    assert!(screen.is_cooked());
}

#[test]
#[ignore = "run by a_terminal_is_raw_follows_its_size_and_is_given_back on a terminal"]
fn on_a_terminal() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let code = runtime.block_on(async {
        let bench = Workbench::new(crate::engine()).await;
        let id = bench.run(&bench.spec("terminal")).await;
        let exec = ExecSpec { command: vec![SERVER.to_owned(), "screen".to_owned()], ..ExecSpec::default() };
        let code = bench.engine.exec_attached(id.as_str(), &exec, true).await;
        bench.clean_up().await;
        code
    });
    // Somebody still waits for the next key.
    runtime.shutdown_background();
    println!("exit code {}", code.unwrap());
}
