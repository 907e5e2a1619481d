//! Appending: one write per line, under a lock on the very file that stands under the name.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

pub(super) fn append(path: &Path, line: &str) -> io::Result<()> {
    let mut file = locked(path)?;
    let length = file.metadata()?.len();
    let mut bytes = Vec::with_capacity(line.len() + 2);
    if !ends_whole(&mut file, length)? {
        bytes.push(b'\n');
    }
    bytes.extend_from_slice(line.as_bytes());
    bytes.push(b'\n');
    if let Err(error) = file.write_all(&bytes).and_then(|()| file.sync_data()) {
        // A torn line would be read as damage: take back what a full disk let through. That it failed is told either way.
        drop(file.set_len(length));
        return Err(error);
    }
    Ok(())
}

/// Opens and locks the log, making it and its folders first where needed.
pub(super) fn locked(path: &Path) -> io::Result<File> {
    loop {
        let file = open(path)?;
        file.lock()?;
        // A repair may have put another file in its place while this one waited for the lock.
        let (mine, named) = (file.metadata()?, fs::metadata(path));
        if named.is_ok_and(|named| (named.dev(), named.ino()) == (mine.dev(), mine.ino())) {
            return Ok(file);
        }
    }
}

fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).append(true);
    match options.open(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            let folder = path.parent().unwrap_or_else(|| Path::new("."));
            fs::create_dir_all(folder)?;
            let file = options.create(true).open(path)?;
            File::open(folder)?.sync_all()?;
            Ok(file)
        }
        opened => opened,
    }
}

fn ends_whole(file: &mut File, length: u64) -> io::Result<bool> {
    if length == 0 {
        return Ok(true);
    }
    let mut last = [0];
    file.seek(SeekFrom::Start(length - 1))?;
    file.read_exact(&mut last)?;
    Ok(last == *b"\n")
}
