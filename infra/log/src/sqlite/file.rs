//! The file format: `log.db`, a SQLite database in WAL mode.
//!
//! What enters is a directory, what leaves is a connection to a file of the known format and what the file says about
//! the log. `PRAGMA application_id` tells our files from others, `PRAGMA user_version` is the format's version. Every
//! partition is a table of its own whose rowid is the offset, so that an append always goes to the right edge of a
//! tree. Nothing here knows of queues, threads or consumers.

use super::{
    OpenError,
    partition::{Partition, Partitions, Standing},
};
use crate::{Offset, Source, Timeline};
use rusqlite::{Connection, OpenFlags, OptionalExtension, config::DbConfig};
use std::{collections::HashMap, path::Path, sync::Arc, time::Duration};
use uuid::Uuid;

/// The format that this program writes.
pub(super) const FORMAT: i64 = 1;
/// "SWLG": marks the file as an event log.
const APPLICATION: i64 = 0x5357_4c47;
/// More would be thousands of tables.
pub(super) const MOST_PARTITIONS: u32 = 1024;
/// How long a statement waits for another program that holds the file, such as a `sqlite3` shell.
pub(super) const BUSY: Duration = Duration::from_secs(2);

/// Records forgotten at once: a few milliseconds of the writer.
const TRIM: i64 = 2048;

const TABLES: &str = "
    CREATE TABLE log (timeline TEXT NOT NULL, partitions INTEGER NOT NULL);
    CREATE TABLE topics (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
    CREATE TABLE owners (name TEXT NOT NULL PRIMARY KEY, epoch INTEGER NOT NULL) WITHOUT ROWID;
    CREATE TABLE consumed (
        consumer_group TEXT NOT NULL, topic INTEGER NOT NULL, partition INTEGER NOT NULL, next INTEGER NOT NULL,
        PRIMARY KEY (consumer_group, topic, partition)
    ) WITHOUT ROWID;";

/// What an opened file says.
pub(super) struct Contents {
    pub connection: Connection,
    pub timeline: Timeline,
    pub partitions: u32,
    pub topics: Vec<(Arc<str>, Partitions)>,
    pub owners: HashMap<String, u64>,
}

/// Opens the file in `dir`, or makes it with so many partitions.
pub(super) fn open(dir: &Path, partitions: u32) -> Result<Contents, OpenError> {
    if !(1..=MOST_PARTITIONS).contains(&partitions) {
        return Err(OpenError::Partitions { asked: partitions, most: MOST_PARTITIONS });
    }
    let broken = |source| OpenError::Database { dir: dir.to_owned(), source };
    let connection = connect(dir).map_err(broken)?;
    let number = |pragma| connection.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0)).map_err(broken);
    let (application, format) = (number("application_id")?, number("user_version")?);
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).map_err(broken)?;
    if application == 0 && format == 0 && tables == 0 {
        create(&connection, partitions).map_err(broken)?;
        // The names of the new files must survive a crash of the machine as well as their contents.
        for place in [Some(dir), dir.parent().filter(|parent| !parent.as_os_str().is_empty())].into_iter().flatten() {
            let synced = std::fs::File::open(place).and_then(|place| place.sync_all());
            synced.map_err(|source| OpenError::Directory { dir: place.to_owned(), source })?;
        }
    } else if application != APPLICATION {
        return Err(OpenError::Foreign { dir: dir.to_owned() });
    } else if format > FORMAT {
        return Err(OpenError::Newer { dir: dir.to_owned(), found: format, known: FORMAT });
    }
    load(connection).map_err(broken)
}

/// A connection that writes, and leaves checkpoints to `checkpoint`.
pub(super) fn connect(dir: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(dir.join("log.db"), flags)?;
    connection.busy_timeout(BUSY)?;
    connection.pragma_update(None, "page_size", 4096)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    connection.pragma_update(None, "cache_size", -16 * 1024)?;
    connection.set_prepared_statement_cache_capacity(2048);
    Ok(connection)
}

/// A connection that only reads.
pub(super) fn connect_reader(dir: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(dir.join("log.db"), flags)?;
    connection.busy_timeout(BUSY)?;
    connection.pragma_update(None, "cache_size", -4 * 1024)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    connection.set_prepared_statement_cache_capacity(512);
    Ok(connection)
}

