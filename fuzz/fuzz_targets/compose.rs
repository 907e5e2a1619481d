//! Any text as a Compose file, alone and over another one: no panic, every problem renders; what was printed is read again.
#![no_main]

use chora_syntax::MemoryFiles;
use chora_syntax::compose::{ResolveRequest, resolve};
use libfuzzer_sys::fuzz_target;

const BASE: &str = "services: {web: {image: a, ports: ['80:80'], environment: {A: b}, volumes: ['data:/data']}}\nvolumes: {data: }\n";

fuzz_target!(|text: &str| {
    let alone = MemoryFiles::default().with("/p/compose.yaml", text);
    let over = MemoryFiles::default().with("/p/compose.yaml", BASE).with("/p/compose.override.yaml", text);
    let request = ResolveRequest { project_dir: "/p".into(), ..ResolveRequest::default() };
    for files in [alone, over] {
        match resolve(&files, &request) {
            Ok(resolved) => {
                let printed = resolved.canonical.to_string();
                let files = MemoryFiles::default().with("/p/compose.yaml", printed);
                // It may be refused: services of inactive profiles are not printed, what depends on them is.
                let _ = resolve(&files, &request);
            }
            Err(problems) => {
                assert!(!problems.0.is_empty());
                let _ = problems.render(true);
            }
        }
    }
});
