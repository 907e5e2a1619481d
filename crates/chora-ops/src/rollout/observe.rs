//! The engine's state of one project, read in three calls.

use std::collections::BTreeSet;

use chora_core::compose::Stack;
use chora_core::model::container::ContainerFilter;
use chora_core::plan::{Observed, labels};
use chora_core::ports::EngineError;
use indexmap::IndexMap;

use crate::context::Context;

/// Lists the project's containers, networks and volumes, and external ones that the stack names.
pub(crate) async fn observe(cx: &Context, project: &str, stack: &Stack) -> Result<Observed, EngineError> {
    let own = IndexMap::from([(labels::PROJECT.to_owned(), project.to_owned())]);
    let filter = ContainerFilter { labels: own.clone(), all: true };
    let (containers, mut networks, volumes) =
        futures_util::future::try_join3(cx.engine.containers(&filter), cx.engine.networks(&own), cx.engine.volumes(&own)).await?;
    let mut names: BTreeSet<String> = volumes.into_iter().map(|volume| volume.name).collect();
    for volume in stack.volumes.values().filter(|volume| !names.contains(&volume.name)).collect::<Vec<_>>() {
        if cx.engine.volume(&volume.name).await?.is_some() {
            names.insert(volume.name.clone());
        }
    }
    for network in stack.networks.values() {
        if networks.iter().all(|known| known.name != network.name) {
            networks.extend(cx.engine.network(&network.name).await?);
        }
    }
    Ok(Observed::new(&containers, &networks, names))
}
