//! A build context as `BuildKit` asks for it: a list of files, and the contents of those that it does not have yet.
//!
//! The protocol is that of fsutil, "the sender": <https://github.com/tonistiigi/fsutil/blob/master/send.go>.

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use bollard_buildkit_proto::fsutil::types::packet::PacketType;
use bollard_buildkit_proto::fsutil::types::{Packet, Stat};
use bytes::Bytes;
use chora_core::model::digest::Digest;
use chora_core::model::image::{ImageBuild, OWN_DOCKERFILE};
use indexmap::IndexMap;

/// Bytes of a piece of a file; a message may have 4 MiB.
const PIECE: usize = 256 * 1024;
/// Bits of a mode as Go's `os.FileMode` has them.
const DIRECTORY: u32 = 1 << 31;
const SYMLINK: u32 = 1 << 27;
const SET_UID: (u32, u32) = (0o4000, 1 << 23);
const SET_GID: (u32, u32) = (0o2000, 1 << 22);
const STICKY: (u32, u32) = (0o1000, 1 << 20);

/// What stands at a path.
#[derive(Debug, Clone)]
struct Entry {
    stat: Stat,
    content: Bytes,
}

/// The files of one directory, parents before what is in them.
#[derive(Debug, Clone, Default)]
pub(super) struct Directory(IndexMap<PathBuf, Entry>);

/// What a build reads.
#[derive(Debug, Default)]
pub(super) struct Context {
    /// The context, without a Dockerfile that is Chora's own.
    pub(super) files: Directory,
    /// The Dockerfile alone.
    pub(super) dockerfile: Directory,
    /// The same for contexts that are the same, and for no others: all files have one time, as tools that compare times expect, so that
    /// `BuildKit` could not tell a change that leaves the size as it was.
    pub(super) key: String,
}

impl Context {
    /// Takes the archive of a build apart.
    pub(super) fn of(build: &ImageBuild) -> io::Result<Self> {
        let mut context = Self { key: Digest::of(&build.context).to_string(), ..Self::default() };
        let mut archive = tar::Archive::new(build.context.as_ref());
        for entry in archive.entries()? {
            let entry = entry?;
            let path: PathBuf = entry.path()?.components().filter(|part| matches!(part, std::path::Component::Normal(_))).collect();
            let begin = usize::try_from(entry.raw_file_position()).unwrap_or(usize::MAX);
            let end = begin.saturating_add(usize::try_from(entry.size()).unwrap_or(usize::MAX));
            if path.as_os_str().is_empty() || end > build.context.len() {
                continue;
            }
            let entry = Entry::of(&path, entry.header(), entry.link_name()?.as_deref(), build.context.slice(begin..end))?;
            if path == Path::new(&build.dockerfile) {
                context.dockerfile.put(path.clone(), entry.clone());
            }
            if path != Path::new(OWN_DOCKERFILE) {
                context.files.put(path, entry);
            }
        }
        context.files.0.sort_keys();
        context.dockerfile.0.sort_keys();
        Ok(context)
    }
}

/// The same archive for the classic builder, which copies all of it but what its ignore file names: the Dockerfile that is Chora's
/// own, and the file that says so where the context has none.
pub(super) fn for_classic(build: &ImageBuild) -> io::Result<Bytes> {
    const IGNORE: &str = ".dockerignore";
    let (mut ignore, mut end) = (None, 0);
    for entry in tar::Archive::new(build.context.as_ref()).entries()? {
        let mut entry = entry?;
        let is_file = entry.header().entry_type().is_file();
        end = entry.raw_file_position() + entry.size().next_multiple_of(512);
        if entry.path()? == Path::new(IGNORE) {
            if !is_file {
                // What it leads to is not ours to change.
                return Ok(build.context.clone());
            }
            let mut text = Vec::new();
            entry.read_to_end(&mut text)?;
            ignore = Some(text);
        }
    }
    let ignore = match ignore {
        Some(text) => [&text, format!("\n{OWN_DOCKERFILE}\n").as_bytes()].concat(),
        None => format!("{OWN_DOCKERFILE}\n{IGNORE}\n").into_bytes(),
    };
    // What comes last counts.
    let kept = usize::try_from(end).ok().and_then(|end| build.context.get(..end)).ok_or(io::ErrorKind::UnexpectedEof)?;
    let mut archive = tar::Builder::new(kept.to_vec());
    let mut header = tar::Header::new_gnu();
    header.set_mode(0o644);
    header.set_size(ignore.len() as u64);
    archive.append_data(&mut header, IGNORE, &ignore[..])?;
    archive.into_inner().map(Bytes::from)
}

