//! The secrets that a run has met, so that none of them is ever told: not in progress, journal, events or failures.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chora_core::compose::Stack;
use chora_core::model::digest::Digest;
use chora_core::model::event::Event;
use chora_core::model::secret::Secret;
use chora_core::plan::file_targets;
use chora_core::plan::gateway::named_by_tls;

use crate::context::Context;
use crate::event_log::redact::Needles;

/// The longest secret file that is read from a container, in bytes; the engines' own limit for secrets.
const LONGEST_FILE: usize = 500 * 1024;

/// Knows values that must not be told. Clones share what they know.
#[derive(Clone, Default)]
pub struct Redactor(Arc<Mutex<Needles>>);

impl Redactor {
    /// Remembers a value.
    pub(crate) fn learn(&self, value: &Secret<Vec<u8>>) {
        self.known().learn(value.expose());
    }

    /// Puts `[redacted]` in the place of every known value.
    #[must_use]
    pub fn clean(&self, text: &str) -> String {
        self.known().clean(text)
    }

    /// Puts it into every text of an event.
    pub(crate) fn event(&self, event: &Event) -> Event {
        self.known().event(event)
    }

    fn known(&self) -> MutexGuard<'_, Needles> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a secret of a stack is none: a certificate, which the gateway shows to everybody or trusts, and not its key.
pub(crate) fn is_public(key: &str, value: &Secret<Vec<u8>>) -> bool {
    let has = |words: &[u8]| value.expose().windows(words.len()).any(|part| part == words);
    named_by_tls(key).is_some() && has(b"-----BEGIN CERTIFICATE-----") && !has(b"PRIVATE KEY")
}

/// Reads the values of a stack's secrets, to be able to keep them out of what is told. One that cannot be read cannot be told either.
pub(crate) async fn learn(cx: &Context, stack: &Stack) {
    for (key, object) in &stack.secrets {
        if let Ok(value) = cx.secrets.value(key, object).await
            && !is_public(key, &value)
        {
            cx.redactor.learn(&value);
        }
    }
}

/// Reads the secret files of a container: they hold what it was made with, also when the values have changed since, or their
/// variables are not set any more.
pub(crate) async fn learn_held(cx: &Context, stack: &Stack, service: &str, container: &str) {
    let Some(service) = stack.services.get(service) else { return };
    // Only where the files are matters here, not what they should hold.
    let named = service.secrets.iter().map(|secret| (format!("secret:{}", secret.source), Digest::of(b""))).collect();
    for file in file_targets(service, &named) {
        if let Ok(Some(value)) = cx.engine.read_file(container, &file.path, LONGEST_FILE).await {
            cx.redactor.learn(&Secret::new(value));
        }
    }
}

#[cfg(test)]
mod tests {
    use chora_core::model::secret::Secret;

    use super::is_public;

    #[test]
    fn only_certificates_of_the_gateway_are_public() {
        let (certificate, key) = ("-----BEGIN CERTIFICATE-----\n", "-----BEGIN PRIVATE KEY-----\n");
        for (name, text, public) in [
            ("chora-gateway:a.pem", certificate.to_owned(), true),
            ("chora-gateway:a.pem", format!("{certificate}{key}"), false),
            ("chora-gateway:a.pem", "something else".to_owned(), false),
            ("chora-gateway:a.key", key.to_owned(), false),
            ("token", certificate.to_owned(), false),
        ] {
            assert_eq!(is_public(name, &Secret::new(text.clone().into_bytes())), public, "{name} {text}");
        }
    }
}
