//! Does one JSON Schema accept everything that another accepts? A subset of 2020-12: types, `enum`, `const`, bounds,
//! `items`, `properties`, `required`, `additionalProperties`, `anyOf`, `oneOf`, `allOf` and local `$ref`.
//!
//! A keyword that is not reasoned about counts as narrower when it is new or different: the error is on the safe side.

mod normal;
mod simple;

use serde_json::Value;

use self::normal::alternatives;

/// Deeper than this, and beyond this many steps, schemas are compared for equality only.
const DEPTH_LIMIT: usize = 24;
const STEP_LIMIT: usize = 20_000;

/// What the values are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    /// A client sends them: a declared property that the target does not know is a gap.
    Arguments,
    /// A client reads them: a property that the source does not promise is a gap, others are welcome.
    Results,
}

/// What is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum GapKind {
    /// A property is declared on one side alone.
    Absent,
    /// The target requires a property that the source does not.
    Required,
    /// The target refuses some values.
    Values,
}

/// A place where the target does not cover the source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Gap {
    /// Where, such as `filter.tags[]`; empty for the whole.
    pub(super) path: String,
    pub(super) kind: GapKind,
    /// What the target accepts there.
    pub(super) detail: String,
}

/// Lists where `target` does not accept what `source` accepts.
pub(super) fn gaps(purpose: Use, target: &Value, source: &Value) -> Vec<Gap> {
    let mut walk = Walk { purpose, target_root: target, source_root: source, steps: 0, open: Vec::new() };
    walk.compare(target, source, "")
}

/// One comparison under way.
struct Walk<'a> {
    purpose: Use,
    target_root: &'a Value,
    source_root: &'a Value,
    steps: usize,
    /// The pairs being compared: meeting one again, inside itself, says nothing new.
    open: Vec<(Value, Value)>,
}

impl Walk<'_> {
    fn compare(&mut self, target: &Value, source: &Value, path: &str) -> Vec<Gap> {
        self.steps += 1;
        if self.open.iter().any(|(open_target, open_source)| open_target == target && open_source == source) {
            return Vec::new();
        }
        let (Some(targets), Some(sources), true) = (
            alternatives(target, self.target_root),
            alternatives(source, self.source_root),
            self.open.len() < DEPTH_LIMIT && self.steps < STEP_LIMIT,
        ) else {
            let differs = target != source;
            return differs.then(|| values(path, "a schema too deep to compare".to_owned())).into_iter().collect();
        };
        self.open.push((target.clone(), source.clone()));
        let gaps = sources.iter().flat_map(|source| self.cover(&targets, source, path)).collect::<Vec<_>>();
        self.open.pop();
        deduplicated(gaps)
    }

    /// The gaps of the target's alternatives towards one alternative of the source.
    fn cover(&mut self, targets: &[Value], source: &Value, path: &str) -> Vec<Gap> {
        if let [only] = targets {
            return self.compare_simple(only, source, path);
        }
        let candidates: Vec<Vec<Gap>> = targets.iter().map(|target| self.compare_simple(target, source, path)).collect();
        if candidates.iter().any(Vec::is_empty) || self.covers_each_value(targets, source, path) {
            return Vec::new();
        }
        // With one alternative of the same type, what is wrong with that one says more.
        let mut alike = targets.iter().zip(candidates).filter(|(target, _)| target.get("type") == source.get("type"));
        match (alike.next(), alike.next()) {
            (Some((_, gaps)), None) => gaps,
            _ => vec![values(path, simple::describe_all(targets))],
        }
    }

    /// An `enum` may be covered by several alternatives together.
    fn covers_each_value(&mut self, targets: &[Value], source: &Value, path: &str) -> bool {
        let Some(listed) = simple::listed_values(source) else { return false };
        listed.into_iter().all(|value| {
            let one = serde_json::json!({ "const": value });
            targets.iter().any(|target| self.compare_simple(target, &one, path).is_empty())
        })
    }
}

fn values(path: &str, detail: String) -> Gap {
    Gap { path: path.to_owned(), kind: GapKind::Values, detail }
}

fn deduplicated(gaps: Vec<Gap>) -> Vec<Gap> {
    let mut kept: Vec<Gap> = Vec::with_capacity(gaps.len());
    for gap in gaps {
        if !kept.contains(&gap) {
            kept.push(gap);
        }
    }
    kept
}