impl Entry {
    fn of(path: &Path, header: &tar::Header, link: Option<&Path>, content: Bytes) -> io::Result<Self> {
        if let Some(name) = [Some(path), link].into_iter().flatten().find(|name| name.to_str().is_none()) {
            return Err(io::Error::new(io::ErrorKind::InvalidData, format!("the name {name:?} is not UTF-8, which BuildKit needs")));
        }
        let mode = header.mode()?;
        let bits = |(unix, go): (u32, u32)| if mode & unix == 0 { 0 } else { go };
        let mut stat = Stat { path: text(path), mode: mode & 0o777 | bits(SET_UID) | bits(SET_GID) | bits(STICKY), ..Stat::default() };
        if header.entry_type().is_dir() {
            stat.mode |= DIRECTORY;
        } else if let Some(link) = link {
            (stat.mode, stat.linkname) = (SYMLINK | 0o777, text(link));
        } else {
            stat.size = i64::try_from(content.len()).unwrap_or(i64::MAX);
        }
        Ok(Self { stat, content })
    }

    fn directory(path: &Path) -> Self {
        Self { stat: Stat { path: text(path), mode: DIRECTORY | 0o755, ..Stat::default() }, content: Bytes::new() }
    }

    const fn is_file(&self) -> bool {
        self.stat.mode & (DIRECTORY | SYMLINK) == 0
    }
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

impl Directory {
    /// Puts something in, and the directories that it is in.
    fn put(&mut self, path: PathBuf, entry: Entry) {
        for parent in path.ancestors().skip(1).filter(|parent| !parent.as_os_str().is_empty()) {
            self.0.entry(parent.to_owned()).or_insert_with(|| Entry::directory(parent));
        }
        self.0.insert(path, entry);
    }

    /// What may be asked for by these paths, each of which may end in a pattern; all of it where there are none. A link among it may
    /// lead anywhere: then all of it as well.
    pub(super) fn at(&self, wanted: &[String]) -> Self {
        let fixed: Vec<PathBuf> = wanted.iter().map(|path| fixed(path)).collect();
        let meets = |path: &Path| fixed.iter().any(|fixed| path.starts_with(fixed) || fixed.starts_with(path));
        let leads_on = self.0.iter().any(|(path, entry)| entry.stat.mode & SYMLINK != 0 && meets(path));
        if leads_on || fixed.is_empty() || fixed.iter().any(|path| path.as_os_str().is_empty()) {
            return self.clone();
        }
        Self(self.0.iter().filter(|(path, _)| meets(path)).map(|(path, entry)| (path.clone(), entry.clone())).collect())
    }

