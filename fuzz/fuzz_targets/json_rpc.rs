//! Any bytes as a JSON-RPC message: no panic; what is read is written on one line and read again as the same.
#![no_main]

use chora_gateway::fuzzing::json_rpc;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| json_rpc(text));
