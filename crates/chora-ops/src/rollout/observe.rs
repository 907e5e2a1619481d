//! The engine's state of one project, read in three calls.

use chora_core::compose::Stack;
use chora_core::model::container::ContainerFilter;
use chora_core::plan::{Observed, labels};
use chora_core::ports::EngineError;
use futures_util::future::{try_join, try_join_all, try_join3};
use indexmap::IndexMap;

use crate::context::Context;

/// Lists the project's containers, networks and volumes, and external ones that the stack names.
pub(crate) async fn observe(cx: &Context, project: &str, stack: &Stack) -> Result<Observed, EngineError> {
    let own = IndexMap::from([(labels::PROJECT.to_owned(), project.to_owned())]);
    let filter = ContainerFilter { labels: own.clone(), all: true };
    let (containers, mut networks, mut volumes) =
        try_join3(cx.engine.containers(&filter), cx.engine.networks(&own), cx.engine.volumes(&own)).await?;
    // External ones do not carry the project's label.
    let others = stack.volumes.values().filter(|volume| volumes.iter().all(|known| known.name != volume.name));
    let other_volumes = try_join_all(others.map(|volume| cx.engine.volume(&volume.name)).collect::<Vec<_>>());
    let unknown = stack.networks.values().filter(|network| networks.iter().all(|known| known.name != network.name));
    let other_networks = try_join_all(unknown.map(|network| cx.engine.network(&network.name)).collect::<Vec<_>>());
    let (other_volumes, other_networks) = try_join(other_volumes, other_networks).await?;
    volumes.extend(other_volumes.into_iter().flatten());
    networks.extend(other_networks.into_iter().flatten());
    Ok(Observed::new(&containers, &networks, &volumes))
}