    /// The list of what is there, and its end.
    pub(super) fn list(&self) -> impl Iterator<Item = Packet> + '_ {
        let stats = self.0.values().map(|entry| Some(entry.stat.clone())).chain([None]);
        stats.map(|stat| Packet { r#type: PacketType::PacketStat.into(), stat, ..Packet::default() })
    }

    /// The pieces of what has a place in the list, and their end; `None` where no file has it.
    pub(super) fn pieces(&self, id: u32) -> Option<impl Iterator<Item = Packet> + use<>> {
        let entry = self.0.get_index(usize::try_from(id).ok()?).map(|(_, entry)| entry).filter(|entry| entry.is_file())?;
        let content = entry.content.clone();
        let ends = (0..content.len()).step_by(PIECE).map(move |begin| (begin, content.len().min(begin + PIECE), content.clone()));
        let pieces = ends.map(|(begin, end, content)| content.slice(begin..end).to_vec()).chain([Vec::new()]);
        Some(pieces.map(move |data| Packet { r#type: PacketType::PacketData.into(), id, data, ..Packet::default() }))
    }
}

/// The part of a path before its first pattern, without what leads nowhere; nothing where it leads back.
fn fixed(path: &str) -> PathBuf {
    if Path::new(path).components().any(|part| part == std::path::Component::ParentDir) {
        return PathBuf::new();
    }
    let parts = Path::new(path).components().filter_map(|part| match part {
        std::path::Component::Normal(part) => Some(part),
        _ => None,
    });
    parts.take_while(|part| !part.to_string_lossy().contains(['*', '?', '[', '\\', '!'])).collect()
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::path::Path;

    use bollard_buildkit_proto::fsutil::types::Packet;
    use chora_core::model::image::{ImageBuild, OWN_DOCKERFILE};
    use indexmap::IndexMap;

    use super::{Context, DIRECTORY, Directory, PIECE, SYMLINK};

    fn context(files: &[(&str, &[u8])]) -> Context {
        let mut archive = tar::Builder::new(Vec::new());
        for (path, content) in files {
            let mut header = tar::Header::new_gnu();
            header.set_mode(0o4755);
            header.set_size(content.len() as u64);
            if let Some(link) = path.strip_suffix('@') {
                header.set_entry_type(tar::EntryType::Symlink);
                archive.append_link(&mut header, link, "elsewhere").expect("memory");
            } else {
                archive.append_data(&mut header, path, *content).expect("memory");
            }
        }
        Context::of(&build(archive)).expect("an archive")
    }

    fn build(archive: tar::Builder<Vec<u8>>) -> ImageBuild {
        ImageBuild {
            service: "web".to_owned(),
            build: chora_core::compose::Build::default(),
            args: IndexMap::new(),
            dockerfile: OWN_DOCKERFILE.to_owned(),
            tags: Vec::new(),
            labels: IndexMap::new(),
            platform: None,
            secrets: IndexMap::new(),
            context: archive.into_inner().expect("memory").into(),
        }
    }

    fn paths(directory: &Directory) -> Vec<String> {
        directory.list().filter_map(|packet| packet.stat).map(|stat| stat.path).collect()
    }

    #[test]
    fn parents_come_first_and_the_own_dockerfile_is_apart() {
        let context = context(&[("a-b", b"1"), ("a/c", b"2"), (OWN_DOCKERFILE, b"FROM scratch"), ("l@", b"")]);
        assert_eq!(paths(&context.files), ["a", "a/c", "a-b", "l"]);
        assert_eq!(paths(&context.dockerfile), [OWN_DOCKERFILE]);
        let modes: Vec<u32> = context.files.list().filter_map(|packet| packet.stat).map(|stat| stat.mode).collect();
        assert_eq!(modes, [DIRECTORY | 0o755, 0o755 | 1 << 23, 0o755 | 1 << 23, SYMLINK | 0o777]);
        assert!(context.files.list().last().expect("an end").stat.is_none());
    }

    #[test]
    fn contexts_are_told_apart_by_what_is_in_them() {
        let key = |content: &[u8]| context(&[("a", content), ("b", b"same")]).key;
        assert_eq!(key(b"x"), key(b"x"));
        assert_ne!(key(b"x"), key(b"y"));
    }

    #[test]
    fn a_name_that_cannot_be_sent_is_told() {
        use std::os::unix::ffi::OsStrExt as _;
        let mut archive = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_size(0);
        archive.append_data(&mut header, Path::new(OsStr::from_bytes(b"caf\xe9")), &[][..]).expect("memory");
        let error = Context::of(&build(archive)).expect_err("no text");
        assert!(error.to_string().contains("caf"), "{error}");
    }

    #[test]
    fn contents_come_in_pieces_and_end_with_none() {
        let large = vec![7; PIECE + 1];
        let context = context(&[("d/large", &large), ("empty", b"")]);
        let sizes = |id| context.files.pieces(id).map(|pieces| pieces.map(|Packet { data, .. }| data.len()).collect::<Vec<_>>());
        assert_eq!(sizes(0), None, "a directory has none");
        assert_eq!(sizes(1), Some(vec![PIECE, 1, 0]));
        assert_eq!(sizes(2), Some(vec![0]));
        assert_eq!(sizes(3), None);
    }

    #[test]
    fn only_what_is_asked_for_is_listed() {
        let files: &[(&str, &[u8])] = &[("src/a/b", b""), ("src/c", b""), ("srcs", b""), ("docs/x.md", b""), (".dockerignore", b"")];
        let at = |wanted: &[&str]| paths(&context(files).files.at(&wanted.iter().map(ToString::to_string).collect::<Vec<_>>()));
        assert_eq!(at(&["src"]), ["src", "src/a", "src/a/b", "src/c"]);
        assert_eq!(at(&["./src/a", "docs/*.md"]), ["docs", "docs/x.md", "src", "src/a", "src/a/b"]);
        assert_eq!(at(&[".dockerignore"]), [".dockerignore"]);
        assert_eq!(at(&[]).len(), 8);
        assert_eq!(at(&["*.md"]).len(), 8);
        assert_eq!(at(&["a/../src"]).len(), 8);
        let linked = context(&[("src/a", b""), ("other", b""), ("l@", b"")]);
        assert_eq!(paths(&linked.files.at(&["src".to_owned()])), ["src", "src/a"]);
        assert_eq!(paths(&linked.files.at(&["l/x".to_owned()])).len(), 4);
    }
}
