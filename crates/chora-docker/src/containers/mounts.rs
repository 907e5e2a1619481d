//! Volumes, binds, memory and image mounts, and the place for written files.

use bollard_stubs::models::{HostConfig, Mount, MountBindOptions, MountTmpfsOptions, MountType, MountVolumeOptions};
use chora_core::compose::{self, MountKind};
use chora_core::model::container::ContainerSpec;
use chora_core::ports::EngineError;

use crate::client::Handshake;
use crate::networks::table;

/// The one directory that gets a volume of its own, below a read-only root and over a tmpfs.
const SECRETS: &str = "/run/secrets";

/// Tells whether the files need a volume at `/run/secrets`; refuses places where they cannot be written or would be lost.
pub(super) fn place_for_files(spec: &ContainerSpec) -> Result<bool, EngineError> {
    let mut needs_volume = false;
    for file in &spec.files {
        let invalid = |why: &str| {
            Err(EngineError::Invalid { reason: format!("container `{}`: `{}` cannot be written: {why}", spec.name, file.path) })
        };
        let is_plain = file.path.starts_with('/') && !file.path.split('/').any(|part| part == "..");
        if !is_plain {
            return invalid("the path is not absolute and plain");
        }
        if lies_over_memory(spec, &file.path) {
            needs_volume = true;
            continue;
        }
        if in_memory(spec, &file.path) {
            return invalid("a tmpfs lies over it");
        }
        let lies_in = |mount: &&compose::Mount| lies_below(&file.path, &mount.target);
        let mounted = spec.mounts.iter().filter(lies_in).max_by_key(|mount| mount.target.len());
        if mounted.is_some_and(|mount| mount.read_only) {
            return invalid("it lies in a read-only mount");
        }
        if mounted.is_some() || !spec.service.read_only {
            continue;
        }
        if !lies_below(&file.path, SECRETS) {
            return invalid("the root is read-only; files go to /run/secrets there");
        }
        needs_volume = true;
    }
    Ok(needs_volume)
}

/// Gives the directory that a file is unpacked to: the mount it lies in, or the root.
pub(super) fn place_of<'a>(spec: &'a ContainerSpec, path: &str) -> &'a str {
    if lies_over_memory(spec, path) {
        return SECRETS;
    }
    let mounted = spec.mounts.iter().map(|mount| mount.target.as_str()).filter(|target| lies_below(path, target));
    let fallback = if spec.service.read_only { SECRETS } else { "/" };
    mounted.max_by_key(|target| target.len()).unwrap_or(fallback)
}

/// A secret whose directory can be mounted over the tmpfs above it, as the engine mounts what lies deeper later.
fn lies_over_memory(spec: &ContainerSpec, path: &str) -> bool {
    let over = |target: &str| target != SECRETS && !lies_below(target, SECRETS);
    let mounted = spec.mounts.iter().any(|mount| mount.target == SECRETS || lies_below(&mount.target, SECRETS));
    lies_below(path, SECRETS) && !mounted && in_memory(spec, path) && memory(spec).filter(|target| lies_below(path, target)).all(over)
}

fn in_memory(spec: &ContainerSpec, path: &str) -> bool {
    memory(spec).any(|target| lies_below(path, target))
}

/// Where the container has memory for a file system.
fn memory(spec: &ContainerSpec) -> impl Iterator<Item = &str> {
    let listed = spec.service.tmpfs.iter().map(|entry| entry.split(':').next().unwrap_or_default());
    let mounted = spec.mounts.iter().filter(|mount| mount.kind == MountKind::Tmpfs).map(|mount| mount.target.as_str());
    listed.chain(mounted)
}

fn lies_below(path: &str, directory: &str) -> bool {
    path.strip_prefix(directory.trim_end_matches('/')).is_some_and(|rest| rest.starts_with('/'))
}

pub(super) fn apply(host: &mut HostConfig, spec: &ContainerSpec, handshake: Handshake, keeps_files: bool) -> Result<(), EngineError> {
    let mut mounts = Vec::new();
    let mut binds = Vec::new();
    for mount in &spec.mounts {
        match mount.kind {
            MountKind::Bind if !needs_mount_form(mount) => binds.push(bind_line(mount)?),
            _ => mounts.push(translate(mount, handshake)?),
        }
    }
    if keeps_files {
        mounts.push(Mount { target: Some(SECRETS.to_owned()), typ: Some(MountType::VOLUME), ..Mount::default() });
    }
    let tmpfs = spec.service.tmpfs.iter().map(|entry| entry.split_once(':').unwrap_or((entry, "")));
    let tmpfs = tmpfs.map(|(target, options)| (target.to_owned(), options.to_owned())).collect::<std::collections::HashMap<_, _>>();
    host.tmpfs = (!tmpfs.is_empty()).then_some(tmpfs);
    host.mounts = (!mounts.is_empty()).then_some(mounts);
    host.binds = (!binds.is_empty()).then_some(binds);
    Ok(())
}

/// Only the older form makes a missing host directory on every engine and takes labels for `SELinux`; only the newer one
/// can insist on the directory, and take `recursive`.
fn needs_mount_form(mount: &compose::Mount) -> bool {
    let options = mount.bind.clone().unwrap_or_default();
    let needs = options.create_host_path == Some(false) || options.recursive.is_some();
    needs || mount.target.contains(':') || mount.source.as_deref().is_some_and(|source| source.contains(':'))
}

