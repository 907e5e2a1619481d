//! Pipes, colours and verbosity.

use std::io::Read;
use std::process::Stdio;

use crate::support::Chora;

const SHOP: &str = "name: shop\nservices:\n  web:\n    image: nginx:1\n";

#[test]
fn a_reader_that_leaves_is_no_failure() {
    let services: String = (0..3_000).map(|number| format!("  web{number}:\n    image: nginx:1\n")).collect();
    let shop = Chora::new().file("compose.yaml", format!("services:\n{services}"));
    let mut command = shop.command(std::path::Path::new(env!("CARGO_BIN_EXE_chora")));
    let mut child = command.arg("config").stdin(Stdio::null()).spawn().unwrap();
    let mut stdout = child.stdout.take().unwrap();
    stdout.read_exact(&mut [0; 10]).unwrap();
    drop(stdout);
    let mut stderr = String::new();
    child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    assert_eq!((child.wait().unwrap().code(), stderr.as_str()), (Some(0), ""));
}

#[test]
fn a_full_disk_behind_standard_output_is_a_failure() {
    let shop = Chora::new().file("compose.yaml", SHOP);
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output =
        shop.command(std::path::Path::new(env!("CARGO_BIN_EXE_chora"))).arg("config").stdin(Stdio::null()).stdout(full).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(69) && stderr.contains("standard output cannot be written"), "{stderr}");
}

#[test]
fn colours_come_when_asked_for_and_go_with_no_color() {
    let shop = Chora::new();
    assert!(!shop.run(["status"]).stderr.contains('\x1b'));
    let colored = shop.run(["status", "--color", "always"]);
    assert!(colored.code == 66 && colored.stderr.contains("\x1b[1m\x1b[31merror:"), "{colored}");
    assert!(!shop.run(["status", "--color", "never"]).stderr.contains('\x1b'));
    let quiet = Chora::new().env("NO_COLOR", "1");
    assert!(!quiet.run(["status"]).stderr.contains('\x1b'));
    let colored = quiet.run(["status", "--color", "always"]);
    assert!(colored.code == 66 && colored.stderr.contains("\x1b[1m"), "a flag wins over the environment: {colored}");
}

#[test]
fn json_failures_are_the_only_output() {
    let ran = Chora::new().run(["status", "--json", "-vv"]);
    assert_eq!((ran.code, ran.json()["kind"].as_str(), ran.stderr.as_str()), (66, Some("not_found"), ""));
}
