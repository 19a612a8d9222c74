//! The files of the store: who may open them, and with which settings.
//!
//! `store.db` (and its `-wal` and `-shm`) hold everything; `store.lock` is held for as long as the store is open and
//! says by which process. The operating system lets go of it when that process dies, however it dies.

use super::{meta, wal};
use rusqlite::{Connection, OpenFlags};
use std::{
    fs::{File, TryLockError},
    io::{self, Read, Seek, Write},
    path::{Path, PathBuf},
    time::Duration,
};

/// Format of the files. It rises when an older program could not read them.
const FORMAT: u32 = 1;
/// Marks the file as ours: `swst`.
const APPLICATION: u32 = 0x7377_7374;
/// How long a connection waits for a lock inside SQLite; only recovery and checkpoints take them.
const BUSY: Duration = Duration::from_secs(5);

/// Why a store was not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process, or another part of this one, has it open.
    #[error("{} is in use by process {process}: stop it first, or use another directory", path.display())]
    Held {
        /// The lock.
        path: PathBuf,
        /// Who holds it, as far as it says.
        process: String,
    },
    /// A newer program wrote it.
    #[error("{} has format {found}, this program knows up to {known}: use the newer program", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// What this program knows.
        known: u32,
    },
    /// It is not a store, or a broken one. Its content can be rebuilt from the log.
    #[error("{} is not a store that can be read ({reason}): move it away, and it is rebuilt from the log", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What was found.
        reason: String,
    },
    /// The directory cannot be used.
    #[error("cannot use {}: {source}", path.display())]
    Io {
        /// What was touched.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

/// Takes the lock of the directory, which is made if there is none.
pub(super) fn lock(dir: &Path) -> Result<File, OpenError> {
    let io = |path: &Path| {
        let path = path.to_owned();
        move |source| OpenError::Io { path, source }
    };
    std::fs::create_dir_all(dir).map_err(io(dir))?;
    let path = dir.join("store.lock");
    let mut file = File::options().create(true).truncate(false).read(true).write(true).open(&path).map_err(io(&path))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut process = String::new();
            let _ = file.read_to_string(&mut process);
            let process = if process.is_empty() { "unknown".to_owned() } else { process.trim().to_owned() };
            return Err(OpenError::Held { path, process });
        }
        Err(TryLockError::Error(source)) => return Err(OpenError::Io { path, source }),
    }
    file.set_len(0).map_err(io(&path))?;
    file.rewind().map_err(io(&path))?;
    writeln!(file, "{}", std::process::id()).map_err(io(&path))?;
    Ok(file)
}

/// Opens the connection that writes, and makes what a new store lacks.
pub(super) fn writer(path: &Path) -> Result<Connection, OpenError> {
    let unreadable = |error: rusqlite::Error| OpenError::Unreadable { path: path.to_owned(), reason: error.to_string() };
    let connection = Connection::open(path).map_err(unreadable)?;
    connection.busy_timeout(BUSY).map_err(unreadable)?;
    let number = |name| connection.pragma_query_value(None, name, |row| row.get::<_, u32>(0)).map_err(unreadable);
    let (application, format) = (number("application_id")?, number("user_version")?);
    let tables =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get::<_, u32>(0)).map_err(unreadable)?;
    if tables > 0 && application != APPLICATION {
        return Err(OpenError::Unreadable { path: path.to_owned(), reason: "another program's database".into() });
    }
    if format > FORMAT {
        return Err(OpenError::Newer { path: path.to_owned(), found: format, known: FORMAT });
    }
    connection
        .execute_batch(
            "PRAGMA journal_mode = WAL;
             PRAGMA synchronous = NORMAL;
             PRAGMA foreign_keys = OFF;
             PRAGMA temp_store = MEMORY;
             PRAGMA cache_size = -65536;
             PRAGMA journal_size_limit = 268435456;",
        )
        .map_err(unreadable)?;
    if tables == 0 {
        // One transaction: a store is either new or complete.
        let schema = meta::TABLES;
        connection
            .execute_batch(&format!(
                "BEGIN; {schema} PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {FORMAT}; COMMIT;"
            ))
            .map_err(unreadable)?;
    }
    wal::watch(&connection);
    connection.set_prepared_statement_cache_capacity(256);
    Ok(connection)
}

/// Opens a connection that only reads.
pub(super) fn reader(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY)?;
    // Every commit empties the page caches of the readers; mapped pages need no copy when they are read again.
    connection.execute_batch("PRAGMA mmap_size = 1073741824; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -8192;")?;
    connection.set_prepared_statement_cache_capacity(128);
    Ok(connection)
}
