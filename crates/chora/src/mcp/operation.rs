//! One operation as a tool: its name, words, effect, schemas, and how to run it.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use chora_ops::{Context, Failure, FailureKind};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use rmcp::handler::server::tool::{schema_for_input, schema_for_output};
use rmcp::model::{JsonObject, Tool, ToolAnnotations};
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::schema;

/// What calling it does to the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Nothing.
    Reads,
    /// Adds something and takes nothing away.
    Adds,
    /// Adds something for a while, and takes it away again in the end, however that comes.
    Tries,
    /// Replaces or removes something: it asks first.
    Replaces,
}

/// A tool's name and words.
#[derive(Debug, Clone, Copy)]
pub(super) struct Words {
    /// The operation's name, the same as on the command line.
    pub(super) name: &'static str,
    /// For people.
    pub(super) title: &'static str,
    /// For models: what it does and when to use it.
    pub(super) description: &'static str,
}

/// How an outcome is shown.
pub(super) struct Shown<A, V> {
    /// In words.
    pub(super) tell: fn(&A) -> String,
    /// As a document.
    pub(super) view: fn(A) -> V,
}

// Functions can be copied whatever they are about.
impl<A, V> Clone for Shown<A, V> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<A, V> Copy for Shown<A, V> {}

/// An outcome, ready to be sent.
pub(crate) struct Answer {
    /// The outcome as it is.
    pub(super) structured: Value,
    /// One to five lines, the last one the next step.
    pub(super) text: String,
}

pub(super) type Work = Box<dyn FnOnce(Context) -> BoxFuture<'static, Result<Answer, Failure>> + Send>;
pub(super) type Preview = Box<dyn FnOnce(Context) -> BoxFuture<'static, Result<Vec<String>, Failure>> + Send>;

/// A call whose arguments were understood.
pub(super) struct Prepared {
    pub(super) work: Work,
    /// Tells what would happen; present when somebody has to agree first.
    pub(super) preview: Option<Preview>,
}

type Parse = Box<dyn Fn(&JsonObject) -> Result<Work, Failure> + Send + Sync>;
type Ask = Box<dyn Fn(&JsonObject) -> Option<Preview> + Send + Sync>;

/// An operation as a tool.
pub(crate) struct Operation {
    pub(crate) name: &'static str,
    words: Words,
    effect: Effect,
    idempotent: bool,
    of_files: bool,
    input: Arc<JsonObject>,
    output: Arc<JsonObject>,
    parse: Parse,
    ask: Option<Ask>,
}

impl Operation {
    /// An operation with request `Q` and outcome `A`; `tell` puts an outcome into words.
    pub(super) fn new<Q, A, F>(words: Words, effect: Effect, run: F, tell: fn(&A) -> String) -> Self
    where
        Q: DeserializeOwned + JsonSchema + Send + Sync + 'static,
        A: Serialize + JsonSchema + 'static,
        F: for<'a> Fn(&'a Context, &'a Q) -> BoxFuture<'a, Result<A, Failure>> + Copy + Send + Sync + 'static,
    {
        Self::short(words, effect, run, Shown { tell, view: |outcome| outcome })
    }

    /// An operation whose outcome is more than a model needs: its answer is the view `V`.
    pub(super) fn short<Q, A, V, F>(words: Words, effect: Effect, run: F, shown: Shown<A, V>) -> Self
    where
        Q: DeserializeOwned + JsonSchema + Send + Sync + 'static,
        A: 'static,
        V: Serialize + JsonSchema + 'static,
        F: for<'a> Fn(&'a Context, &'a Q) -> BoxFuture<'a, Result<A, Failure>> + Copy + Send + Sync + 'static,
    {
        let parse: Parse = Box::new(move |arguments| {
            let request: Q = read(words.name, arguments)?;
            Ok(Box::new(move |context| {
                Box::pin(async move {
                    // What leaves nothing half done ends at once when it is cancelled; the others undo what they began.
                    let cancel = context.cancel.clone();
                    let outcome = tokio::select! {
                        outcome = run(&context, &request) => outcome?,
                        () = cancel.cancelled(), if matches!(effect, Effect::Reads | Effect::Adds) => return Err(cancelled(words.name)),
                    };
                    let text = (shown.tell)(&outcome);
                    let structured = serde_json::to_value((shown.view)(outcome)).map_err(|error| {
                        Failure::new(FailureKind::Internal, format!("the outcome of {} cannot be written: {error}", words.name))
                    })?;
                    Ok(Answer { structured, text })
                })
            }))
        });
        Self {
            name: words.name,
            words,
            effect,
            idempotent: effect == Effect::Reads,
            of_files: false,
            // A request type that is no object would be a bug that every test of the list shows.
            input: Arc::new(schema::of_input(&schema_for_input::<Q>().unwrap_or_default())),
            output: Arc::new(schema::of_output(&schema_for_output::<V>())),
            parse,
            ask: None,
        }
    }

