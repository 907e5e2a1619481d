//! Containers of services that are run under a bridge: the same image, and this program before its command.

use chora_core::compose::{Mount, Service};
use chora_core::model::bridge::{Bridge, PROGRAM};
use chora_core::model::ids::ImageId;
use chora_core::plan::bridge::{own_command, program_mount};
use chora_core::ports::EngineError;

use crate::context::Context;
use crate::own_image::{OwnImageError, labels};
use crate::rollout::perform::StepError;

/// Puts the program and its words before what the container would run.
pub(crate) async fn put_under(
    cx: &Context,
    bridge: &Bridge,
    image: &ImageId,
    service: &mut Service,
    mounts: &mut Vec<Mount>,
) -> Result<(), StepError> {
    let found = cx.engine.image(image.as_str()).await?;
    let found = found.ok_or_else(|| EngineError::NotFound { what: format!("image `{image}`") })?;
    let command = own_command(service, &found);
    if command.is_empty() {
        let reason = "neither the service nor its image names a command, so that there is nothing to run under the bridge";
        return Err(EngineError::Invalid { reason: reason.to_owned() }.into());
    }
    let volume = cx.own_image.volume().await.map_err(told)?;
    mounts.push(program_mount(&volume, labels()));
    service.entrypoint = Some(bridge.entrypoint(service.stop_grace_period.map(|grace| grace.0)));
    service.command = Some(command);
    // The one that the image or the service names is for the server; the bridge ends on this one, and ends the server.
    service.stop_signal = Some("SIGTERM".to_owned());
    Ok(())
}

/// Sees to it that a container that was just made finds the program. It is written under its name only when it is whole.
pub(crate) async fn complete(cx: &Context, container: &str) -> Result<(), StepError> {
    if cx.engine.read_file(container, PROGRAM, 1).await?.is_some() {
        return Ok(());
    }
    Ok(cx.own_image.fill().await.map_err(told)?)
}

fn told(error: OwnImageError) -> EngineError {
    match error {
        OwnImageError::Engine(error) => error,
        error => EngineError::Failed { reason: error.to_string() },
    }
}
