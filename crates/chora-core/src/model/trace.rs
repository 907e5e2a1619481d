//! Trace ids: what ties the lines, requests and commits of one undertaking together.

use super::ids::DeploymentId;

/// The longest trace id, in characters.
pub const MAX_LENGTH: usize = 128;

/// Tells whether a text can be a trace id: 1–128 ASCII letters, digits and `-` `_` `.` `:`, a letter or digit at both ends.
///
/// Wide on purpose: `COORD-2025-008`, `CHORA-DEPLOY-2025-11-11-001`, `chora-coord-003`, `docs-2025` and UUIDs are all in use.
#[must_use]
pub fn is_trace_id(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte);
    let at_ends = [text.bytes().next(), text.bytes().next_back()];
    text.len() <= MAX_LENGTH
        && text.bytes().all(inner)
        && at_ends.into_iter().all(|end| end.is_some_and(|byte| byte.is_ascii_alphanumeric()))
}

/// Makes the trace id of a deployment that was given none: `CHORA-DEPLOY-<year>-<last eight characters of its id>`.
#[must_use]
pub fn of_deployment(year: i16, deployment: &DeploymentId) -> String {
    format!("CHORA-DEPLOY-{year:04}-{}", deployment.short())
}

#[cfg(test)]
mod tests {
    use super::{MAX_LENGTH, is_trace_id, of_deployment};
    use crate::model::ids::DeploymentId;

    #[test]
    fn every_form_in_use_is_one() {
        for id in [
            "COORD-2025-008",
            "COORD-2025-009-SAP-PATTERN-RECOMMENDATIONS",
            "CORD-2025-001",
            "CHORA-COORD-2025-002",
            "CHORA-COORD-003",
            "CHORA-DEPLOY-2025-XXX",
            "CHORA-DEPLOY-2025-11-11-001",
            "MULTI-DEPLOY-2025-001",
            "chora-coord-003",
            "coord-003",
            "docker-deployment-alignment-2025",
            "memory-2025-014",
            "gw-19",
            "task_7.retry:2",
            "018f3c2e-7b1a-7c3d-9e4f-0a1b2c3d4e5f",
            "7",
        ] {
            assert!(is_trace_id(id), "{id}");
        }
        assert!(is_trace_id(&"a".repeat(MAX_LENGTH)));
    }

    #[test]
    fn what_could_break_a_line_a_path_or_a_shell_is_none() {
        for text in ["", "-a", "a-", "..", "a b", "a\nb", "a/b", "a;b", "$(a)", "ä", "a\u{0}", "\"a\""] {
            assert!(!is_trace_id(text), "{text}");
        }
        assert!(!is_trace_id(&"a".repeat(MAX_LENGTH + 1)));
    }

    #[test]
    fn ours_are_ours() {
        let id = of_deployment(2026, &DeploymentId::new("018f3c2e7b1a7c3d9e4f0a1b2c3d4e5f"));
        assert_eq!(id, "CHORA-DEPLOY-2026-2c3d4e5f");
        assert!(is_trace_id(&id));
    }
}
