//! The service that `BuildKit` fetches a build context from.

use std::sync::Arc;

use bollard_buildkit_proto::fsutil::types::Packet;
use bollard_buildkit_proto::fsutil::types::packet::PacketType;
use bollard_buildkit_proto::moby::filesync::v1::file_sync_server::FileSync;
use futures_core::stream::BoxStream;
use futures_util::{StreamExt as _, stream};
use tokio::sync::mpsc;
use tonic::metadata::MetadataMap;
use tonic::{Request, Response, Status, Streaming};

use super::context::{Context, Directory};

/// Packets that wait to be sent.
const WAITING: usize = 16;

/// Gives out the context of one build.
pub(super) struct Files(Arc<Context>);

impl Files {
    pub(super) fn new(context: Context) -> Self {
        Self(Arc::new(context))
    }

    /// The directory that is asked for, and which part of it.
    fn asked(&self, metadata: &MetadataMap) -> Result<Directory, Status> {
        let directory = match metadata.get("dir-name").and_then(|name| name.to_str().ok()) {
            Some("context") => &self.0.files,
            Some("dockerfile") => &self.0.dockerfile,
            other => return Err(Status::not_found(format!("the build has no directory `{}`", other.unwrap_or_default()))),
        };
        let paths = ["followpaths", "include-patterns"].into_iter().flat_map(|key| metadata.get_all(key).iter());
        let paths: Vec<String> = paths.filter_map(|path| path.to_str().ok()).map(str::to_owned).collect();
        // Otherwise what is not plain ASCII is sent as it would be in an address: all of it does as well.
        let is_encoded =
            metadata.keys().any(|key| matches!(key, tonic::metadata::KeyRef::Ascii(key) if key.as_str().ends_with("-encoded")));
        Ok(if is_encoded { directory.clone() } else { directory.at(&paths) })
    }
}

#[tonic::async_trait]
impl FileSync for Files {
    type DiffCopyStream = BoxStream<'static, Result<Packet, Status>>;
    type TarStreamStream = BoxStream<'static, Result<Packet, Status>>;

    async fn diff_copy(&self, request: Request<Streaming<Packet>>) -> Result<Response<Self::DiffCopyStream>, Status> {
        let directory = self.asked(request.metadata())?;
        let (sender, receiver) = mpsc::channel(WAITING);
        tokio::spawn(send(directory, request.into_inner(), sender));
        let packets = stream::unfold(receiver, async |mut receiver| receiver.recv().await.map(|packet| (packet, receiver)));
        Ok(Response::new(packets.boxed()))
    }

    async fn tar_stream(&self, _: Request<Streaming<Packet>>) -> Result<Response<Self::TarStreamStream>, Status> {
        Err(Status::unimplemented("a context is sent file by file"))
    }
}

/// Sends the list, then what is asked for, until the other side has all that it wants or is gone.
async fn send(directory: Directory, mut asked: Streaming<Packet>, sender: mpsc::Sender<Result<Packet, Status>>) {
    for packet in directory.list() {
        if sender.send(Ok(packet)).await.is_err() {
            return;
        }
    }
    while let Ok(Some(packet)) = asked.message().await {
        match packet.r#type() {
            PacketType::PacketReq => {
                let Some(pieces) = directory.pieces(packet.id) else {
                    let fault = Status::invalid_argument(format!("number {} is no file of the list", packet.id));
                    return drop(sender.send(Err(fault)).await);
                };
                for piece in pieces {
                    if sender.send(Ok(piece)).await.is_err() {
                        return;
                    }
                }
            }
            PacketType::PacketFin => {
                let end = Packet { r#type: PacketType::PacketFin.into(), ..Packet::default() };
                return drop(sender.send(Ok(end)).await);
            }
            PacketType::PacketErr => {
                tracing::debug!("the build takes no more of its context: {}", String::from_utf8_lossy(&packet.data));
                return;
            }
            PacketType::PacketStat | PacketType::PacketData => {}
        }
    }
}