fn create(connection: &Connection, partitions: u32) -> rusqlite::Result<()> {
    let making = connection.unchecked_transaction()?;
    making.execute_batch(TABLES)?;
    making.execute("INSERT INTO log VALUES (?1, ?2)", (Uuid::now_v7().to_string(), partitions))?;
    making.pragma_update(None, "application_id", APPLICATION)?;
    making.pragma_update(None, "user_version", FORMAT)?;
    making.commit()
}

fn load(connection: Connection) -> rusqlite::Result<Contents> {
    let (timeline, partitions) = connection.query_row("SELECT timeline, partitions FROM log", [], |row| {
        let timeline: String = row.get(0)?;
        let timeline = Uuid::parse_str(&timeline)
            .map_err(|error| rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, Box::new(error)))?;
        Ok((Timeline(timeline), row.get::<_, u32>(1)?))
    })?;
    let owners = connection
        .prepare("SELECT name, epoch FROM owners")?
        .query_map([], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?.cast_unsigned())))?
        .collect::<rusqlite::Result<_>>()?;
    let names = connection
        .prepare("SELECT id, name FROM topics ORDER BY id")?
        .query_map([], |row| Ok((row.get(0)?, row.get::<_, String>(1)?)))?
        .collect::<rusqlite::Result<Vec<(i64, String)>>>()?;
    let mut topics = Vec::with_capacity(names.len());
    for (id, name) in names {
        let name: Arc<str> = name.into();
        let mut shards = Vec::new();
        for partition in 0..partitions {
            let source = Source { topic: name.clone(), partition };
            let standing = standing(&connection, id, partition)?;
            shards.push(Arc::new(Partition::new(source, id, partitions, standing)));
        }
        topics.push((name, shards.into()));
    }
    Ok(Contents { connection, timeline, partitions, topics, owners })
}

fn standing(connection: &Connection, topic: i64, partition: u32) -> rusqlite::Result<Standing> {
    let table = table(topic, partition);
    let last = connection
        .query_row(&format!("SELECT \"offset\", time FROM {table} ORDER BY \"offset\" DESC LIMIT 1"), [], |row| {
            Ok((row.get::<_, i64>(0)?.cast_unsigned(), row.get(1)?))
        })
        .optional()?;
    let consumed = connection
        .prepare_cached("SELECT consumer_group, next FROM consumed WHERE topic = ?1 AND partition = ?2")?
        .query_map((topic, partition), |row| Ok((row.get::<_, String>(0)?.into(), row.get::<_, i64>(1)?.cast_unsigned())))?
        .collect::<rusqlite::Result<_>>()?;
    Ok(match last {
        Some((offset, time)) => Standing { end: offset + 1, last_time: time, consumed },
        None => Standing { end: 0, last_time: i64::MIN, consumed },
    })
}

/// Makes a topic and the tables of its partitions; answers its number.
pub(super) fn create_topic(connection: &Connection, name: &str, partitions: u32) -> rusqlite::Result<i64> {
    let topic = connection.prepare_cached("INSERT INTO topics (name) VALUES (?1)")?.insert([name])?;
    for partition in 0..partitions {
        connection.execute_batch(&format!(
            "CREATE TABLE {} (\"offset\" INTEGER PRIMARY KEY, time INTEGER NOT NULL, key BLOB NOT NULL,
             envelope BLOB NOT NULL, payload BLOB NOT NULL)",
            table(topic, partition)
        ))?;
    }
    Ok(topic)
}

/// Forgets the first records before an offset, so many that nobody notices; answers whether none is left. Their pages are
/// used again.
pub(super) fn trim(connection: &Connection, table: &str, before: Offset) -> rusqlite::Result<bool> {
    let first = format!("SELECT \"offset\" FROM {table} ORDER BY \"offset\" LIMIT 1");
    let forget = format!("DELETE FROM {table} WHERE \"offset\" < min(?1, ({first}) + ?2)");
    connection.prepare_cached(&forget)?.execute((i64::try_from(before).unwrap_or(i64::MAX), TRIM))?;
    let first = connection.prepare_cached(&first)?.query_row([], |row| row.get::<_, i64>(0)).optional()?;
    Ok(first.is_none_or(|first| first >= before.cast_signed()))
}

/// Name of the table of a partition.
pub(super) fn table(topic: i64, partition: u32) -> String {
    format!("records_{topic}_{partition}")
}
