//! Any text as an env file: no panic, errors point into the text.
#![no_main]

use chora_syntax::dotenv::{parse, parse_raw};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Err(error) = parse(text, &|name| Some(name.to_owned())) {
        assert!(error.at <= text.len());
    }
    let mut values = parse("", &|_| None).unwrap_or_default();
    if let Err(error) = parse_raw(text, &|_| None, &mut values) {
        assert!(error.at <= text.len());
    }
});
