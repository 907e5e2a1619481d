//! Outcomes and failures as tool results (SPEC §3).

use chora_ops::{Failure, FailureKind};
use rmcp::ErrorData;
use rmcp::model::{CallToolResponse, CallToolResult, ContentBlock};
use serde_json::{Value, json};

use super::operation::Answer;

/// How many lines of evidence the text shows; the structured content has all of them.
const SHOWN: usize = 10;

/// A result: the outcome as it is, and a few words.
pub(super) fn succeeded(answer: Answer) -> CallToolResult {
    let mut result = CallToolResult::structured(answer.structured);
    result.content = vec![ContentBlock::text(answer.text)];
    result
}

/// A failure: a bug is an error of the protocol, everything else an answer that a model can act on.
pub(super) fn failed(failure: &Failure) -> Result<CallToolResponse, ErrorData> {
    let structured = structured(failure);
    if failure.kind == FailureKind::Internal {
        return Err(ErrorData::internal_error(failure.message.clone(), Some(structured)));
    }
    let mut result = CallToolResult::structured_error(structured);
    result.content = vec![ContentBlock::text(words(failure))];
    Ok(result.into())
}

fn structured(failure: &Failure) -> Value {
    json!({
        "kind": failure.kind,
        "message": failure.message,
        "state": failure.state,
        "hint": failure.hint,
        "details": failure.details,
        "retry": failure.kind == FailureKind::Unavailable,
    })
}

fn words(failure: &Failure) -> String {
    let mut lines = vec![failure.message.clone()];
    lines.extend(failure.details.iter().take(SHOWN).cloned());
    if failure.details.len() > SHOWN {
        lines.push(format!("… and {} more", failure.details.len() - SHOWN));
    }
    if !failure.state.is_empty() {
        lines.push(format!("state: {}", failure.state));
    }
    if !failure.hint.is_empty() {
        lines.push(format!("next: {}", failure.hint));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::failed;
    use chora_ops::{Failure, FailureKind};
    use rmcp::model::CallToolResponse;

    #[test]
    fn a_bug_is_an_error_of_the_protocol() {
        let error = failed(&Failure::new(FailureKind::Internal, "x")).expect_err("an error");
        assert_eq!(error.code.0, -32603);
    }

    #[test]
    fn every_other_kind_is_an_answer_and_only_the_unavailable_asks_for_a_retry() {
        use FailureKind::{Conflict, Degraded, Denied, Invalid, Kept, NotFound, Restored, Unavailable};
        for kind in [Kept, Restored, Degraded, Invalid, NotFound, Unavailable, Conflict, Denied] {
            let failure = Failure::new(kind, "what").state("as before").hint("chora status").details(vec!["a".into(); 12]);
            let CallToolResponse::Complete(result) = failed(&failure).expect("a result") else { panic!("no result") };
            let value = serde_json::to_value(&result).expect("json");
            assert_eq!(value["isError"], true);
            assert_eq!(value["structuredContent"]["retry"], kind == Unavailable);
            assert_eq!(value["structuredContent"]["details"].as_array().map(Vec::len), Some(12));
            let text = value["content"][0]["text"].as_str().expect("text");
            assert!(text.contains("… and 2 more") && text.ends_with("next: chora status"), "{text}");
        }
    }
}
