//! Opening: one short look at the file's head tells whether the schema is ours; only otherwise is anything written.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::time::Duration;

use chora_core::ports::store::StoreError;
use rusqlite::{Connection, OpenFlags};

use super::error::{file_error, store_error};
use super::migrations::{self, KNOWN};

/// How long a statement waits for another program's transaction; those are milliseconds long.
const BUSY: Duration = Duration::from_secs(5);

pub(super) fn open(path: &Path) -> Result<Connection, StoreError> {
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    let version_file = folder.join("schema_version.txt");
    refuse_newer(written_version(&version_file))?;
    let head = Head::read(path).map_err(|e| file_error(path, &e))?;
    refuse_newer(head.schema)?;
    let ready = head.schema == KNOWN && head.wal;
    if ready { connect(path, folder) } else { prepare(path, folder, &version_file) }
}

/// Refuses a store that a newer program wrote, without opening it.
pub(super) fn refuse_newer_files(path: &Path) -> Result<(), StoreError> {
    refuse_newer(written_version(&path.with_file_name("schema_version.txt")))?;
    refuse_newer(Head::read(path).map_err(|e| file_error(path, &e))?.schema)
}

/// Makes or migrates the store; a lock on the folder keeps two programs from doing so at once.
fn prepare(path: &Path, folder: &Path, version_file: &Path) -> Result<Connection, StoreError> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(|e| file_error(folder, &e))?;
    let lock = File::open(folder).map_err(|e| file_error(folder, &e))?;
    lock.lock().map_err(|e| file_error(folder, &e))?;
    OpenOptions::new().append(true).create(true).mode(0o600).open(path).map_err(|e| file_error(path, &e))?;
    let mut connection = connect(path, folder)?;
    connection.pragma_update(None, "journal_mode", "WAL").map_err(|e| store_error(&e))?;
    migrations::apply(&mut connection)?;
    // The head of the file, which the next start looks at, is only written by a checkpoint.
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).map_err(|e| store_error(&e))?;
    write_version(version_file, folder).map_err(|e| file_error(version_file, &e))?;
    Ok(connection)
}

fn connect(path: &Path, folder: &Path) -> Result<Connection, StoreError> {
    // `SQLite` says "unable to open" for several causes; the folder tells which.
    let connection = configured(path).map_err(|e| writable(folder).err().unwrap_or_else(|| store_error(&e)))?;
    refuse_newer(migrations::version(&connection)?)?;
    if connection.is_readonly("main").map_err(|e| store_error(&e))? {
        return Err(StoreError::ReadOnly(path.display().to_string()));
    }
    writable(folder)?;
    Ok(connection)
}

fn configured(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(BUSY)?;
    connection.execute_batch("PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; SELECT 1 FROM sqlite_schema;")?;
    Ok(connection)
}

/// Whether a commit waits for the disk: `FULL` does, `NORMAL` leaves it to the next one that does.
pub(super) fn synchronous(connection: &Connection, how: &str) -> Result<(), StoreError> {
    connection.pragma_update(None, "synchronous", how).map_err(|e| store_error(&e))
}

/// Whether files can be made in the folder, without making one that stays.
fn writable(folder: &Path) -> Result<(), StoreError> {
    tempfile::tempfile_in(folder).map(drop).map_err(|e| file_error(folder, &e))
}

fn refuse_newer(found: u32) -> Result<(), StoreError> {
    if found > KNOWN { Err(StoreError::NewerSchema { found, known: KNOWN }) } else { Ok(()) }
}

/// What the version file says; 0 when it says nothing, as the store itself decides then.
fn written_version(file: &Path) -> u32 {
    fs::read_to_string(file).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0)
}

fn write_version(file: &Path, folder: &Path) -> io::Result<()> {
    let mut fresh = tempfile::NamedTempFile::new_in(folder)?;
    writeln!(fresh, "{KNOWN}")?;
    fresh.as_file().sync_all()?;
    fresh.persist(file)?;
    File::open(folder)?.sync_all()
}

/// What the first 64 bytes of a store say (<https://www.sqlite.org/fileformat2.html#the_database_header>).
#[derive(Default)]
struct Head {
    schema: u32,
    wal: bool,
}

impl Head {
    fn read(path: &Path) -> io::Result<Self> {
        let mut head = [0_u8; 64];
        match File::open(path).and_then(|mut file| file.read_exact(&mut head)) {
            Ok(()) => {
                let [.., a, b, c, d] = head;
                let wal = head.get(18..20) == Some(&[2, 2]);
                Ok(Self { schema: u32::from_be_bytes([a, b, c, d]), wal })
            }
            Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::UnexpectedEof) => Ok(Self::default()),
            Err(e) => Err(e),
        }
    }
}
