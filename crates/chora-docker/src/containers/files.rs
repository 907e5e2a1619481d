//! Files written into a container before its start, and read from it.

use bytes::Bytes;
use chora_core::model::container::{ContainerSpec, FileContent};
use chora_core::ports::EngineError;
use futures_util::StreamExt;
use http_body_util::BodyDataStream;
use std::io::Read;

use super::{about, mounts, path};
use crate::client::{Call, Client, LONG};

/// Symbolic links followed before giving up.
const LINKS: usize = 16;
/// What the archive needs beside the content: headers and padding.
const OVERHEAD: usize = 8 * 1024;

/// Writes configs and secrets; parent directories that are missing are made by the engine with mode 0755.
///
/// Below a read-only root the engine takes files only where the directory it unpacks to lies in a volume itself.
pub(super) async fn write(client: &Client, spec: &ContainerSpec, id: &str) -> Result<(), EngineError> {
    let mut places: Vec<(&str, Vec<&FileContent>)> = Vec::new();
    for file in &spec.files {
        let place = mounts::place_of(spec, &file.path);
        match places.iter_mut().find(|(known, _)| *known == place) {
            Some((_, files)) => files.push(file),
            None => places.push((place, vec![file])),
        }
    }
    for (place, files) in places {
        let invalid = |error| EngineError::Invalid { reason: format!("container `{}`: {error}", spec.name) };
        let archive = archive(place, &files).map_err(invalid)?;
        let call = Call::put(path(id, "/archive"), about(&spec.name))
            .query("path", place)
            .bytes("application/x-tar", Bytes::from(archive))
            .limit(Some(LONG));
        client.unit(call).await?;
    }
    Ok(())
}

fn archive(place: &str, files: &[&FileContent]) -> std::io::Result<Vec<u8>> {
    let mut builder = tar::Builder::new(Vec::new());
    for file in files {
        let content = file.content.expose();
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(tar::EntryType::Regular);
        header.set_size(content.len() as u64);
        header.set_mode(file.mode);
        header.set_uid(file.uid);
        header.set_gid(file.gid);
        header.set_mtime(0);
        let name = file.path.strip_prefix(place).unwrap_or(&file.path).trim_start_matches('/');
        builder.append_data(&mut header, name, content.as_slice())?;
    }
    builder.into_inner()
}

/// Reads one file; links are followed inside the container.
pub(crate) async fn read_file(client: &Client, container: &str, file: &str, limit: usize) -> Result<Option<Vec<u8>>, EngineError> {
    let mut current = file.to_owned();
    for _ in 0..LINKS {
        match fetch(client, container, &current, limit).await? {
            Fetched::Content(content) => return Ok(Some(content)),
            Fetched::Link(target) => current = resolve(&current, &target),
            Fetched::Missing => return Ok(None),
            Fetched::Other => {
                return Err(EngineError::Invalid { reason: format!("`{current}` in container `{container}` is not a regular file") });
            }
        }
    }
    Err(EngineError::Invalid { reason: format!("`{file}` in container `{container}` is a loop of links") })
}

enum Fetched {
    Content(Vec<u8>),
    Link(String),
    Missing,
    Other,
}

async fn fetch(client: &Client, container: &str, file: &str, limit: usize) -> Result<Fetched, EngineError> {
    let call = Call::get(path(container, "/archive"), about(container)).query("path", file);
    let response = match client.open(call).await {
        Ok(response) => response,
        Err(EngineError::NotFound { .. }) => return missing(client, container).await,
        Err(error) => return Err(error),
    };
    let mut body = BodyDataStream::new(response.into_body());
    let mut archive = Vec::new();
    while let Some(bytes) = body.next().await {
        archive.extend_from_slice(&bytes.map_err(|error| client.lost(&error))?);
        if archive.len() > limit.saturating_add(OVERHEAD) {
            break;
        }
    }
    unpack(&archive, limit).map_err(|error| EngineError::Failed { reason: format!("its archive of `{file}` cannot be read: {error}") })
}

/// Tells a missing file from a missing container.
async fn missing(client: &Client, container: &str) -> Result<Fetched, EngineError> {
    client.unit(Call::get(path(container, "/json"), about(container))).await.map(|()| Fetched::Missing)
}

fn unpack(archive: &[u8], limit: usize) -> std::io::Result<Fetched> {
    let mut archive = tar::Archive::new(archive);
    let Some(entry) = archive.entries()?.next() else { return Ok(Fetched::Missing) };
    let entry = entry?;
    match entry.header().entry_type() {
        tar::EntryType::Regular | tar::EntryType::Link => {
            let mut content = Vec::new();
            entry.take(limit as u64).read_to_end(&mut content)?;
            Ok(Fetched::Content(content))
        }
        tar::EntryType::Symlink => {
            Ok(entry.link_name()?.map_or(Fetched::Other, |target| Fetched::Link(target.to_string_lossy().into_owned())))
        }
        _ => Ok(Fetched::Other),
    }
}

fn resolve(link: &str, target: &str) -> String {
    if target.starts_with('/') {
        return target.to_owned();
    }
    let parent = link.rsplit_once('/').map_or("", |(parent, _)| parent);
    format!("{parent}/{target}")
}

#[cfg(test)]
mod tests {
    use super::resolve;

    #[test]
    fn links_are_relative_to_their_directory() {
        assert_eq!(resolve("/a/b", "c"), "/a/c");
        assert_eq!(resolve("/a", "c"), "/c");
        assert_eq!(resolve("/a/b", "/c"), "/c");
    }
}
