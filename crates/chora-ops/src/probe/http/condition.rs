//! The conditions on an HTTP answer, and the health documents of SPEC §6.

use chora_core::model::health::HttpProbe;
use hyper::StatusCode;
use serde_json::Value;

use super::Answer;
use super::body::Text;
use crate::probe::answer::{Deadline, Passed, Trouble, excerpt};

/// More than this of a body is not read.
const BODY_LIMIT: usize = 1 << 20;

pub(super) async fn check(answer: Answer, probe: &HttpProbe, deadline: Deadline) -> Result<Passed, Trouble> {
    let status = answer.status;
    let is_json = answer.media_type().ends_with("json");
    let status_fits = accepts(&probe.status, status);
    let has_conditions = probe.body_contains.is_some() || !probe.body_json.is_empty();
    let text = if has_conditions || is_json || !status_fits {
        deadline.bound("the rest of the body", answer.body.read(BODY_LIMIT)).await
    } else {
        // Nothing depends on the body, and it may never end.
        Ok(Text::default())
    };
    if !status_fits {
        return Err(Trouble::Wrong(with_body(status, &text.unwrap_or_default())));
    }
    let text = text?;
    if let Some(wanted) = &probe.body_contains
        && !text.lossy().contains(wanted.as_str())
    {
        return Err(Trouble::Wrong(format!("the body does not contain `{wanted}`: {}", with_body(status, &text))));
    }
    let document = if text.cut { None } else { serde_json::from_slice::<Value>(&text.bytes).ok() };
    check_pointers(probe, document.as_ref(), status, &text)?;
    match document.as_ref().filter(|_| is_json && !probe.body_json.contains_key("/status")).and_then(health_status) {
        Some("down") => Err(Trouble::Wrong(format!("status is `down`: {}", with_body(status, &text)))),
        Some("degraded") => {
            Ok(Passed { degraded: true, answered: format!("status is `degraded`: {}", with_body(status, &text)), ..Passed::default() })
        }
        Some(_) => Ok(Passed { answered: format!("{status}, status is `ok`"), ..Passed::default() }),
        None => Ok(Passed { answered: status.to_string(), ..Passed::default() }),
    }
}

fn accepts(wanted: &[u16], status: StatusCode) -> bool {
    if wanted.is_empty() { (200..400).contains(&status.as_u16()) } else { wanted.contains(&status.as_u16()) }
}

fn check_pointers(probe: &HttpProbe, document: Option<&Value>, status: StatusCode, text: &Text) -> Result<(), Trouble> {
    if probe.body_json.is_empty() {
        return Ok(());
    }
    let Some(document) = document else {
        let why = if text.cut { "the body is longer than 1 MiB" } else { "the body is not JSON" };
        return Err(Trouble::Wrong(format!("{why}: {}", with_body(status, text))));
    };
    for (pointer, wanted) in &probe.body_json {
        match document.pointer(pointer) {
            Some(value) if value == wanted => {}
            Some(value) => return Err(Trouble::Wrong(format!("`{pointer}` is {}, not {wanted}", excerpt(&value.to_string(), 80)))),
            None => return Err(Trouble::Wrong(format!("the body has nothing at `{pointer}`: {}", with_body(status, text)))),
        }
    }
    Ok(())
}

/// `status` of a health document; other words belong to other kinds of document.
pub(in crate::probe) fn health_status(document: &Value) -> Option<&str> {
    document.as_object()?.get("status")?.as_str().filter(|status| matches!(*status, "ok" | "degraded" | "down"))
}

fn with_body(status: StatusCode, text: &Text) -> String {
    let body = excerpt(&text.lossy(), 200);
    if body.is_empty() { status.to_string() } else { format!("{status}: {body}") }
}
