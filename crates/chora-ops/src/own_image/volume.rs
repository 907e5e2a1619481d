//! The program in a volume of the engine, for containers of other images: written once for all of them, mounted read-only, so that it
//! reaches a read-only root, an image without anything else in it, and an engine on another machine.

use std::time::Duration;

use chora_core::compose::{Mount, MountKind, Service, Volume};
use chora_core::model::container::ContainerSpec;
use chora_core::model::ids::ImageId;
use chora_core::model::network::VolumeSpec;
use chora_core::ports::{Engine, EngineError};

use super::{OwnImage, OwnImageError, labels};
use crate::probe::sidecar;

/// Where the volume is mounted while the program is written to it.
const PLACE: &str = "/program";
/// How long that may take.
const LIMIT: Duration = Duration::from_secs(60);
/// How often it is tried.
const TRIES: u32 = 3;

impl OwnImage {
    /// The volume for this program, made where it is not there; its name tells the content that it has once it is filled.
    pub(crate) async fn volume(&self) -> Result<String, OwnImageError> {
        let name = format!("chora-program-{}", self.reference().await?.rsplit(':').next().unwrap_or_default());
        let volume = Volume { name: name.clone(), ..Volume::default() };
        self.inner.engine.create_volume(&VolumeSpec { name: name.clone(), volume, labels: labels() }).await?;
        Ok(name)
    }

    /// Lets the program write itself into its volume, whole or not at all, from a container of its own image; there already is fine.
    ///
    /// Filled when a container has the volume, so that nobody can remove it as unused any more.
    pub(crate) async fn fill(&self) -> Result<(), OwnImageError> {
        let name = self.volume().await?;
        let mut outcome = self.write(&name).await;
        for _ in 1..TRIES {
            // Another command may have pruned the image, or the container before its start.
            match &outcome {
                Err(OwnImageError::Engine(EngineError::NotFound { .. }) | OwnImageError::NotWritten { .. }) => {}
                _ => break,
            }
            outcome = self.write(&name).await;
        }
        outcome
    }

    async fn write(&self, volume: &str) -> Result<(), OwnImageError> {
        let pipes = self.inner.engine.run_piped(&filler(self.provide().await?, volume)).await?;
        match pipes.finish(LIMIT).await? {
            0 => Ok(()),
            code => Err(OwnImageError::NotWritten { volume: volume.to_owned(), code }),
        }
    }
}

fn filler(image: ImageId, volume: &str) -> ContainerSpec {
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let mount = Mount { kind: MountKind::Volume, source: Some(volume.to_owned()), target: PLACE.to_owned(), ..Mount::default() };
    ContainerSpec {
        name: format!("chora-program-{}", uuid::Uuid::now_v7().simple()),
        image,
        service: Service {
            entrypoint: Some(Vec::new()),
            command: Some(words(&["/chora", "install-into", PLACE])),
            cap_drop: words(&["ALL"]),
            security_opt: words(&["no-new-privileges:true"]),
            read_only: true,
            ..Service::default()
        },
        labels: sidecar::labels(),
        attachments: Vec::new(),
        network_mode: Some("none".to_owned()),
        mounts: vec![mount],
        files: Vec::new(),
        publish: false,
    }
}

/// Removes the volumes with this program, of any version, that no container has; gives their names.
///
/// # Errors
/// What the engine says.
pub(crate) async fn remove_unused_volumes(engine: &dyn Engine) -> Result<Vec<String>, EngineError> {
    let mut removed = Vec::new();
    for volume in engine.volumes(&labels()).await? {
        match engine.remove_volume(&volume.name).await {
            Ok(()) => removed.push(volume.name),
            Err(EngineError::Conflict { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(removed)
}
