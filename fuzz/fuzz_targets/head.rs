//! Any text as the head of a request: refused, or passed on for one hop and readable in one way only.
#![no_main]

use chora_gateway::fuzzing::head;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| head(text));
