//! Any text with variables: no panic, text without a dollar sign is unchanged, doubled dollars give the text back.
#![no_main]

use chora_syntax::template::{Variables, substitute};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let lookup = |name: &str| (name.len() % 2 == 0).then(|| "$X".to_owned());
    let _ = substitute(text, &mut Variables::new(&lookup));
    let doubled = substitute(&text.replace('$', "$$"), &mut Variables::new(&lookup));
    assert_eq!(doubled.as_deref(), Ok(text));
});
