//! `chora install-into`: this program writes itself into a volume, from a container of its own image.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use chora_ops::{Failure, FailureKind};
use clap::Args;

use super::output::Answer;

/// The program's name there.
const NAME: &str = "chora";

/// Copy this program into a directory, whole or not at all
#[derive(Debug, Args)]
pub(crate) struct InstallArgs {
    /// The directory
    #[arg(value_name = "DIR")]
    directory: PathBuf,
}

pub(crate) fn run(args: &InstallArgs) -> Result<Answer, Failure> {
    let copied = std::env::current_exe().and_then(|program| copy(&program, &args.directory));
    copied.map(|()| Answer::written(0)).map_err(|error| {
        let message = format!("this program cannot be copied into {}: {error}", args.directory.display());
        Failure::new(FailureKind::Unavailable, message).hint("make the directory writable, and the disk larger")
    })
}

/// Copies a program; one that is there already with all its bytes is left alone, because it may be running.
fn copy(program: &Path, directory: &Path) -> io::Result<()> {
    let content = fs::read(program)?;
    let place = directory.join(NAME);
    if fs::read(&place).is_ok_and(|there| there == content) {
        return Ok(());
    }
    // Several may write at once, each the first process of a container of its own.
    let unfinished = directory.join(format!(".{NAME}-{}", uuid::Uuid::now_v7().simple()));
    fs::write(&unfinished, &content)?;
    fs::set_permissions(&unfinished, Permissions::from_mode(0o755))?;
    fs::File::open(&unfinished)?.sync_all()?;
    fs::rename(&unfinished, &place)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

    use super::copy;

    #[test]
    fn it_is_there_whole_for_everybody_and_written_once() {
        let folder = tempfile::tempdir().unwrap();
        let (program, place) = (folder.path().join("program"), folder.path().join("chora"));
        fs::write(&program, "new").unwrap();
        fs::write(&place, "ne").unwrap();
        copy(&program, folder.path()).unwrap();
        assert_eq!(fs::read(&place).unwrap(), b"new");
        assert_eq!(fs::metadata(&place).unwrap().permissions().mode() & 0o777, 0o755);
        let first = fs::metadata(&place).unwrap().ino();
        copy(&program, folder.path()).unwrap();
        assert_eq!(fs::metadata(&place).unwrap().ino(), first);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }
}
