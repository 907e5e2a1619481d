//! Commands and containers whose standard streams are pipes to this process.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use chora_core::model::container::{ContainerSpec, ExecSpec, LogChunk};
use chora_core::ports::EngineError;
use chora_core::ports::engine::Piped;
use futures_core::stream::BoxStream;
use futures_util::{StreamExt, TryStreamExt};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncWriteExt, WriteHalf};
use tokio_util::io::ReaderStream;

use super::exec::{self, Streams};
use super::{Waiting, about, create, path, remove, start};
use crate::client::{Call, Client, LONG};
use crate::frames;

struct Pipes {
    client: Arc<Client>,
    /// What runs, in messages.
    what: String,
    input: WriteHalf<TokioIo<Upgraded>>,
    output: BoxStream<'static, Result<LogChunk, EngineError>>,
    end: End,
}

/// How the end is learnt.
enum End {
    Exec { id: String },
    Container { waiting: Waiting },
}

pub(crate) async fn exec_piped(client: &Arc<Client>, container: &str, spec: &ExecSpec) -> Result<Box<dyn Piped>, EngineError> {
    let id = exec::prepare(client, container, spec, Streams::All).await?;
    let stream = exec::attach(client, container, &id, Streams::All).await?;
    let program = spec.command.first().map_or("", String::as_str);
    Ok(pipes(client, format!("`{program}` in {}", about(container)), stream, End::Exec { id }))
}

pub(crate) async fn run_piped(client: &Arc<Client>, spec: &ContainerSpec) -> Result<Box<dyn Piped>, EngineError> {
    let container = create::create_piped(client, spec).await?;
    match open(client, container.as_str()).await {
        Ok((stream, waiting)) => Ok(pipes(client, about(&spec.name), stream, End::Container { waiting })),
        Err(error) => {
            // The first error tells the story; the engine may have removed it already.
            let _ = remove(client, container.as_str(), true).await;
            Err(error)
        }
    }
}

/// Attaches before the start, so that no output is missed; so does the wait, whose object is gone afterwards.
async fn open(client: &Client, container: &str) -> Result<(TokioIo<Upgraded>, Waiting), EngineError> {
    let mut call = Call::post(path(container, "/attach"), about(container)).limit(Some(LONG));
    for key in ["stream", "stdin", "stdout", "stderr"] {
        call = call.query(key, "1");
    }
    let stream = client.upgrade(call, "tcp").await?;
    let waiting = Waiting::begin(client, container, "removed").await?;
    start(client, container).await?;
    Ok((stream, waiting))
}

fn pipes(client: &Arc<Client>, what: String, stream: TokioIo<Upgraded>, end: End) -> Box<dyn Piped> {
    let (reader, input) = tokio::io::split(stream);
    let lost = Arc::clone(client);
    let bytes = ReaderStream::new(reader).map_err(move |error| lost.lost(&error));
    Box::new(Pipes { client: Arc::clone(client), what, input, output: frames::chunks(bytes, false).boxed(), end })
}

#[async_trait]
impl Piped for Pipes {
    async fn send(&mut self, bytes: Bytes) -> Result<(), EngineError> {
        let work = async {
            self.input.write_all(&bytes).await?;
            self.input.flush().await
        };
        work.await.map_err(|error| self.client.lost(&error))
    }

    async fn receive(&mut self) -> Result<Option<LogChunk>, EngineError> {
        self.output.next().await.transpose()
    }

    async fn finish(self: Box<Self>, patience: Duration) -> Result<i64, EngineError> {
        let Self { client, what, mut input, mut output, end } = *self;
        let ended = async {
            // It may have ended, and its streams with it.
            let _ = input.shutdown().await;
            match end {
                End::Exec { id } => exec::exit_code(&client, &id).await,
                End::Container { waiting } => waiting.exit_code(&client).await,
            }
        };
        // Output that nobody takes would keep it from ending.
        let drained = async {
            while let Some(Ok(_)) = output.next().await {}
            std::future::pending().await
        };
        let outcome = tokio::time::timeout(patience, async {
            tokio::select! {
                code = ended => code,
                never = drained => never,
            }
        });
        outcome.await.unwrap_or(Err(EngineError::TimedOut { what, limit: patience }))
    }
}
