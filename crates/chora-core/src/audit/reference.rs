//! The page of the documentation that lists every feature.

use super::features;

/// The page, in Markdown.
#[must_use]
pub fn reference() -> String {
    let mut page = "# What an audit judges\n\n\
        Every feature that [`chora audit`](../guide/audit.md) looks for, with its weight. Adopted counts in full, partly counts half, what is \
        of no use to a project does not count. This page is generated from the tables that the audit uses.\n\n\
        | feature | | weight | what to do where it is missing |\n|---|---|---|---|\n"
        .to_owned();
    for feature in features() {
        page.push_str(&format!("| `{}` | {} | {} | {} |\n", feature.id, feature.title, feature.weight, feature.change));
    }
    page
}
