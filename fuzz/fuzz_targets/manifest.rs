//! Any text as chora.yaml: no panic, every problem renders.
#![no_main]

use chora_syntax::manifest::parse;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Err(problems) = parse(text, "chora.yaml") {
        assert!(!problems.0.is_empty());
        let _ = problems.render(false);
    }
});
