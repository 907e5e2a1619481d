//! Commands run inside a container.

use std::time::Duration;

use chora_core::model::container::{ExecOutcome, ExecSpec, LogStream};
use chora_core::ports::EngineError;
use futures_util::{StreamExt, TryStreamExt};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio_util::io::ReaderStream;

use super::terminal::Terminal;
use super::{about, path};
use crate::client::{Call, Client, LONG, segment};
use crate::frames;

/// Output kept of a command.
const OUTPUT_LIMIT: usize = 64 * 1024;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Created {
    id: String,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct ExecDocument {
    running: bool,
    exit_code: Option<i64>,
}

/// Which streams a command gets.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Streams {
    Output,
    All,
    Terminal,
}

pub(super) async fn prepare(client: &Client, container: &str, exec: &ExecSpec, streams: Streams) -> Result<String, EngineError> {
    let body = json!({
        "AttachStdin": streams != Streams::Output,
        "AttachStdout": true,
        "AttachStderr": true,
        "Tty": streams == Streams::Terminal,
        "Env": exec.environment,
        "Cmd": exec.command,
        "Privileged": exec.privileged,
        "User": exec.user.clone().unwrap_or_default(),
        "WorkingDir": exec.working_dir.clone().unwrap_or_default(),
    });
    let created: Created = client.document(Call::post(path(container, "/exec"), about(container)).json(&body)).await?;
    Ok(created.id)
}

pub(super) async fn attach(client: &Client, container: &str, id: &str, streams: Streams) -> Result<TokioIo<Upgraded>, EngineError> {
    let call = Call::post(format!("/exec/{}/start", segment(id)), about(container))
        .json(&json!({ "Detach": false, "Tty": streams == Streams::Terminal }))
        .limit(Some(LONG));
    client.upgrade(call, "tcp").await
}

/// Gives the exit code; the engine may need a moment after the streams have ended.
pub(super) async fn exit_code(client: &Client, id: &str) -> Result<i64, EngineError> {
    let mut pause = Duration::from_millis(2);
    loop {
        let call = Call::get(format!("/exec/{}/json", segment(id)), "the command");
        let document: ExecDocument = client.document(call).await?;
        if let (false, Some(code)) = (document.running, document.exit_code) {
            return Ok(code);
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_millis(250));
    }
}

pub(crate) async fn exec(client: &Client, container: &str, exec: &ExecSpec, limit: Duration) -> Result<ExecOutcome, EngineError> {
    let work = async {
        let id = prepare(client, container, exec, Streams::Output).await?;
        let stream = match attach(client, container, &id, Streams::Output).await {
            Ok(stream) => stream,
            Err(error) => return unstartable(error),
        };
        let output = String::from_utf8_lossy(&collect(client, stream).await?).into_owned();
        let exit_code = match exit_code(client, &id).await? {
            // 20.10 ends with 126 whatever the reason, and tells it as output.
            126 if output.starts_with("OCI runtime exec failed") => unstartable_code(&output),
            code => code,
        };
        Ok(ExecOutcome { exit_code, output })
    };
    tokio::time::timeout(limit, work).await.unwrap_or_else(|_| {
        let command = exec.command.first().map_or("", String::as_str);
        Err(EngineError::TimedOut { what: format!("`{command}` in container `{container}`"), limit })
    })
}

/// A command that is not there is an outcome, 126 or 127 as for a shell, whichever way the engine puts it.
fn unstartable(error: EngineError) -> Result<ExecOutcome, EngineError> {
    let (EngineError::Invalid { reason } | EngineError::Failed { reason }) = &error else { return Err(error) };
    if !reason.to_lowercase().contains("exec failed") {
        return Err(error);
    }
    Ok(ExecOutcome { exit_code: unstartable_code(reason), output: reason.clone() })
}

fn unstartable_code(reason: &str) -> i64 {
    let is_absent = ["no such file or directory", "executable file not found"].iter().any(|words| reason.contains(words));
    if is_absent { 127 } else { 126 }
}

async fn collect(client: &Client, stream: TokioIo<Upgraded>) -> Result<Vec<u8>, EngineError> {
    let bytes = ReaderStream::new(stream).map_err(|error| client.lost(&error));
    let mut chunks = std::pin::pin!(frames::chunks(bytes, false));
    let mut output = Vec::new();
    while let Some(chunk) = chunks.next().await {
        let room = OUTPUT_LIMIT.saturating_sub(output.len());
        output.extend(chunk?.bytes.into_iter().take(room));
    }
    Ok(output)
}

/// Runs a command on this process's own streams until it ends.
pub(crate) async fn exec_attached(client: &Client, container: &str, exec: &ExecSpec, tty: bool) -> Result<i64, EngineError> {
    let streams = if tty { Streams::Terminal } else { Streams::All };
    let id = prepare(client, container, exec, streams).await?;
    let stream = match attach(client, container, &id, streams).await {
        Ok(stream) => stream,
        Err(error) => {
            let outcome = unstartable(error)?;
            let _ = tokio::io::stderr().write_all(format!("{}\n", outcome.output).as_bytes()).await;
            return Ok(outcome.exit_code);
        }
    };
    let terminal = if tty { Terminal::enter() } else { None };
    let (reader, mut writer) = tokio::io::split(stream);
    let input = tokio::spawn(async move {
        // The command may end before its input does.
        let _ = tokio::io::copy(&mut tokio::io::stdin(), &mut writer).await;
        let _ = writer.shutdown().await;
    });
    let resizing = async {
        if terminal.is_some() {
            keep_size(client, &id).await;
        }
        std::future::pending::<()>().await;
    };
    let shown = tokio::select! {
        shown = show(client, ReaderStream::new(reader), tty) => shown,
        () = resizing => Ok(()),
    };
    input.abort();
    drop(terminal);
    shown?;
    exit_code(client, &id).await
}

async fn show<R: tokio::io::AsyncRead + Unpin>(client: &Client, bytes: ReaderStream<R>, is_terminal: bool) -> Result<(), EngineError> {
    let bytes = bytes.map_err(|error| client.lost(&error));
    let mut chunks = std::pin::pin!(frames::chunks(bytes, is_terminal));
    let (mut out, mut err) = (tokio::io::stdout(), tokio::io::stderr());
    let closed = |error: std::io::Error| EngineError::Failed { reason: format!("the output cannot be written: {error}") };
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk?;
        match chunk.stream {
            LogStream::Stdout => {
                out.write_all(&chunk.bytes).await.map_err(closed)?;
                out.flush().await.map_err(closed)?;
            }
            LogStream::Stderr => {
                err.write_all(&chunk.bytes).await.map_err(closed)?;
                err.flush().await.map_err(closed)?;
            }
        }
    }
    Ok(())
}

/// Tells the engine the terminal's size now and whenever it changes; the size is a courtesy, so failures are left alone.
async fn keep_size(client: &Client, id: &str) {
    let Ok(mut changes) = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::window_change()) else { return };
    loop {
        if let Some((rows, columns)) = Terminal::size() {
            let call = Call::post(format!("/exec/{}/resize", segment(id)), "the command")
                .query("h", rows.to_string())
                .query("w", columns.to_string());
            let _ = client.unit(call).await;
        }
        if changes.recv().await.is_none() {
            return;
        }
    }
}
