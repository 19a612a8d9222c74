//! Reads from the file: what the tail in memory has forgotten.
//!
//! A few connections that only read, used on tokio's blocking threads, so that a slow disk holds up nobody but those
//! who read old records. A batch is one query; the records of a batch share one allocation.

use super::{error::read_error, file, partition::Partition};
use crate::{LogError, Offset, Record};
use bytes::{Bytes, BytesMut};
use parking_lot::Mutex;
use rusqlite::{Connection, OptionalExtension};
use std::{ops::Range, path::PathBuf, sync::Arc, time::Duration};
use tokio::{sync::Semaphore, task::spawn_blocking, time::timeout};

/// Connections, and so reads at a time.
const MOST_READERS: usize = 4;
/// How long a read waits for a connection.
const PATIENCE: Duration = Duration::from_secs(10);

/// The connections.
pub(super) struct Readers {
    dir: PathBuf,
    permits: Arc<Semaphore>,
    idle: Arc<Mutex<Vec<Connection>>>,
}

/// Which records of a partition are wanted.
#[derive(Clone, Copy)]
pub(super) struct Wanted {
    pub from: Offset,
    pub max: usize,
    /// No more once so many bytes are reached.
    pub most_bytes: usize,
}

impl Readers {
    pub(super) fn new(dir: PathBuf) -> Self {
        let permits = Arc::new(Semaphore::new(MOST_READERS));
        Self { dir, permits, idle: Arc::default() }
    }

    /// Refuses reads from now on.
    pub(super) fn close(&self) {
        self.permits.close();
        self.idle.lock().clear();
    }

    /// Records before `until`.
    pub(super) async fn read(&self, partition: &Arc<Partition>, wanted: Wanted, until: Offset) -> Result<Vec<Record>, LogError> {
        let partition = partition.clone();
        self.run(move |connection| scan(connection, &partition.table, wanted, until)).await
    }

    /// The first offset before `until` whose time is at least `time`, or `until`: a binary search, since times never
    /// fall and offsets are dense but for those at the beginning that are forgotten.
    pub(super) async fn offset_at(&self, partition: &Arc<Partition>, time: i64, until: Offset) -> Result<Offset, LogError> {
        let table = partition.table.clone();
        self.run(move |connection| {
            let mut look = connection.prepare_cached(&format!("SELECT time FROM {table} WHERE \"offset\" = ?1"))?;
            let Range { mut start, mut end } = 0..until;
            while start < end {
                let middle = start + (end - start) / 2;
                let found: Option<i64> = look.query_row([middle.cast_signed()], |row| row.get(0)).optional()?;
                if found.is_none_or(|found| found < time) { start = middle + 1 } else { end = middle }
            }
            Ok(start)
        })
        .await
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, LogError> {
        let permit = match timeout(PATIENCE, self.permits.clone().acquire_owned()).await {
            Ok(Ok(permit)) => permit,
            Ok(Err(_)) => return Err(LogError::Fatal("the log is closed".to_owned())),
            Err(_) => return Err(LogError::Transient("all readers of the log are busy".to_owned())),
        };
        let (dir, idle, permits) = (self.dir.clone(), self.idle.clone(), self.permits.clone());
        let work = spawn_blocking(move || {
            let _permit = permit;
            let waiting = idle.lock().pop();
            let connection = match waiting {
                Some(connection) => connection,
                None => file::connect_reader(&dir)?,
            };
            let outcome = work(&connection);
            let mut idle = idle.lock();
            if !permits.is_closed() {
                idle.push(connection);
            }
            outcome
        });
        match work.await {
            Ok(outcome) => outcome.map_err(|error| read_error(&error)),
            Err(error) => Err(LogError::Fatal(format!("a read did not end: {error}"))),
        }
    }
}

fn scan(connection: &Connection, table: &str, wanted: Wanted, until: Offset) -> rusqlite::Result<Vec<Record>> {
    let Wanted { from, max, most_bytes } = wanted;
    let max = max.min(usize::try_from(until - from).unwrap_or(usize::MAX));
    let mut query = connection.prepare_cached(&format!(
        "SELECT \"offset\", time, key, envelope, payload FROM {table} WHERE \"offset\" >= ?1 AND \"offset\" < ?3 ORDER BY \"offset\" LIMIT ?2"
    ))?;
    let mut rows = query.query((from.cast_signed(), i64::try_from(max).unwrap_or(i64::MAX), until.cast_signed()))?;
    let mut bytes = BytesMut::new();
    let mut places = Vec::with_capacity(max.min(4096));
    while let Some(row) = rows.next()? {
        let mut field = |column| -> rusqlite::Result<Range<usize>> {
            let start = bytes.len();
            bytes.extend_from_slice(row.get_ref(column)?.as_blob().map_err(rusqlite::Error::from)?);
            Ok(start..bytes.len())
        };
        let fields = [field(2)?, field(3)?, field(4)?];
        places.push((row.get::<_, i64>(0)?.cast_unsigned(), row.get::<_, i64>(1)?, fields));
        if bytes.len() >= most_bytes {
            break;
        }
    }
    let bytes: Bytes = bytes.freeze();
    let records = places.into_iter().map(|(offset, time, [key, envelope, payload])| Record {
        offset,
        time,
        key: bytes.slice(key),
        envelope: bytes.slice(envelope),
        payload: bytes.slice(payload),
    });
    Ok(records.collect())
}
