//! A canary as the table says it.

use hyper::header::{HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};

use super::ReleaseEntry;

/// A release that gets some of a service's requests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct CanaryEntry {
    pub(in super::super) release: ReleaseEntry,
    /// Percent of the requests that nothing else decides about.
    #[serde(default)]
    pub(in super::super) share: u32,
    /// Requests with this header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in super::super) header: Option<MarkEntry>,
    /// Requests with this cookie.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in super::super) cookie: Option<MarkEntry>,
}

/// A header or a cookie: its name and its value, any where there is none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct MarkEntry {
    pub(in super::super) name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in super::super) value: Option<String>,
}

impl CanaryEntry {
    /// Why this cannot be a canary.
    pub(in super::super) fn check(&self) -> Result<(), String> {
        self.release.check()?;
        if self.share > 100 {
            return Err(format!("a canary has at most 100 percent, not {}", self.share));
        }
        let marks = || self.header.iter().chain(&self.cookie);
        if let Some(bad) = marks().find(|mark| mark.name.parse::<HeaderName>().is_err()) {
            return Err(format!("{:?} names no header and no cookie", bad.name));
        }
        match marks().filter_map(|mark| mark.value.as_deref()).find(|value| HeaderValue::from_str(value).is_err()) {
            Some(bad) => Err(format!("{bad:?} is no value of a header")),
            None => Ok(()),
        }
    }
}