fn bind_line(mount: &compose::Mount) -> Result<String, EngineError> {
    let source = mount.source.as_deref().ok_or_else(|| refuse(mount, "a bind needs a source"))?;
    let bind = mount.bind.clone().unwrap_or_default();
    let access = if mount.read_only { "ro" } else { "rw" };
    let options: Vec<&str> = [Some(access), bind.selinux.as_deref(), bind.propagation.as_deref()].into_iter().flatten().collect();
    Ok(format!("{source}:{}:{}", mount.target, options.join(",")))
}

fn refuse(mount: &compose::Mount, why: &str) -> EngineError {
    EngineError::Invalid { reason: format!("mount at `{}`: {why}", mount.target) }
}

fn translate(mount: &compose::Mount, handshake: Handshake) -> Result<Mount, EngineError> {
    let mut made = Mount {
        target: Some(mount.target.clone()),
        source: mount.source.clone(),
        read_only: Some(mount.read_only),
        consistency: mount.consistency.clone(),
        ..Mount::default()
    };
    match mount.kind {
        MountKind::Bind => {
            made.typ = Some(MountType::BIND);
            made.bind_options = Some(bind_options(mount, handshake)?);
        }
        MountKind::Volume => {
            made.typ = Some(MountType::VOLUME);
            made.volume_options = volume_options(mount, handshake)?;
        }
        MountKind::Tmpfs => {
            made.typ = Some(MountType::TMPFS);
            made.source = None;
            made.tmpfs_options = mount.tmpfs.as_ref().map(|options| MountTmpfsOptions {
                size_bytes: options.size.map(|size| size.0),
                mode: options.mode.map(i64::from),
                options: None,
            });
        }
        MountKind::Npipe => made.typ = Some(MountType::NPIPE),
        MountKind::Image if handshake.has(1, 48) => made.typ = Some(MountType::IMAGE),
        MountKind::Image => return Err(refuse(mount, "an image as a mount needs engine API 1.48")),
        MountKind::Cluster => return Err(refuse(mount, "a cluster volume needs Swarm")),
    }
    Ok(made)
}

fn bind_options(mount: &compose::Mount, handshake: Handshake) -> Result<MountBindOptions, EngineError> {
    let bind = mount.bind.clone().unwrap_or_default();
    let creates = bind.create_host_path != Some(false);
    if bind.selinux.is_some() {
        return Err(refuse(mount, "`selinux` cannot be combined with `create_host_path: false`, `recursive` or a colon in a path"));
    }
    if creates && !handshake.has(1, 42) {
        return Err(refuse(mount, "`recursive` or a colon in a path needs engine API 1.42, or `create_host_path: false`"));
    }
    let unknown = |_| refuse(mount, "unknown propagation");
    let mut options = MountBindOptions {
        propagation: bind.propagation.as_ref().map(|word| word.parse()).transpose().map_err(unknown)?,
        create_mountpoint: creates.then_some(true),
        ..MountBindOptions::default()
    };
    match bind.recursive.as_deref() {
        None | Some("enabled") => {}
        Some("disabled") => options.non_recursive = Some(true),
        Some("writable") if handshake.has(1, 44) => options.read_only_non_recursive = Some(true),
        Some("readonly") if handshake.has(1, 44) => options.read_only_force_recursive = Some(true),
        Some(_) => return Err(refuse(mount, "this `recursive` needs engine API 1.44")),
    }
    Ok(options)
}

fn volume_options(mount: &compose::Mount, handshake: Handshake) -> Result<Option<MountVolumeOptions>, EngineError> {
    let Some(options) = &mount.volume else { return Ok(None) };
    if options.subpath.is_some() && !handshake.has(1, 45) {
        return Err(refuse(mount, "`subpath` needs engine API 1.45"));
    }
    Ok(Some(MountVolumeOptions {
        no_copy: Some(options.nocopy),
        labels: (!options.labels.is_empty()).then(|| table(&options.labels)),
        driver_config: None,
        subpath: options.subpath.clone(),
    }))
}

#[cfg(test)]
mod tests {
    use chora_core::compose::{BindOptions, Mount, MountKind};

    use super::{bind_line, lies_below, needs_mount_form, translate};
    use crate::client::Handshake;

    fn bind(options: BindOptions) -> Mount {
        Mount { kind: MountKind::Bind, source: Some("/a".into()), target: "/b".into(), bind: Some(options), ..Mount::default() }
    }

    #[test]
    fn binds_take_the_form_that_can_say_what_is_asked() {
        let plain = bind(BindOptions { selinux: Some("z".into()), propagation: Some("rslave".into()), ..BindOptions::default() });
        assert!(!needs_mount_form(&plain));
        assert_eq!(bind_line(&Mount { read_only: true, ..plain }).unwrap(), "/a:/b:ro,z,rslave");
        let strict = bind(BindOptions { create_host_path: Some(false), ..BindOptions::default() });
        assert!(needs_mount_form(&strict));
        let old = Handshake { api: (1, 41), buildkit: true };
        assert_eq!(translate(&strict, old).unwrap().bind_options.unwrap().create_mountpoint, None);
        let both = bind(BindOptions { create_host_path: Some(false), selinux: Some("z".into()), ..BindOptions::default() });
        assert!(translate(&both, old).is_err());
    }

    #[test]
    fn paths_lie_below_whole_directories_only() {
        assert!(lies_below("/run/secrets/a", "/run/secrets"));
        assert!(lies_below("/a", "/"));
        assert!(!lies_below("/run/secretsx", "/run/secrets"));
    }
}
