//! Shows a registry who asks: name and password, or a token that its authority gives for them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use chora_core::ports::EngineError;
use hyper::Method;
use hyper::header::HeaderValue;
use serde::Deserialize;

use super::challenge::Challenge;
use super::{Question, Registry};

/// As whom tokens are asked for.
const CLIENT: &str = "chora";

#[derive(Deserialize, Default)]
#[serde(default)]
struct TokenAnswer {
    token: String,
    access_token: String,
}

impl Registry {
    /// What answers a challenge; `None` where there is nothing to show.
    pub(super) async fn authorization(&self, challenge: &str) -> Result<Option<HeaderValue>, EngineError> {
        match Challenge::parse(challenge) {
            Challenge::Basic => Ok(self.basic()),
            Challenge::Bearer { realm, asked } => self.bearer(&realm, &asked).await,
            Challenge::Unknown => Ok(None),
        }
    }

    fn basic(&self) -> Option<HeaderValue> {
        let login = self.login.as_ref().filter(|login| !login.username.is_empty())?;
        secret(&format!("Basic {}", STANDARD.encode(format!("{}:{}", login.username, login.password))))
    }

    async fn bearer(&self, realm: &str, asked: &[(String, String)]) -> Result<Option<HeaderValue>, EngineError> {
        if let Some(login) = self.login.as_ref().filter(|login| !login.registry_token.is_empty()) {
            return Ok(secret(&format!("Bearer {}", login.registry_token)));
        }
        // A password goes to no authority that is asked in the clear, but for one on this machine.
        let is_safe = realm.starts_with("https://") || self.base.starts_with("http://");
        if !is_safe {
            return Err(EngineError::LoginNeeded { registry: self.host.clone(), reason: format!("its authority {realm} has no TLS") });
        }
        let (question, authorization) = self.token_question(realm, asked);
        let answer = self.send(&question, authorization).await?;
        if !answer.status.is_success() {
            return Err(self.refused(&answer));
        }
        let given: TokenAnswer = serde_json::from_slice(&answer.body).unwrap_or_default();
        let token = if given.token.is_empty() { given.access_token } else { given.token };
        Ok(if token.is_empty() { None } else { secret(&format!("Bearer {token}")) })
    }
}

impl Registry {
    /// How the authority is asked: by a token that stands for the person, by name and password, or by nothing.
    fn token_question(&self, realm: &str, asked: &[(String, String)]) -> (Question, Option<HeaderValue>) {
        let identity = self.login.as_ref().map(|login| login.identity_token.as_str()).filter(|token| !token.is_empty());
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.extend_pairs(asked);
        let accept = "application/json";
        let Some(token) = identity else {
            let url = format!("{realm}{}{}", if realm.contains('?') { '&' } else { '?' }, form.finish());
            return (Question { method: Method::GET, url, accept, kind: None, body: Bytes::new() }, self.basic());
        };
        form.append_pair("grant_type", "refresh_token").append_pair("client_id", CLIENT).append_pair("refresh_token", token);
        let kind = Some(HeaderValue::from_static("application/x-www-form-urlencoded"));
        (Question { method: Method::POST, url: realm.to_owned(), accept, kind, body: Bytes::from(form.finish()) }, None)
    }
}

fn secret(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}
