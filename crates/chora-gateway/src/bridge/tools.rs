//! What is known of the server's tools: which of their parameters are repeated as headers.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;
use serde_json::value::to_raw_value;

use super::Bridge;
use crate::message::Outcome;
use crate::message::params::{CAPABILITIES, REVISION};
use crate::revision::Revision;
use crate::transport::http::param_headers::{HeaderParam, annotated};
use crate::upstream::Upstream;

/// Most pages of a list that are read: a server that goes round in circles is not followed.
const PAGES: usize = 100;

/// Tools by name; empty until they are needed.
#[derive(Debug, Default)]
pub(super) struct Tools(Mutex<Option<Known>>);

type Known = Arc<HashMap<String, Vec<HeaderParam>>>;

impl Bridge {
    /// The parameters of a tool that are repeated as headers; none where the server does not say.
    pub(crate) async fn header_params(&self, tool: &str, anew: bool) -> Vec<HeaderParam> {
        let known = self.tools.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let known = match known.filter(|_| !anew) {
            Some(known) => known,
            None => {
                // The shared process is asked, also where calls have one of their own.
                let Ok(upstream) = self.modern.get(self).await else { return Vec::new() };
                let listed = Arc::new(list(&upstream).await);
                *self.tools.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&listed));
                listed
            }
        };
        known.get(tool).cloned().unwrap_or_default()
    }
}

/// Lists the tools; as far as the server answers, because a list that fails must not stop a call that works.
async fn list(upstream: &Upstream) -> HashMap<String, Vec<HeaderParam>> {
    let mut tools = HashMap::new();
    let mut cursor: Option<Value> = None;
    for _ in 0..PAGES {
        let mut params = serde_json::json!({ "_meta": { REVISION: Revision::MODERN.as_str(), CAPABILITIES: {} } });
        if let (Some(cursor), Some(object)) = (&cursor, params.as_object_mut()) {
            object.insert("cursor".to_owned(), cursor.clone());
        }
        let Ok(Outcome::Result(page)) = upstream.ask("tools/list", to_raw_value(&params).ok()).await else { break };
        let Ok(page) = serde_json::from_str::<Value>(page.get()) else { break };
        for tool in page.get("tools").and_then(Value::as_array).into_iter().flatten() {
            if let (Some(name), Some(schema)) = (tool.get("name").and_then(Value::as_str), tool.get("inputSchema")) {
                tools.insert(name.to_owned(), annotated(schema));
            }
        }
        let next = page.get("nextCursor").filter(|next| next.is_string()).cloned();
        if next.is_none() || next == cursor {
            break;
        }
        cursor = next;
    }
    tools
}