    /// Calling it twice is calling it once.
    pub(super) fn idempotent(mut self) -> Self {
        self.idempotent = true;
        self
    }

    /// It is about the project's files as such: it needs none that resolve.
    pub(super) fn of_files(mut self) -> Self {
        self.of_files = true;
        self
    }

    /// Asks first unless `freely` says that this request may run as it is; `preview` tells what would happen.
    pub(super) fn asking<Q, F>(mut self, freely: fn(&Q) -> bool, preview: F) -> Self
    where
        Q: DeserializeOwned + Send + Sync + 'static,
        F: for<'a> Fn(&'a Context, &'a Q) -> BoxFuture<'a, Result<Vec<String>, Failure>> + Copy + Send + Sync + 'static,
    {
        let name = self.name;
        self.ask = Some(Box::new(move |arguments| {
            let request: Q = read(name, arguments).ok().filter(|request| !freely(request))?;
            Some(Box::new(move |context| {
                Box::pin(async move {
                    let told = AssertUnwindSafe(preview(&context, &request)).catch_unwind().await;
                    told.unwrap_or_else(|panic| Err(Failure::of_panic(panic.as_ref()).state("nothing was changed")))
                })
            }))
        }));
        let mut input = JsonObject::clone(&self.input);
        if let Some(properties) = input.entry("properties").or_insert_with(|| json!({})).as_object_mut() {
            let description = "True once a person agreed to what the call would do; clients that can ask a person are asked instead.";
            properties.insert(CONFIRM.to_owned(), json!({ "type": "boolean", "default": false, "description": description }));
        }
        self.input = Arc::new(input);
        self
    }

    /// Replaces the request's schema, where the door fills in a part of the request.
    pub(super) fn without_property(mut self, property: &str) -> Self {
        let mut input = JsonObject::clone(&self.input);
        if let Some(properties) = input.get_mut("properties").and_then(Value::as_object_mut) {
            properties.shift_remove(property);
        }
        self.input = Arc::new(input);
        self
    }

    pub(super) fn is_of_files(&self) -> bool {
        self.of_files
    }

    pub(super) fn effect(&self) -> Effect {
        self.effect
    }

    pub(super) fn title(&self) -> &'static str {
        self.words.title
    }

    pub(super) fn asks(&self) -> bool {
        self.ask.is_some()
    }

    /// Understands the arguments.
    pub(super) fn prepare(&self, arguments: &JsonObject) -> Result<Prepared, Failure> {
        let work = (self.parse)(arguments)?;
        Ok(Prepared { work, preview: self.ask.as_ref().and_then(|ask| ask(arguments)) })
    }

    /// The tool as clients see it.
    pub(super) fn tool(&self) -> Tool {
        // The world of these tools is one project and one engine: closed.
        let annotations = ToolAnnotations::new()
            .read_only(self.effect == Effect::Reads)
            .destructive(self.effect == Effect::Replaces)
            .idempotent(self.idempotent)
            .open_world(false);
        Tool::new(self.name, self.words.description, self.input.clone())
            .with_title(self.words.title)
            .with_raw_output_schema(self.output.clone())
            .with_annotations(annotations)
    }
}

/// The argument that stands for consent where a client cannot ask a person.
pub(super) const CONFIRM: &str = "confirm";

fn read<Q: DeserializeOwned>(tool: &str, arguments: &JsonObject) -> Result<Q, Failure> {
    serde_json::from_value(Value::Object(arguments.clone())).map_err(|error| {
        let failure = Failure::new(FailureKind::Invalid, format!("the arguments of `{tool}` are not right: {error}"));
        failure.state("nothing was done").hint(format!("see the input schema of `{tool}`"))
    })
}

/// Nobody waits for the answer any more.
pub(super) fn cancelled(tool: &str) -> Failure {
    Failure::new(FailureKind::Unavailable, format!("`{tool}` was cancelled")).state("nothing was changed")
}
