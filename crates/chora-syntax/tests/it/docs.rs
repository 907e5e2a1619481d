//! Pages of the documentation that are made from tables; `UPDATE=1` writes them.

use std::path::Path;

use chora_syntax::compose::keys;

use crate::corpus::DIFFERENCES;

fn compare(name: &str, page: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference").join(name);
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, page).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(written == page, "docs/reference/{name} is not what the tables say; run the test with UPDATE=1");
}

#[test]
fn the_page_of_keys_is_current() {
    compare("compose-keys.md", &keys::reference());
}

#[test]
fn the_page_of_differences_is_current() {
    let mut page = "# Differences from Docker Compose\n\n\
        Chora resolves a project to what Docker Compose v5 prints for `config --format json`, on every project of the corpus in \
        `crates/chora-syntax/testdata/corpus`, with these differences. This page is generated from the table that the test uses.\n\n\
        | corpus project | where | why |\n|---|---|---|\n"
        .to_owned();
    for (case, place, reason) in DIFFERENCES {
        let place = if place.is_empty() { "as a whole".to_owned() } else { format!("`{}`", place.trim_start_matches('.')) };
        page.push_str(&format!("| `{case}` | {place} | {reason} |\n"));
    }
    compare("compose-differences.md", &page);
}
