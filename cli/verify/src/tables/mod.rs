//! What ClickHouse holds, against the log.
//!
//! Both are compared at what the tables had come to when the check began, so that neither has to stand still. Rows are
//! read with FINAL, as everybody reads them; what is stored twice before that is only noted.

mod events;
mod points;

pub(crate) use events::{EventTable, Watch};
pub(crate) use points::{PointTable, Points, by_partition};

use crate::{
    Sources,
    code::Code,
    ends::{METRICS, contexts, partitions_of},
    error::{VerifyError, within},
    finding::{Finding, Findings, Place},
};
use clickhouse::{Client, query::Query};
use log::Source;
use schemas::Stream;
use std::collections::BTreeMap;

/// So many records that ClickHouse has set aside are looked at in a partition.
const PARKED: u64 = 100_000;

/// A query about a partition; further values are bound behind topic and partition.
fn about(client: &Client, sql: &str, source: &Source) -> Query {
    client.query(sql).bind(&*source.topic).bind(source.partition)
}

/// One row of an answer.
async fn one<T>(query: Query) -> Result<T, VerifyError>
where
    T: clickhouse::RowOwned + clickhouse::RowRead,
{
    within("asking ClickHouse", query.fetch_one::<T>()).await
}

/// Partitions in ClickHouse.
pub(crate) struct Tables {
    pub events: BTreeMap<Source, EventTable>,
    pub points: Vec<PointTable>,
}

impl Tables {
    /// Looks how far each has come; none where there is no ClickHouse to ask.
    pub(crate) async fn look(sources: &Sources, findings: &mut Findings) -> Result<Option<Self>, VerifyError> {
        let Some(analytics) = &sources.analytics else { return Ok(None) };
        let client = match analytics.client() {
            Ok(client) => client,
            Err(absent) => {
                let place = Place::part("ClickHouse");
                findings.add(Finding::new(Code::NotChecked, place, "ClickHouse", absent.to_string()));
                return Ok(None);
            }
        };
        let mut tables = Self { events: BTreeMap::new(), points: Vec::new() };
        for context in contexts() {
            for source in partitions_of(&*sources.log, &Stream::Events.topic(context)) {
                tables.events.insert(source.clone(), EventTable::look(client, source).await?);
            }
        }
        for source in partitions_of(&*sources.log, METRICS) {
            tables.points.push(PointTable::look(client, source, sources.log.timeline()).await?);
        }
        Ok(Some(tables))
    }
}
