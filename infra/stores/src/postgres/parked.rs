//! Records set aside: written with the transaction of their write, read for people and for the order of aggregates.

use super::{
    PostgresStore,
    catalog::{absent, number, unsigned},
    failure::refused,
};
use crate::{ParkedRecord, StoreError};
use sqlx::{Row, postgres::PgRow};
use tokio_postgres::types::ToSql;

pub(super) const PARK: &str = r#"INSERT INTO parked
(generation, topic, "partition", position, "offset", aggregate, reason, envelope, payload)
SELECT $1, * FROM UNNEST($2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bytea[], $7::text[], $8::bytea[], $9::bytea[])"#;

const PARKED: &str = r#"SELECT g.name, p.topic, p."partition", p.position, p."offset", p.aggregate, p.reason,
p.envelope, p.payload FROM generations g JOIN parked p ON p.generation = g.id WHERE g.state = 'live'
ORDER BY g.name, p.topic, p."partition", p.position LIMIT $1"#;

/// Of one generation, in the columns of [`PARKED`].
pub(super) const PARKED_OF: &str = r#"SELECT '', topic, "partition", position, "offset", aggregate, reason, envelope, payload
FROM parked WHERE generation = $1 ORDER BY topic, "partition", position LIMIT $2"#;

/// One row without an aggregate if the generation has no parked record, none if there is no such generation.
const AGGREGATES: &str = "SELECT DISTINCT p.aggregate FROM generations g LEFT JOIN parked p ON p.generation = g.id
WHERE g.id = $1 ORDER BY p.aggregate";

impl PostgresStore {
    pub(super) async fn parked_aggregates_of(&self, generation: u64) -> Result<Vec<String>, StoreError> {
        let doing = "reading parked aggregates";
        let question = sqlx::query_scalar::<_, Option<Vec<u8>>>(AGGREGATES).bind(number(generation)?);
        let found = self.asked(doing, question.fetch_all(&self.questions)).await?;
        if found.is_empty() {
            return Err(absent(generation));
        }
        let unreadable = |_| StoreError::Fatal(format!("{doing}: one is no UTF-8"));
        found.into_iter().flatten().map(|aggregate| String::from_utf8(aggregate).map_err(unreadable)).collect()
    }

    pub(super) async fn parked_records(&self, limit: usize) -> Result<Vec<(String, ParkedRecord)>, StoreError> {
        let doing = "reading parked records";
        let question = sqlx::query(PARKED).bind(i64::try_from(limit).unwrap_or(i64::MAX));
        let rows = self.asked(doing, question.fetch_all(&self.questions)).await?;
        rows.iter().map(|row| record(row).map_err(|error| refused(doing, &error))).collect()
    }
}

pub(super) fn record(row: &PgRow) -> sqlx::Result<(String, ParkedRecord)> {
    let record = ParkedRecord {
        topic: row.try_get(1)?,
        partition: u32::try_from(row.try_get::<i64, _>(2)?).unwrap_or(u32::MAX),
        position: unsigned(row.try_get(3)?),
        offset: unsigned(row.try_get(4)?),
        aggregate: String::from_utf8_lossy(row.try_get(5)?).into_owned(),
        reason: row.try_get(6)?,
        envelope: row.try_get(7)?,
        payload: row.try_get(8)?,
    };
    Ok((row.try_get(0)?, record))
}

/// Records to set aside, column by column.
pub(super) struct Parked<'a> {
    generation: i64,
    topics: Vec<&'a str>,
    partitions: Vec<i64>,
    positions: Vec<i64>,
    offsets: Vec<i64>,
    aggregates: Vec<&'a [u8]>,
    reasons: Vec<String>,
    envelopes: Vec<&'a [u8]>,
    payloads: Vec<&'a [u8]>,
}

impl<'a> Parked<'a> {
    pub(super) fn of(generation: u64, records: &'a [ParkedRecord]) -> Result<Self, StoreError> {
        Ok(Self {
            generation: number(generation)?,
            topics: records.iter().map(|record| record.topic.as_str()).collect(),
            partitions: records.iter().map(|record| record.partition.into()).collect(),
            positions: records.iter().map(|record| number(record.position)).collect::<Result<_, _>>()?,
            offsets: records.iter().map(|record| number(record.offset)).collect::<Result<_, _>>()?,
            aggregates: records.iter().map(|record| record.aggregate.as_bytes()).collect(),
            // It may quote what it could not read.
            reasons: records.iter().map(|record| record.reason.replace('\0', "\u{fffd}")).collect(),
            envelopes: records.iter().map(|record| record.envelope.as_slice()).collect(),
            payloads: records.iter().map(|record| record.payload.as_slice()).collect(),
        })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.topics.is_empty()
    }

    pub(super) fn parameters(&self) -> [&(dyn ToSql + Sync); 9] {
        [
            &self.generation,
            &self.topics,
            &self.partitions,
            &self.positions,
            &self.offsets,
            &self.aggregates,
            &self.reasons,
            &self.envelopes,
            &self.payloads,
        ]
    }
}
