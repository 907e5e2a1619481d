//! The MCP door: offers the operations as tools, to agents and other MCP clients.
//!
//! It parses arguments, asks for consent, calls one operation and renders its outcome; it decides nothing.

mod answer;
mod consent;
mod contracts;
mod deployments;
mod environments;
mod images;
mod offer;
mod operation;
mod progress;
mod records;
mod running;
mod scaffold;
mod schema;

use std::sync::Arc;

use chora_core::model::event::DeployedBy;
use chora_core::ports::Reporter;
use chora_ops::{Context, Failure};
use futures_util::future::BoxFuture;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CompleteRequestMethod, CompleteRequestParams, CompleteResult, Implementation,
    ListPromptsRequestMethod, ListPromptsResult, ListResourceTemplatesRequestMethod, ListResourceTemplatesResult,
    ListResourcesRequestMethod, ListResourcesResult, ListToolsResult, PaginatedRequestParams, ServerCapabilities, ServerConfig, Tool,
};
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer, ServerHandler};
use tokio_util::sync::CancellationToken;

use self::answer::{failed, succeeded};
use self::consent::{Consent, Question, Seal};
pub(crate) use self::offer::{Offer, Restriction};
use self::operation::{Operation, cancelled};
use self::progress::Pump;
pub(crate) use self::running::Running;

/// What a tool call needs to be given a context of its own.
pub(crate) struct Wanted {
    /// Environment that the call names.
    pub(crate) environment: Option<String>,
    /// Who is told of its progress.
    pub(crate) reporter: Arc<dyn Reporter>,
    /// Ends it; what was begun is undone.
    pub(crate) cancel: CancellationToken,
    /// It is about the project's files as such, whatever they are worth.
    pub(crate) of_files: bool,
}

/// Makes the context of one call; it fails where engine or project are not there, and the server stays.
pub(crate) type ContextSource = Arc<dyn Fn(Wanted) -> BoxFuture<'static, Result<Context, Failure>> + Send + Sync>;

/// What to tell a model about the server as a whole.
const INSTRUCTIONS: &str = "Chora deploys the project in its directory to Docker. Usual order: `plan`, `deploy`, `health`; `rollback` goes back to \
the last good release. A refused release never takes the place of a serving one. Tools that replace or remove something ask a person \
where the client can, otherwise they show what would happen and want `confirm: true`. A failure holds `kind`, `message`, `state` (how the \
world is now), `hint` (what to do next), `details` and `retry`.";

/// The server behind every transport; clones share everything.
#[derive(Clone)]
pub(crate) struct Door {
    offer: Arc<Offer>,
    contexts: ContextSource,
    running: Running,
    seal: Arc<Seal>,
}

impl Door {
    pub(crate) fn new(offer: Offer, contexts: ContextSource, running: Running) -> Self {
        Self { offer: Arc::new(offer), contexts, running, seal: Arc::new(Seal::fresh()) }
    }

    /// How many tools it offers.
    pub(crate) fn tools(&self) -> usize {
        self.offer.operations().count()
    }

    async fn call(
        &self,
        operation: &Operation,
        request: CallToolRequestParams,
        client: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let question = Question::new(operation, &request);
        let prepared = match operation.prepare(question.arguments()) {
            Ok(prepared) => prepared,
            Err(failure) => return failed(&failure),
        };
        let (pump, reporter) = Pump::new(&client);
        let cancel = self.running.token();
        let wanted = Wanted { environment: question.environment(), reporter, cancel: cancel.clone(), of_files: operation.is_of_files() };
        let mut context = match (self.contexts)(wanted).await {
            Ok(context) => context,
            Err(failure) => return failed(&failure),
        };
        context.settings.deployed_by = DeployedBy::Agent;
        if let Some(preview) = prepared.preview {
            let consent = tokio::select! {
                consent = question.consent(&self.seal, &client, preview(context.clone())) => consent,
                () = client.ct.cancelled() => Consent::Withheld(cancelled(operation.name)),
            };
            match consent {
                Consent::Given => {}
                Consent::Ask(input) => return Ok(CallToolResponse::InputRequired(*input)),
                Consent::Withheld(failure) => return failed(&failure),
            }
        }
        // The work is a task of its own: a transport that drops this call must not leave it half done.
        let work = self.running.spawn((prepared.work)(context));
        match pump.carry(&client, work, &cancel).await {
            Ok(answer) => Ok(succeeded(answer).into()),
            Err(failure) => failed(&failure),
        }
    }
}

impl ServerHandler for Door {
    fn get_info(&self) -> ServerConfig {
        let server = Implementation::new("chora", env!("CARGO_PKG_VERSION"));
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build()).with_server_info(server).with_instructions(INSTRUCTIONS)
    }

    async fn list_tools(&self, _: Option<PaginatedRequestParams>, _: RequestContext<RoleServer>) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(self.offer.operations().map(Operation::tool).collect()))
    }

    // What is not declared is not there: the library would answer with empty lists.

    async fn list_prompts(&self, _: Option<PaginatedRequestParams>, _: RequestContext<RoleServer>) -> Result<ListPromptsResult, ErrorData> {
        Err(ErrorData::method_not_found::<ListPromptsRequestMethod>())
    }

    async fn list_resources(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        Err(ErrorData::method_not_found::<ListResourcesRequestMethod>())
    }

    async fn list_resource_templates(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        Err(ErrorData::method_not_found::<ListResourceTemplatesRequestMethod>())
    }

    async fn complete(&self, _: CompleteRequestParams, _: RequestContext<RoleServer>) -> Result<CompleteResult, ErrorData> {
        Err(ErrorData::method_not_found::<CompleteRequestMethod>())
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        self.offer.find(name).map(Operation::tool)
    }

    async fn call_tool(&self, request: CallToolRequestParams, context: RequestContext<RoleServer>) -> Result<CallToolResponse, ErrorData> {
        let Some(operation) = self.offer.find(&request.name) else {
            let offered: Vec<&str> = self.offer.operations().map(|operation| operation.name).collect();
            return Err(ErrorData::invalid_params(format!("no tool `{}`; offered: {}", request.name, offered.join(", ")), None));
        };
        Box::pin(self.call(operation, request, context)).await
    }
}
