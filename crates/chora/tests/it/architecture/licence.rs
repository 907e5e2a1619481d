//! SPDX licence expressions (SPDX 2.3, annex D), held against the list in `deny.toml`.

use std::collections::BTreeSet;

/// The list `allow` of the section `[licenses]`.
pub(super) fn allowed() -> BTreeSet<String> {
    let text = super::sources::read("deny.toml");
    let (_, section) = text.split_once("[licenses]").expect("deny.toml has a section [licenses]");
    let (_, list) = section.split_once("allow = [").expect("it has a list `allow`");
    let (list, _) = list.split_once(']').expect("the list ends");
    let names: BTreeSet<String> = list.split('"').skip(1).step_by(2).map(str::to_owned).collect();
    assert!(names.contains("MIT"), "deny.toml cannot be read as it is written: {names:?}");
    names
}

/// Whether the allowed licences satisfy an expression: of `OR` one arm, of `AND` both.
pub(super) fn is_covered(expression: &str, allowed: &BTreeSet<String>) -> bool {
    // Cargo's older spelling of OR is a slash.
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let mut words = spaced.split_whitespace().peekable();
    let covered = any(&mut words, allowed);
    covered && words.next().is_none()
}

type Words<'a, I> = std::iter::Peekable<I>;

fn any<'a, I: Iterator<Item = &'a str>>(words: &mut Words<'a, I>, allowed: &BTreeSet<String>) -> bool {
    let mut covered = all(words, allowed);
    while words.next_if_eq(&"OR").is_some() {
        covered |= all(words, allowed);
    }
    covered
}

fn all<'a, I: Iterator<Item = &'a str>>(words: &mut Words<'a, I>, allowed: &BTreeSet<String>) -> bool {
    let mut covered = one(words, allowed);
    while words.next_if_eq(&"AND").is_some() {
        covered &= one(words, allowed);
    }
    covered
}

fn one<'a, I: Iterator<Item = &'a str>>(words: &mut Words<'a, I>, allowed: &BTreeSet<String>) -> bool {
    if words.next_if_eq(&"(").is_some() {
        let covered = any(words, allowed);
        return words.next_if_eq(&")").is_some() && covered;
    }
    let Some(name) = words.next() else { return false };
    let name =
        if words.next_if_eq(&"WITH").is_some() { format!("{name} WITH {}", words.next().unwrap_or_default()) } else { name.to_owned() };
    allowed.contains(&name)
}

#[test]
fn expressions_are_read_as_spdx_means_them() {
    let allowed = ["MIT", "ISC", "Apache-2.0", "Apache-2.0 WITH LLVM-exception"].map(str::to_owned).into_iter().collect();
    let covered = [
        "MIT",
        "GPL-3.0 OR MIT",
        "MIT/GPL-3.0",
        "MIT AND ISC",
        "(GPL-3.0 OR MIT) AND ISC",
        "Apache-2.0 WITH LLVM-exception",
        "ISC OR MIT AND GPL-3.0",
    ];
    for expression in covered {
        assert!(is_covered(expression, &allowed), "{expression}");
    }
    for expression in ["", "GPL-3.0", "MIT AND GPL-3.0", "(MIT", "MIT)", "(MIT OR ISC) AND GPL-3.0", "MIT WITH LLVM-exception", "MIT ISC"] {
        assert!(!is_covered(expression, &allowed), "{expression}");
    }
}
