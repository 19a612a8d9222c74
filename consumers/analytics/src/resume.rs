//! Where to go on: the table knows what it holds, and the log where that ends.

use crate::{
    ConsumerError,
    feed::{Cursor, Kind},
    reader::Place,
};
use clickhouse::{Client, Row};
use log::{Log, LogError, Offset, Record};
use schemas::envelope::Envelope;
use serde::Deserialize;
use std::cmp::Ordering;
use uuid::Uuid;

/// How many records are read to find one whose envelope can be read.
const NEIGHBOURS: usize = 64;

/// Why the place to resume from is not known.
pub(crate) enum Unknown {
    /// Try again.
    Transient(String),
    /// It never will be.
    Fatal(ConsumerError),
}

impl From<clickhouse::error::Error> for Unknown {
    fn from(error: clickhouse::error::Error) -> Self {
        Self::Transient(error.to_string())
    }
}

impl From<LogError> for Unknown {
    fn from(error: LogError) -> Self {
        match error {
            LogError::Fatal(_) => Self::Fatal(ConsumerError::Fatal(error.to_string())),
            other => Self::Transient(other.to_string()),
        }
    }
}

/// Whether the server has no such table or database, by ClickHouse's codes 60 and 81.
pub(crate) fn is_missing(error: &clickhouse::error::Error) -> bool {
    let clickhouse::error::Error::BadResponse(message) = error else { return false };
    ["Code: 60.", "Code: 81."].iter().any(|code| message.trim_start().starts_with(code))
}

/// How far the table has come: the last position of events, one more than the last offset of metrics; 0 if it is empty.
pub(crate) async fn reach(client: &Client, place: &Place, kind: &Kind) -> clickhouse::error::Result<u64> {
    match kind {
        Kind::Events { .. } => {
            let sql = "SELECT max(position) FROM events WHERE topic = ? AND partition = ?";
            client.query(sql).bind(&*place.source.topic).bind(place.source.partition).fetch_one().await
        }
        Kind::Points => {
            let sql =
                "SELECT if(count() = 0, 0, max(offset) + 1) FROM run_metrics WHERE topic = ? AND partition = ? AND timeline = ?";
            let query = client.query(sql).bind(&*place.source.topic).bind(place.source.partition);
            query.bind(place.timeline.0.to_string()).fetch_one().await
        }
    }
}

/// Finds where to go on.
pub(crate) async fn resume(log: &dyn Log, client: &Client, place: &Place, kind: &Kind) -> Result<Cursor, Unknown> {
    match kind {
        Kind::Events { .. } => events(log, client, place).await,
        Kind::Points => Ok(Cursor { offset: reach(client, place, kind).await?, position: 0 }),
    }
}

#[derive(Row, Deserialize)]
struct LastEvent {
    position: u64,
    #[serde(with = "clickhouse::serde::uuid")]
    event_id: Uuid,
}

async fn events(log: &dyn Log, client: &Client, place: &Place) -> Result<Cursor, Unknown> {
    let sql = "SELECT position, event_id FROM events WHERE topic = ? AND partition = ? ORDER BY position DESC LIMIT 1";
    let last = client.query(sql).bind(&*place.source.topic).bind(place.source.partition).fetch_optional::<LastEvent>().await?;
    let Some(last) = last else { return Ok(Cursor { offset: 0, position: 1 }) };
    let foreign = |detail: String| Unknown::Fatal(ConsumerError::Foreign { at: place.source.clone(), detail });
    let Some((record, envelope)) = find(log, place, last.position).await? else {
        return Err(foreign(format!("the table ends at position {}, which the log does not have", last.position)));
    };
    if envelope.id != last.event_id {
        let (position, table, log) = (last.position, last.event_id, envelope.id);
        return Err(foreign(format!("position {position} is event {table} in the table and {log} in the log")));
    }
    Ok(Cursor { offset: record.offset + 1, position: last.position + 1 })
}

/// The record at a position. Its offset is not known, but never below `position - 1`, and both grow together.
async fn find(log: &dyn Log, place: &Place, position: u64) -> Result<Option<(Record, Envelope)>, Unknown> {
    let (mut low, mut high) = (position.saturating_sub(1), log.end(&place.source).await?);
    // Without gaps it lies where the search begins.
    let mut guess = low;
    while low < high {
        let Some((record, envelope)) = readable(log, place, guess).await? else {
            high = guess;
            guess = low + (high - low) / 2;
            continue;
        };
        match u64::try_from(envelope.position).unwrap_or(0).cmp(&position) {
            Ordering::Equal => return Ok(Some((record, envelope))),
            Ordering::Greater => high = guess,
            Ordering::Less => low = record.offset + 1,
        }
        guess = low + high.saturating_sub(low) / 2;
    }
    Ok(None)
}

/// The first record at or beyond `offset` whose envelope can be read.
async fn readable(log: &dyn Log, place: &Place, offset: Offset) -> Result<Option<(Record, Envelope)>, Unknown> {
    let mut from = offset;
    loop {
        let records = log.read(&place.source, from, NEIGHBOURS).await?;
        let Some(last) = records.last() else { return Ok(None) };
        from = last.offset + 1;
        let found =
            records.into_iter().find_map(|record| Envelope::decode(&record.envelope).ok().map(|envelope| (record, envelope)));
        if found.is_some() {
            return Ok(found);
        }
    }
}
