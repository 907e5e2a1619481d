//! Consent to what replaces or removes something: asked of a person where the client can, else given as an argument.
//!
//! Three ways, by what the client speaks: `input_required` (2026-07-28 on), `elicitation/create` (before), the argument `confirm`.

use std::collections::BTreeMap;
use std::time::Duration;

use chora_ops::{Failure, FailureKind};
use futures_util::future::BoxFuture;
use rmcp::RoleServer;
use rmcp::model::{
    BooleanSchema, CallToolRequestParams, ElicitRequest, ElicitRequestParams, ElicitResult, ElicitationAction, ElicitationSchema,
    InputRequest, InputRequiredResult, JsonObject, PrimitiveSchemaDefinition, ProtocolVersion, RequestStateCodec, SealOptions,
};
use rmcp::service::RequestContext;
use serde_json::Value;

use super::operation::{CONFIRM, Operation};

/// How long an answer to a question stays good.
const GOOD_FOR: Duration = Duration::from_secs(15 * 60);

/// Signs questions, so that an answer belongs to the very call that was asked about.
pub(super) struct Seal(RequestStateCodec);

impl Seal {
    /// A seal of this process: questions of another one are asked again.
    pub(super) fn fresh() -> Self {
        let key = [uuid::Uuid::new_v4().into_bytes(), uuid::Uuid::new_v4().into_bytes(), uuid::Uuid::new_v4().into_bytes()].concat();
        Self(RequestStateCodec::new_unchecked(key))
    }
}

/// What came of asking.
pub(super) enum Consent {
    /// Go on.
    Given,
    /// The client has to ask a person and call again.
    Ask(Box<InputRequiredResult>),
    /// Nobody agreed.
    Withheld(Failure),
}

/// How a client can be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Means {
    InputRequired,
    Elicitation,
    Argument,
}

/// A call that may have to be agreed to.
pub(super) struct Question {
    tool: &'static str,
    title: &'static str,
    arguments: JsonObject,
    confirmed: bool,
    answer: Option<Value>,
    state: Option<String>,
}

impl Question {
    pub(super) fn new(operation: &Operation, request: &CallToolRequestParams) -> Self {
        let mut arguments = request.arguments.clone().unwrap_or_default();
        let mut confirmed = false;
        // Anything but a boolean stays, and is refused with the other arguments.
        if operation.asks()
            && let Some(Value::Bool(given)) = arguments.get(CONFIRM)
        {
            confirmed = *given;
            arguments.shift_remove(CONFIRM);
        }
        let answer = request.input_responses.as_ref().and_then(|responses| responses.get(CONFIRM)).cloned();
        Self { tool: operation.name, title: operation.title(), arguments, confirmed, answer, state: request.request_state.clone() }
    }

    /// The arguments without the door's own.
    pub(super) fn arguments(&self) -> &JsonObject {
        &self.arguments
    }

    pub(super) fn environment(&self) -> Option<String> {
        self.arguments.get("environment").and_then(Value::as_str).map(str::to_owned)
    }

    /// Finds out whether the call may go on. Where a person can be asked, the argument does not replace the person.
    pub(super) async fn consent(
        &self,
        seal: &Seal,
        client: &RequestContext<RoleServer>,
        preview: BoxFuture<'_, Result<Vec<String>, Failure>>,
    ) -> Consent {
        let means = means(client);
        if means == Means::InputRequired && self.answers(seal) {
            return self.judge(self.answer.clone().and_then(|answer| serde_json::from_value(answer).ok()));
        }
        if means == Means::Argument && self.confirmed {
            return Consent::Given;
        }
        let would = match preview.await {
            Ok(would) => would,
            Err(failure) => return Consent::Withheld(failure),
        };
        match means {
            Means::Argument => Consent::Withheld(self.unconfirmed(would)),
            Means::InputRequired => {
                let state = seal.0.seal_with(self.tool.as_bytes(), &SealOptions::new().associated_data(&self.identity()).ttl(GOOD_FOR));
                let request = InputRequest::Elicitation(ElicitRequest::new(self.form(&would)));
                Consent::Ask(Box::new(InputRequiredResult::new(Some(BTreeMap::from([(CONFIRM.to_owned(), request)])), Some(state))))
            }
            Means::Elicitation => self.judge(client.peer.create_elicitation(self.form(&would)).await.ok()),
        }
    }

    /// Whether the call carries an answer to the question that this process asked about it.
    fn answers(&self, seal: &Seal) -> bool {
        let opened = self.state.as_deref().and_then(|state| seal.0.open_with(state, &self.identity()).ok());
        self.answer.is_some() && opened.is_some_and(|payload| payload == self.tool.as_bytes())
    }

    /// Tool and arguments, in an order of their own.
    fn identity(&self) -> Vec<u8> {
        let arguments: BTreeMap<&String, &Value> = self.arguments.iter().collect();
        format!("{}\n{}", self.tool, serde_json::json!(arguments)).into_bytes()
    }

    fn judge(&self, answer: Option<ElicitResult>) -> Consent {
        let refusal = match answer {
            Some(ElicitResult { action: ElicitationAction::Accept, content, .. }) => {
                if content.and_then(|content| content.get(CONFIRM)?.as_bool()) == Some(true) {
                    return Consent::Given;
                }
                "was not confirmed"
            }
            Some(ElicitResult { action: ElicitationAction::Decline, .. }) => "was declined",
            Some(_) => "was left unanswered",
            None => "could not be asked about",
        };
        let failure = Failure::new(FailureKind::Denied, format!("`{}` {refusal}", self.tool)).state("nothing was changed");
        Consent::Withheld(failure.hint("do not call it again unless a person asks for it"))
    }

    fn unconfirmed(&self, would: Vec<String>) -> Failure {
        let failure = Failure::new(FailureKind::Denied, format!("`{}` was not confirmed; it would:", self.tool));
        failure
            .state("nothing was changed")
            .hint(format!("when a person agrees, call `{}` again with the same arguments and `confirm: true`", self.tool))
            .details(would)
    }

    fn form(&self, would: &[String]) -> ElicitRequestParams {
        let yes = BooleanSchema::new().title(format!("{}: yes, do it", self.title));
        let mut schema = ElicitationSchema::new(BTreeMap::from([(CONFIRM.to_owned(), PrimitiveSchemaDefinition::Boolean(yes))]));
        schema.required = Some(vec![CONFIRM.to_owned()]);
        let message = format!("{}? This would:\n{}", self.title, would.join("\n"));
        ElicitRequestParams::FormElicitationParams { meta: None, message, requested_schema: schema }
    }
}

fn means(client: &RequestContext<RoleServer>) -> Means {
    let asks = client.client_capabilities().and_then(|capabilities| capabilities.elicitation).is_some_and(|elicitation| {
        // Before there were two modes, the bare capability meant forms.
        elicitation.form.is_some() || elicitation.url.is_none()
    });
    match client.protocol_version() {
        _ if !asks => Means::Argument,
        Some(version) if version.as_str() >= ProtocolVersion::V_2026_07_28.as_str() => Means::InputRequired,
        _ => Means::Elicitation,
    }
}
