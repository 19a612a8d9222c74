//! A read model: folded anew, as far as one snapshot of it stands, and compared.
//!
//! The log is folded through the erased form that the projector uses, but not by the projector: no batch, cursor or
//! cache of it is trusted. Partitions come one after the other, which is allowed because a row is fed by one aggregate,
//! or does not depend on how aggregates interleave.

use crate::{
    chunk::Chunk,
    code::Code,
    compare::{Counts, Stored},
    error::{VerifyError, within},
    finding::{Finding, Findings, Place},
    fresh::Fresh,
    live::Live,
    report::ReadModelReport,
};
use log::Source;
use schemas::AnyProjection;
use std::collections::BTreeSet;
use stores::{Generation, GenerationState, Store};

/// So many parked records of a read model are looked at.
const PARKED: usize = 10_000;

pub(crate) struct Model {
    projection: &'static dyn AnyProjection,
    part: String,
    pub findings: Findings,
    topics: BTreeSet<String>,
    live: Option<Live>,
}

impl Model {
    /// Takes a snapshot of the live generation of a read model.
    pub(crate) async fn open(
        store: &dyn Store,
        projection: &'static dyn AnyProjection,
        memory: usize,
        limit: u64,
    ) -> Result<Self, VerifyError> {
        let (name, version) = (projection.name(), projection.version());
        let mut model = Self {
            projection,
            part: format!("read model {name}"),
            findings: Findings::new(limit),
            topics: projector::topics(projection),
            live: None,
        };
        let generations = within("reading generations", store.generations(name)).await?;
        match generations.into_iter().find(|generation| generation.state == GenerationState::Live) {
            None => model.note("a live generation", "none yet".to_owned()),
            Some(live) if live.version != version => {
                model.note(&format!("version {version}, which this program folds"), format!("version {} is live", live.version));
            }
            Some(live) => model.live = Some(model.begin(store, live, memory).await?),
        }
        Ok(model)
    }

    async fn begin(&mut self, store: &dyn Store, generation: Generation, memory: usize) -> Result<Live, VerifyError> {
        let mut snapshot = within("beginning a snapshot", store.snapshot(generation.id)).await?;
        let parked = within("reading parked records", snapshot.parked(PARKED + 1)).await?;
        let obstacle = (parked.len() > PARKED).then(|| format!("more than {PARKED} records are set aside"));
        for record in &parked {
            let place = Place::part(&self.part).position(record.position).offset(record.offset).key(&record.aggregate);
            let found = format!("set aside from {}/{}: {}", record.topic, record.partition, record.reason);
            self.findings.add(Finding::new(Code::Parked, place, "nothing set aside", found));
        }
        let fresh = Fresh::new(self.projection.table(), self.projection.is_facts(), memory);
        Ok(Live::new(self.projection, generation.id, snapshot, parked, fresh, obstacle))
    }

    fn note(&mut self, expected: &str, found: String) {
        self.findings.add(Finding::new(Code::NotJudged, Place::part(&self.part), expected, found));
    }

    /// Its name in findings.
    pub(crate) fn part(&self) -> &str {
        &self.part
    }

    /// Whether a topic has anything for it.
    pub(crate) fn is_fed_by(&self, topic: &str) -> bool {
        self.live.as_ref().is_some_and(|live| live.obstacle.is_none()) && self.topics.contains(topic)
    }

    /// Folds a stretch, as far as the read model stands.
    pub(crate) async fn take(&mut self, chunk: &Chunk) -> Result<(), VerifyError> {
        let Some(live) = &mut self.live else { return Ok(()) };
        let entries = live.select(chunk, &self.part, &mut self.findings);
        if entries.is_empty() || live.obstacle.is_some() {
            return Ok(());
        }
        let slice = self.projection.open(&entries, &live.unfit);
        if let Some((index, schema)) = slice.newer() {
            let at = entries.get(index).map_or(0, |entry| entry.position);
            live.obstacle = Some(format!("{} position {at} has schema id {schema}, which a newer program wrote", chunk.source));
            return Ok(());
        }
        let loaded = live.fresh.load(slice.keys()).await?;
        let folded = slice.fold(loaded);
        for parked in &folded.parked {
            let Some(entry) = entries.get(parked.index) else { continue };
            live.unfit.insert(entry.envelope.key());
            let place = Place::part(&self.part).position(entry.position).key(entry.envelope.key());
            let found = format!("the fold cannot take it: {}", parked.reason);
            self.findings.add(Finding::new(Code::ParkedMissing, place, format!("set aside from {}", chunk.source), found));
        }
        live.fresh.apply(folded).await
    }

    /// A partition is read to its end, which is `last` in positions.
    pub(crate) fn end_of(&mut self, source: &Source, last: u64, is_torn: bool) {
        let Some(live) = self.live.as_mut().filter(|_| self.topics.contains(&*source.topic)) else { return };
        let position = live.end_of(source, last);
        if is_torn {
            live.obstacle = Some(format!("{source} cannot be read to its end"));
        } else if position > last {
            let place = Place::part(&self.part).position(position);
            let (expected, found) =
                (format!("at most position {last} of {source}, where the log ends"), format!("position {position}"));
            self.findings.add(Finding::new(Code::PositionBeyondLog, place, expected, found));
        }
    }

    /// Compares the stored rows with the folded ones.
    pub(crate) async fn judge(mut self, seen: &(dyn Fn(u64) + Send + Sync)) -> Result<(ReadModelReport, Findings), VerifyError> {
        let name = self.projection.name().to_owned();
        let mut report = ReadModelReport {
            name,
            generation: None,
            compared: false,
            rows: 0,
            missing: 0,
            extra: 0,
            different: 0,
            unjudged: 0,
            parked: 0,
            behind: 0,
            errors: 0,
        };
        if let Some(live) = self.live.take() {
            (report.generation, report.parked, report.behind) = (Some(live.generation), live.set_aside(), live.behind);
            live.places(&self.part, &mut self.findings);
            if let Some(obstacle) = live.obstacle {
                self.findings.add(Finding::new(
                    Code::NotCompared,
                    Place::part(&self.part),
                    "rows that can be compared",
                    obstacle,
                ));
            } else {
                let stored = Stored { snapshot: live.snapshot, table: self.projection.table(), is_truncated: live.is_truncated };
                let Counts { rows, unjudged } =
                    stored.compare(live.fresh.close().await?, &self.part, &mut self.findings, seen).await?;
                (report.compared, report.rows, report.unjudged) = (true, rows, unjudged);
            }
        }
        if report.unjudged > 0 {
            let found = format!("{} rows were made from records that the log no longer keeps", report.unjudged);
            self.note("all records that the rows were made from", found);
        }
        let of = |code| self.findings.of(&self.part, code);
        (report.missing, report.extra, report.different) = (of(Code::RowMissing), of(Code::RowExtra), of(Code::RowDiffers));
        report.errors = self.findings.errors(Some(&self.part));
        Ok((report, self.findings))
    }
}
