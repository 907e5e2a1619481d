//! Any bytes as server-sent events, cut anywhere: no panic, the same events and the same session.
#![no_main]

use chora_gateway::fuzzing::events;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u16, &[u8])| events(input.0.into(), input.1));
