//! What a build of buildx reads: the files of the archive that the engine gets, and the Dockerfile beside them.

use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use chora_core::model::digest::Digest;
use chora_core::model::image::{ImageBuild, OWN_DOCKERFILE};
use tempfile::TempDir;

/// Where buildx finds what it builds from.
pub(super) struct Given {
    pub(super) dockerfile: String,
    /// A directory.
    pub(super) context: String,
}

impl Given {
    /// Lets go of what is in a folder although some of its folders may not be written to.
    pub(super) fn forget(folder: TempDir) -> io::Result<()> {
        let mut open = vec![folder.path().to_owned()];
        while let Some(inner) = open.pop() {
            std::fs::set_permissions(&inner, Permissions::from_mode(0o700))?;
            for entry in std::fs::read_dir(inner)? {
                let entry = entry?;
                open.extend(entry.file_type()?.is_dir().then(|| entry.path()));
            }
        }
        folder.close()
    }

    /// Lays the files out: the Dockerfile is Chora's own and is not to be copied, and of an archive everything can be.
    pub(super) fn of(build: &ImageBuild, folder: &Path) -> io::Result<Self> {
        // buildx calls what it sends by the name of its folder, and a builder compares with what it has had under that name: by size and
        // time, and the time is one for all.
        let (context, dockerfile) = (folder.join(Digest::of(&build.context).to_string().replace(':', "-")), folder.join("Dockerfile"));
        std::fs::create_dir(&context)?;
        let mut archive = tar::Archive::new(build.context.as_ref());
        archive.set_preserve_permissions(true);
        archive.unpack(&context)?;
        std::fs::rename(context.join(OWN_DOCKERFILE), &dockerfile)?;
        // What is to be left out is not there any more, whatever an ignore file of the context says.
        std::fs::write(folder.join("Dockerfile.dockerignore"), "# nothing\n")?;
        Ok(Self { dockerfile: dockerfile.display().to_string(), context: context.display().to_string() })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use chora_core::compose::Build;
    use chora_core::model::image::{ImageBuild, OWN_DOCKERFILE};
    use indexmap::IndexMap;

    use super::Given;

    fn build() -> ImageBuild {
        let mut archive = tar::Builder::new(Vec::new());
        for (path, text) in [("a/b", "1"), (OWN_DOCKERFILE, "FROM scratch\n"), (".dockerignore", "a\n")] {
            let mut header = tar::Header::new_gnu();
            header.set_size(text.len() as u64);
            header.set_mode(0o640);
            archive.append_data(&mut header, path, text.as_bytes()).unwrap();
        }
        ImageBuild {
            service: "web".into(),
            build: Build::default(),
            args: IndexMap::new(),
            dockerfile: OWN_DOCKERFILE.into(),
            tags: Vec::new(),
            labels: IndexMap::new(),
            platform: None,
            secrets: IndexMap::new(),
            context: archive.into_inner().unwrap().into(),
        }
    }

    #[test]
    fn a_dockerfile_of_choras_own_is_beside_the_context() {
        let folder = tempfile::tempdir().unwrap();
        let own = Given::of(&build(), folder.path()).unwrap();
        assert_eq!(std::fs::read_to_string(&own.dockerfile).unwrap(), "FROM scratch\n");
        let names: BTreeSet<String> =
            std::fs::read_dir(&own.context).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        assert_eq!(names.into_iter().collect::<Vec<_>>(), [".dockerignore", "a"]);
    }
}
