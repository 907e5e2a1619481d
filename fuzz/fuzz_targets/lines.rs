//! Any bytes as the lines of a server on standard streams: none is lost, none is longer than it may be.
#![no_main]

use chora_gateway::fuzzing::lines;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u8, &[u8])| lines(input.0.into(), input.1));
