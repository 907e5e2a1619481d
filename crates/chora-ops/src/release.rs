//! Releases: made from a project, found again, retained.

use std::collections::BTreeSet;

use chora_core::compose::{FileObject, Stack};
use chora_core::model::deployment::DeploymentAction;
use chora_core::model::digest::Digest;
use chora_core::model::ids::{EnvironmentName, ReleaseId};
use chora_core::model::image::ImagePin;
use chora_core::model::release::Release;
use chora_core::plan::fingerprint;
use chora_core::plan::gateway::sent_files;
use indexmap::IndexMap;

use crate::context::Context;
use crate::failure::{Failure, FailureKind};
use crate::project::Project;
use crate::redactor::is_public;

/// Hashes configs and secrets in use; configs' contents are kept, secrets' are not.
pub(crate) async fn digest_files(cx: &Context, stack: &Stack) -> Result<IndexMap<String, Digest>, Failure> {
    let used = |pick: fn(&chora_core::compose::Service) -> &Vec<chora_core::compose::FileReference>| -> BTreeSet<String> {
        stack.services.values().flat_map(pick).map(|reference| reference.source.clone()).collect()
    };
    let mut files = IndexMap::new();
    let none = FileObject::default();
    for key in used(|service| &service.configs) {
        let object = stack.configs.get(&key).unwrap_or(&none);
        let value = cx.secrets.value(&key, object).await?;
        files.insert(format!("config:{key}"), cx.blobs.put(value.expose()).await?);
    }
    let sent = sent_files(stack).map(str::to_owned);
    for key in used(|service| &service.secrets).into_iter().chain(sent) {
        let object = stack.secrets.get(&key).unwrap_or(&none);
        let value = cx.secrets.value(&key, object).await?;
        if !is_public(&key, &value) {
            cx.redactor.learn(&value);
        }
        files.insert(format!("secret:{key}"), Digest::of(value.expose()));
    }
    Ok(files)
}

/// Makes a release of a project whose images and files are known; it is not recorded yet.
pub(crate) fn make(
    cx: &Context,
    project: &Project,
    version: &str,
    images: IndexMap<String, ImagePin>,
    files: IndexMap<String, Digest>,
) -> Result<Release, Failure> {
    let mut fingerprints = IndexMap::new();
    for (name, service) in &project.stack.services {
        let Some(pin) = images.get(name) else { continue };
        let digest = fingerprint(&project.stack, service, &pin.id, &files, project.bridges.get(name))
            .map_err(|error| Failure::new(FailureKind::Internal, error.to_string()))?;
        fingerprints.insert(name.clone(), digest);
    }
    Ok(Release {
        id: ReleaseId::new(cx.host.fresh_id()),
        version: version.to_owned(),
        environment: project.environment.name.clone(),
        created_at: cx.clock.now(),
        stack: project.stack.clone(),
        images,
        files,
        fingerprints,
        bridges: project.bridges.clone(),
    })
}

/// The release that is live in an environment.
pub(crate) async fn live(cx: &Context, environment: &EnvironmentName) -> Result<Option<Release>, Failure> {
    match cx.store.live_release(environment).await? {
        Some(id) => Ok(cx.store.release(&id).await?),
        None => Ok(None),
    }
}

/// The newest releases that were live and healthy, each once, at most so many.
pub(crate) async fn good(cx: &Context, environment: &EnvironmentName, most: usize) -> Result<Vec<Release>, Failure> {
    let mut seen = BTreeSet::new();
    let mut found = Vec::new();
    for made_live in cx.store.made_live(environment).await? {
        if found.len() == most {
            break;
        }
        if seen.insert(made_live.release.clone())
            && let Some(release) = cx.store.release(&made_live.release).await?
        {
            found.push(release);
        }
    }
    Ok(found)
}

/// The newest release of this id or version that was live and healthy.
pub(crate) async fn named(cx: &Context, environment: &EnvironmentName, name: &str) -> Result<Option<Release>, Failure> {
    let good = cx.store.made_live(environment).await?;
    for made_live in good.iter().filter(|made_live| made_live.release.as_str() == name || made_live.version == name) {
        if let Some(release) = cx.store.release(&made_live.release).await? {
            return Ok(Some(release));
        }
    }
    Ok(None)
}

/// The release to go back to when none is named: the one that was live before the live one was first deployed.
pub(crate) async fn last_good(cx: &Context, environment: &EnvironmentName, live: &ReleaseId) -> Result<Option<Release>, Failure> {
    let good = cx.store.made_live(environment).await?;
    // Newest first: the first deployment of the live release is the last one in the list.
    let mut brought = good.iter().rev().filter(|made_live| &made_live.release == live);
    let Some(first) = brought.find(|made_live| made_live.action == DeploymentAction::Deploy) else { return Ok(None) };
    match cx.store.deployment(&first.deployment).await?.and_then(|deployment| deployment.previous) {
        Some(id) => Ok(cx.store.release(&id).await?),
        None => Ok(None),
    }
}
