//! Any text as a duration or a size: no panic, and what prints reads back the same.
#![no_main]

use chora_syntax::compose::model::{ByteSize, GoDuration};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(duration) = text.parse::<GoDuration>() {
        assert_eq!(duration.to_string().parse(), Ok(duration));
    }
    if let Ok(size) = ByteSize::parse(text) {
        assert!(size.0 >= 0);
    }
});
