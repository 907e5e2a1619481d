//! How long reading a large project takes, from text to typed stack. The files are in memory, as a second look finds them.

use std::hint::black_box;
use std::path::Path;

use chora_syntax::MemoryFiles;
use chora_syntax::compose::{ResolveRequest, resolve};
use criterion::{Criterion, criterion_group, criterion_main};

/// As the program does.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn project(name: &str) -> (MemoryFiles, ResolveRequest) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/corpus").join(name);
    let mut files = MemoryFiles::default();
    let mut folders = vec![folder.clone()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if let Ok(text) = std::fs::read_to_string(&path) {
                files = files.with(path, text);
            }
        }
    }
    let mut request = ResolveRequest { project_dir: folder, ..ResolveRequest::default() };
    request.environment.insert("HOME".to_owned(), "/home/user".to_owned());
    (files, request)
}

fn benches(criterion: &mut Criterion) {
    for (name, folder) in [("resolve_57_services", "900-large-57-services"), ("resolve_one_service", "001-minimal")] {
        let (files, request) = project(folder);
        criterion.bench_function(name, |bencher| bencher.iter(|| black_box(resolve(&files, &request).is_ok())));
    }
}

criterion_group!(all, benches);
criterion_main!(all);
