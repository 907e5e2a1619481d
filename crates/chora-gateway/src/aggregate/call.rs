//! Whose a request is: found by the name or the address of what it asks for, and asked of that server in its own terms.

use std::sync::Arc;

use serde_json::json;
use serde_json::value::{RawValue, to_raw_value};

use super::catalog::Kind;
use super::changes;
use super::conversation::{Conversation, Way, way};
use super::list::{learn, listed};
use crate::message::{Fault, Id, Outcome, Request, code, params};

impl Conversation {
    /// Answers a request.
    pub(super) async fn answer(self: &Arc<Self>, request: Request) -> Outcome {
        let way = way(&request);
        if let Some(kind) = Kind::of(&request.method) {
            return listed(self, kind, &request, way).await;
        }
        match (request.method.as_str(), way) {
            ("initialize", Way::Seated) => {
                let greeting = self.aggregate.greeting(request.params.as_deref());
                if self.greeted(request.params) {
                    changes::tell_arrivals(self);
                }
                result(&greeting)
            }
            ("server/discover", Way::Lone) => result(&self.aggregate.discovered()),
            ("subscriptions/listen", Way::Lone) => changes::listen(self, &request).await,
            ("ping", Way::Seated) => result(&json!({})),
            ("logging/setLevel", Way::Seated) => {
                self.set_level(request.params).await;
                result(&json!({}))
            }
            ("resources/subscribe" | "resources/unsubscribe", Way::Seated) => self.subscribe(request).await,
            ("tools/call", _) => self.by_name(Kind::Tools, request, way).await,
            ("prompts/get", _) => self.by_name(Kind::Prompts, request, way).await,
            ("resources/read", _) => match self.owner(&request, way).await {
                Ok(member) => self.ask(member, request, way).await,
                Err(no) => Outcome::Error(no.to_raw()),
            },
            ("completion/complete", _) => self.complete(request, way).await,
            _ => Outcome::Error(Fault::new(code::METHOD_NOT_FOUND, "the servers together have no such method; one alone may").to_raw()),
        }
    }

    async fn by_name(self: &Arc<Self>, kind: Kind, request: Request, way: Way) -> Outcome {
        let Some(name) = params::text(request.params.as_deref(), "name") else {
            return Outcome::Error(Fault::new(code::INVALID_PARAMS, "params.name is missing").to_raw());
        };
        match self.origin(kind, &name, &request, way).await {
            Ok((member, original)) => {
                let params = params::with(request.params.as_deref(), "name", text(&original));
                self.ask(member, Request { params, ..request }, way).await
            }
            Err(no) => Outcome::Error(no.to_raw()),
        }
    }

    /// Whose something of a name is. What is not known may be new.
    async fn origin(self: &Arc<Self>, kind: Kind, name: &str, request: &Request, way: Way) -> Result<(usize, String), Fault> {
        let known = self.aggregate.catalog().origin(kind, name);
        if let Some(known) = known {
            return Ok(known);
        }
        self.refresh(kind, request, way).await;
        let known = self.aggregate.catalog().origin(kind, name);
        if let Some(known) = known {
            return Ok(known);
        }
        let of_it = |server: &str| name.strip_prefix(server).is_some_and(|rest| rest.starts_with('_'));
        let members = self.aggregate.members.iter().enumerate().filter(|(_, named)| of_it(&named.name));
        let mut troubles = members.filter_map(|(member, _)| self.aggregate.trouble(member));
        let what = if kind == Kind::Prompts { "prompt" } else { "tool" };
        Err(troubles.next().unwrap_or_else(|| Fault::new(code::INVALID_PARAMS, format!("no server has listed the {what} `{name}`"))))
    }

    async fn refresh(self: &Arc<Self>, kind: Kind, request: &Request, way: Way) {
        // Only what says how it came is taken along.
        let meta = params::member(request.params.as_deref(), "_meta").filter(|_| way == Way::Lone);
        let params = meta.and_then(|meta| params::with(None, "_meta", meta));
        let asked = Request { id: request.id.clone(), method: kind.method().to_owned(), params };
        learn(self, kind, &asked, way).await;
    }

    /// Whose the resource is that a request names.
    async fn owner(self: &Arc<Self>, request: &Request, way: Way) -> Result<usize, Fault> {
        let Some(uri) = params::text(request.params.as_deref(), "uri") else {
            return Err(Fault::new(code::INVALID_PARAMS, "params.uri is missing"));
        };
        self.owner_of(&uri, request, way).await
    }

    pub(super) async fn owner_of(self: &Arc<Self>, uri: &str, request: &Request, way: Way) -> Result<usize, Fault> {
        let known = self.aggregate.catalog().owner(uri);
        if let Some(known) = known {
            return Ok(known);
        }
        self.refresh(Kind::Resources, request, way).await;
        self.refresh(Kind::Templates, request, way).await;
        let known = self.aggregate.catalog().owner(uri);
        if let Some(known) = known {
            return Ok(known);
        }
        // Nobody else can be meant.
        let with_resources: Vec<_> =
            (0..self.aggregate.members.len()).filter(|member| self.aggregate.may_offer(*member, "resources")).collect();
        if let [only] = with_resources.as_slice() {
            return Ok(*only);
        }
        let number = if way == Way::Lone { code::INVALID_PARAMS } else { code::RESOURCE_NOT_FOUND };
        Err(Fault::new(number, "no server has listed this resource").with(json!({ "uri": uri })))
    }

    async fn subscribe(self: &Arc<Self>, request: Request) -> Outcome {
        let member = match self.owner(&request, Way::Seated).await {
            Ok(member) => member,
            Err(no) => return Outcome::Error(no.to_raw()),
        };
        let uri = params::text(request.params.as_deref(), "uri").unwrap_or_default();
        let begins = request.method == "resources/subscribe";
        let outcome = self.ask(member, request, Way::Seated).await;
        match (&outcome, begins) {
            (_, false) => self.unsubscribed(&uri),
            (Outcome::Result(_), true) => self.subscribed(uri, member),
            (Outcome::Error(_), true) => {}
        }
        outcome
    }

    async fn complete(self: &Arc<Self>, request: Request, way: Way) -> Outcome {
        let reference = params::member(request.params.as_deref(), "ref");
        let reference = reference.as_deref();
        let found = if let Some(name) = params::text(reference, "name") {
            let origin = self.origin(Kind::Prompts, &name, &request, way).await;
            origin.map(|(member, original)| (member, params::with(reference, "name", text(&original))))
        } else if let Some(uri) = params::text(reference, "uri") {
            self.owner_of(&uri, &request, way).await.map(|member| (member, reference.map(ToOwned::to_owned)))
        } else {
            Err(Fault::new(code::INVALID_PARAMS, "params.ref names neither a prompt nor a resource"))
        };
        match found {
            Ok((member, reference)) => {
                let params = params::with(request.params.as_deref(), "ref", reference.unwrap_or_default());
                self.ask(member, Request { params, ..request }, way).await
            }
            Err(no) => Outcome::Error(no.to_raw()),
        }
    }
}

pub(super) fn result(value: &serde_json::Value) -> Outcome {
    Outcome::Result(to_raw_value(value).unwrap_or_default())
}

fn text(value: &str) -> Box<RawValue> {
    to_raw_value(value).unwrap_or_default()
}

/// An id as a value.
pub(super) fn id_value(id: &Id) -> serde_json::Value {
    serde_json::from_str(id.as_json()).unwrap_or_default()
}
