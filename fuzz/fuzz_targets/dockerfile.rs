//! Any text as a Dockerfile: no panic.
#![no_main]

use chora_syntax::dockerfile::parse;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    match parse(text, "Dockerfile") {
        Ok(file) => {
            for stage in &file.stages {
                let _ = (file.healthcheck(stage), file.exposed(stage), file.replaced(stage, text));
            }
            let _ = file.images(&Default::default());
        }
        Err(problems) => {
            let _ = problems.render(false);
        }
    }
});
