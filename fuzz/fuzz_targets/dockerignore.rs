//! Rules, a blank line, a path: no panic, and a directory that is not walked hides nothing that is included.
#![no_main]

use chora_syntax::dockerignore::Dockerignore;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let (rules, path) = text.split_once("\n\n").unwrap_or((text, "a/b/c"));
    let file = Dockerignore::parse(rules);
    let ignored = file.ignores(path);
    for (at, _) in path.match_indices('/') {
        let directory = &path[..at];
        if file.ignores(directory) && !file.may_include_below(directory) {
            assert!(ignored, "{directory} is not walked, but {path} is included");
        }
    }
});
