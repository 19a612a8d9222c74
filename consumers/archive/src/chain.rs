//! The chain of files of one partition: where it ends, and how it grows by compare-and-swap.

use crate::{
    ArchiveError, ArchivedRecord, Flaw, Sidecar,
    container::{self, Label},
    name::{self, sidecar_name},
    reading::{bounded, open, sidecar},
    waiting::position,
};
use bytes::Bytes;
use log::{Log, Offset, Source};
use objects::{Objects, Put};
use std::{collections::BTreeSet, sync::Arc};
use uuid::Uuid;

/// How many records are read at once when the end of the chain is searched in the log.
const SEARCH: usize = 1_000;

/// What became of an attempt to grow the chain.
#[derive(Debug)]
pub(crate) enum Grown {
    /// By our file.
    Ours(Sidecar),
    /// Somebody else was first; the chain has to be looked at again.
    Theirs,
}

/// The chain of one partition.
#[derive(Debug, Clone)]
pub(crate) struct Chain {
    pub objects: Objects,
    pub timeline: Uuid,
    pub source: Source,
}

impl Chain {
    /// The sidecar of the last file, if there is one. Files that lack a sidecar are checked and get theirs: their
    /// writer was killed between the two.
    pub async fn end(&self) -> Result<Option<Sidecar>, ArchiveError> {
        let names = bounded(self.objects.list(&name::folder(self.timeline, &self.source))).await?;
        let mut files = BTreeSet::new();
        let mut sealed = BTreeSet::new();
        for parsed in names.iter().filter_map(|name| name::parse(self.timeline, name)) {
            if parsed.is_sidecar { &mut sealed } else { &mut files }.insert(parsed.first);
        }
        for first in files.difference(&sealed) {
            let (_, sidecar) = open(&self.objects, self.timeline, &self.source, *first, None).await?;
            self.seal(&sidecar).await?;
            tracing::info!(archive.file = self.name(*first), "wrote the sidecar that a file lacked");
        }
        match files.last() {
            Some(first) => sidecar(&self.objects, self.timeline, &self.source, *first).await,
            None => Ok(None),
        }
    }

    /// The offset in the log of the record after the end of the chain.
    pub async fn next_offset(&self, log: &Arc<dyn Log>, end: Option<&Sidecar>) -> Result<Offset, ArchiveError> {
        let Some(end) = end else { return Ok(0) };
        let at_hint = log.read(&self.source, end.last_offset, 1).await?;
        let fits = |record: &log::Record| position(record).is_none_or(|position| position == end.last);
        if at_hint.first().is_some_and(|record| record.offset == end.last_offset && fits(record)) {
            return Ok(end.last_offset + 1);
        }
        // The offsets have changed, as they do when a log is filled from elsewhere: look for the position.
        let mut from = 0;
        loop {
            let records = log.read(&self.source, from, SEARCH).await?;
            let Some(last) = records.last() else { break };
            from = last.offset + 1;
            if let Some(found) = records.iter().find(|record| position(record) == Some(end.last)) {
                return Ok(found.offset + 1);
            }
        }
        Err(ArchiveError::diverged(
            &self.source,
            format!(
                "the archive ends with position {}, which the log does not have; a log that was taken back needs a new timeline",
                end.last
            ),
        ))
    }

    /// Adds a file that starts with `first`.
    pub async fn grow(&self, first: u64, records: &[ArchivedRecord]) -> Result<Grown, ArchiveError> {
        let label = Label { timeline: self.timeline, source: self.source.clone(), first };
        let own = records.to_vec();
        // Compression takes long enough to be in the way of other tasks.
        let made = tokio::task::spawn_blocking(move || {
            let file = container::write(&label, &own)?;
            let sidecar = Sidecar::of(label.timeline, &label.source, first, &own, &file);
            Ok::<_, container::Fault>((Bytes::from(file), sidecar))
        });
        let made = made.await.map_err(|error| ArchiveError::Transient(format!("cannot make a file: {error}")))?;
        let (file, sidecar) = made.map_err(|fault| {
            let position = fault.position.unwrap_or(first);
            ArchiveError::diverged(&self.source, format!("cannot archive position {position}: {}", fault.what))
        })?;
        let Some(sidecar) = sidecar else { return Ok(Grown::Theirs) };
        match bounded(self.objects.put_if_absent(&self.name(first), file)).await? {
            Put::Created => {
                self.seal(&sidecar).await?;
                Ok(Grown::Ours(sidecar))
            }
            Put::Existed => self.adopt(first, records).await.map(|()| Grown::Theirs),
        }
    }

    /// Accepts the file that somebody else wrote, unless it has other records than the log: then two logs claim to be
    /// the same timeline.
    async fn adopt(&self, first: u64, ours: &[ArchivedRecord]) -> Result<(), ArchiveError> {
        let known = sidecar(&self.objects, self.timeline, &self.source, first).await?;
        let was_sealed = known.is_some();
        let (theirs, sidecar) = open(&self.objects, self.timeline, &self.source, first, known).await?;
        // Offsets may differ, what was recorded may not.
        let same = |(a, b): (&ArchivedRecord, &ArchivedRecord)| {
            (a.position, a.time, &a.key, &a.envelope, &a.payload) == (b.position, b.time, &b.key, &b.envelope, &b.payload)
        };
        if let Some((differing, _)) = ours.iter().zip(&theirs).find(|(a, b)| !same((a, b))) {
            let what = format!(
                "{} has another record at position {} than this log; two logs write the same timeline",
                self.name(first),
                differing.position
            );
            return Err(ArchiveError::diverged(&self.source, what));
        }
        if !was_sealed {
            self.seal(&sidecar).await?;
        }
        Ok(())
    }

    /// Writes a sidecar, or finds the same one there.
    async fn seal(&self, sidecar: &Sidecar) -> Result<(), ArchiveError> {
        let name = sidecar_name(&self.name(sidecar.first));
        let json = sidecar.to_json()?;
        if bounded(self.objects.put_if_absent(&name, json)).await? == Put::Existed {
            let there = self::sidecar(&self.objects, self.timeline, &self.source, sidecar.first).await?;
            if there.as_ref() != Some(sidecar) {
                let what = "it describes another file than the one beside it".to_owned();
                return Err(ArchiveError::Damaged(Flaw { file: name, position: Some(sidecar.first), what }));
            }
        }
        Ok(())
    }

    fn name(&self, first: u64) -> String {
        name::file_name(self.timeline, &self.source, first)
    }
}
