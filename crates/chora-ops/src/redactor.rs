//! The secrets that a run has met, so that none of them is ever told: not in progress, journal, events or failures.

use std::sync::{Arc, Mutex, PoisonError};

use chora_core::compose::Stack;
use chora_core::model::secret::Secret;

use crate::context::Context;
use crate::event_log::redact::{needles, replace};

/// Knows values that must not be told. Clones share what they know.
#[derive(Clone, Default)]
pub struct Redactor(Arc<Mutex<Vec<String>>>);

impl Redactor {
    /// Remembers a value.
    pub(crate) fn learn(&self, value: &Secret<Vec<u8>>) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for needle in needles(std::slice::from_ref(value)) {
            if !known.contains(&needle) {
                known.push(needle);
            }
        }
        known.sort_by_key(|needle| std::cmp::Reverse(needle.len()));
    }

    /// Puts `[redacted]` in the place of every known value.
    #[must_use]
    pub fn clean(&self, text: &str) -> String {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.is_empty() { text.to_owned() } else { replace(text, &known) }
    }
}

/// Reads the values of a stack's secrets, to be able to keep them out of what is told. One that cannot be read cannot be told either.
pub(crate) async fn learn(cx: &Context, stack: &Stack) {
    for (key, object) in &stack.secrets {
        if let Ok(value) = cx.secrets.value(key, object).await {
            cx.redactor.learn(&value);
        }
    }
}
