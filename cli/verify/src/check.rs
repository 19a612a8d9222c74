//! The order of the check: first what follows the log, then where the log ends, then the log.
//!
//! Whatever follows the log can only be behind where the log ends a moment later, so beside a running system nothing
//! is taken for wrong that is merely newer.

use crate::{
    Options, Sources, archive,
    census::Census,
    code::Code,
    ends::{Ends, Lane, contexts},
    error::{VerifyError, blocking},
    events::Events,
    exchange::{Commands, Results, Terms},
    finding::{Finding, Findings, Place},
    judge::Judge,
    marks::Marks,
    model::Model,
    pass::{Meter, Pass, Progress, Torn},
    report::{PartitionReport, Report, TableReport},
    tables::{Points, Tables, by_partition},
};
use log::{Log, Source};
use std::{collections::BTreeMap, sync::atomic::AtomicU64, time::Instant};

/// Checks everything in `sources`; `progress` hears of every stretch. An error means that there is no verdict.
pub async fn verify(
    sources: Sources,
    options: &Options,
    progress: &(dyn Fn(Progress<'_>) + Send + Sync),
) -> Result<Report, VerifyError> {
    let started = Instant::now();
    let log = &*sources.log;
    let mut findings = Findings::new(options.listed);
    let projections = projections::all();
    let mut models = Vec::with_capacity(projections.len());
    for projection in projections {
        let memory = options.memory / projections.len().max(1);
        models.push(Model::open(&*sources.store, *projection, memory, options.listed).await?);
    }
    let mut tables = Tables::look(&sources, &mut findings).await?;
    let archived = match &sources.objects {
        Some(objects) => {
            progress(Progress { doing: archive::PART, done: 0, total: 0 });
            Some(archive::look(objects, log.timeline()).await?)
        }
        None => None,
    };
    let ends = Ends::look(log, tables.is_some()).await?;
    let meter = Meter { say: progress, done: AtomicU64::new(0), total: ends.total() };
    let mut check = Check { log, options, ends, meter, findings, partitions: Vec::new(), last: BTreeMap::new() };

    models = check.lanes(models, tables.as_mut()).await?;
    let mut clickhouse = Vec::new();
    if let Some(tables) = tables {
        clickhouse = check.tables(tables).await?;
    }
    let mut read_models = Vec::with_capacity(models.len());
    for model in models {
        let doing = model.part().to_owned();
        let (report, found) = model.judge(&|rows| check.meter.advance(&doing, rows)).await?;
        check.findings.merge(found);
        read_models.push(report);
    }
    let archive = archived.map(|checked| archive::judge(&checked, &check.last, &mut check.findings));

    for partition in &mut check.partitions {
        partition.errors = check.findings.errors(Some(&format!("{}/{}", partition.topic, partition.partition)));
    }
    let errors = check.findings.errors(None);
    let (findings, unlisted) = check.findings.into_parts();
    Ok(Report {
        clean: errors == 0,
        timeline: log.timeline().0,
        records: check.partitions.iter().map(|partition| partition.records).sum(),
        partitions: check.partitions,
        read_models,
        clickhouse,
        archive,
        findings,
        unlisted,
        errors,
        seconds: started.elapsed().as_secs_f64(),
    })
}

/// The check while it goes on.
struct Check<'a> {
    log: &'a dyn Log,
    options: &'a Options,
    ends: Ends,
    meter: Meter<'a>,
    findings: Findings,
    partitions: Vec<PartitionReport>,
    /// The last position of each partition of events; none if it cannot be read to its end.
    last: BTreeMap<String, Option<u64>>,
}

impl<'a> Check<'a> {
    fn pass(&self, source: &Source) -> Pass<'_> {
        Pass { log: self.log, source: source.clone(), until: self.ends.of(source), meter: &self.meter }
    }

    /// A partition is read.
    fn close(&mut self, mut census: Census, torn: &Torn) {
        if let Some((offset, reason)) = torn {
            let place = Place::part(&census.part).offset(*offset);
            census.findings.add(Finding::new(Code::LogUnreadable, place, "records", reason));
        }
        self.partitions.push(census.report());
        self.findings.merge(census.findings);
    }

    /// Every lane: a partition of events, then the commands that they come from, then the answers.
    async fn lanes(&mut self, mut models: Vec<Model>, mut tables: Option<&mut Tables>) -> Result<Vec<Model>, VerifyError> {
        let lanes: Vec<Lane> = contexts().into_iter().flat_map(|context| Lane::all(self.log, context)).collect();
        let mut ids = Marks::default();
        for (number, lane) in (0..).zip(&lanes) {
            let watch = tables.as_ref().and_then(|tables| tables.events.get(&lane.events)).map(|table| table.watch.clone());
            let looker = Events::new(lane.events.clone(), self.log.partitions(), number, ids, watch, self.options.listed);
            let (looked, folded, torn_events) = self.pass(&lane.events).run(looker, models).await?;
            models = folded;
            let Events { mut census, numbering, seqs, runs, ids: left, watch, .. } = looked;
            ids = left;
            if let Some((table, watch)) = tables.as_mut().and_then(|tables| tables.events.get_mut(&lane.events)).zip(watch) {
                table.watch = watch;
            }
            self.last.insert(lane.events.to_string(), torn_events.is_none().then(|| numbering.last()));
            models.iter_mut().for_each(|model| model.end_of(&lane.events, numbering.last(), torn_events.is_some()));
            self.judge().seqs(seqs, &mut census).await?;
            self.close(census, &torn_events);
            models = self.exchange(lane, runs, torn_events.is_some(), models).await?;
        }
        let sources = lanes.into_iter().map(|lane| lane.events).collect();
        self.judge().ids(ids, sources, &mut self.findings).await?;
        Ok(models)
    }

    /// Commands and answers of a lane; `marks` are those of its events.
    async fn exchange(
        &mut self,
        lane: &Lane,
        marks: Marks,
        is_torn: bool,
        models: Vec<Model>,
    ) -> Result<Vec<Model>, VerifyError> {
        let looker = Commands::new(lane.commands.clone(), marks, self.options.listed);
        let (asked, models, torn_commands) = self.pass(&lane.commands).run(looker, models).await?;
        let looker = Results::new(lane.results.clone(), asked.marks, self.options.listed);
        let (answered, mut models, torn_results) = self.pass(&lane.results).run(looker, models).await?;
        for (source, torn) in [(&lane.commands, &torn_commands), (&lane.results, &torn_results)] {
            let end = self.ends.of(source);
            models.iter_mut().for_each(|model| model.end_of(source, end, torn.is_some()));
        }
        if !is_torn && torn_commands.is_none() && torn_results.is_none() {
            let terms = Terms {
                decided: self.ends.decided.get(&lane.commands).copied().flatten().unwrap_or(0),
                commands_truncated: asked.census.is_truncated(self.ends.of(&lane.commands)),
                results_truncated: answered.census.is_truncated(self.ends.of(&lane.results)),
                answered_since: answered.census.since.unwrap_or(i64::MAX),
                window: self.options.window(),
            };
            let found = self.judge().matching(answered.marks, terms, lane).await?;
            self.findings.merge(found);
        }
        self.close(asked.census, &torn_commands);
        self.close(answered.census, &torn_results);
        Ok(models)
    }

    fn judge(&self) -> Judge<'a> {
        Judge { log: self.log, options: self.options }
    }

    /// What ClickHouse holds.
    async fn tables(&mut self, tables: Tables) -> Result<Vec<TableReport>, VerifyError> {
        let mut reports = Vec::new();
        for (source, table) in tables.events {
            let Some(last) = self.last.get(&source.to_string()).copied().flatten() else {
                let place = Place::part(format!("ClickHouse events {source}"));
                let why = format!("{source} cannot be read to its end");
                self.findings.add(Finding::new(Code::NotCompared, place, "events that can be compared", why));
                continue;
            };
            let mut found = Findings::new(self.options.listed);
            reports.push(table.judge(&self.pass(&source), last, &mut found).await?);
            self.findings.merge(found);
        }
        let (mut marks, mut read) = (Marks::default(), Vec::new());
        for table in tables.points {
            let looker = Points::new(table.source.clone(), marks, table.upto, self.options.listed);
            let (looked, _, torn) = self.pass(&table.source).run(looker, Vec::new()).await?;
            marks = looked.marks;
            read.push((table, looked.census, torn));
        }
        let partitions = read.len();
        let expected = blocking(move || Ok(by_partition(marks, partitions)?)).await?;
        for ((table, census, torn), expected) in read.into_iter().zip(expected) {
            reports.push(table.judge(&census, expected, &mut self.findings).await?);
            self.close(census, &torn);
        }
        Ok(reports)
    }
}
