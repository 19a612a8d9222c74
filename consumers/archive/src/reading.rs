//! Reading the archive back, file by file and verified.

use crate::{
    ArchiveError, ArchivedRecord, Flaw, Sidecar,
    container::{self, Label, hex},
    name::{self, sidecar_name},
    waiting::position_in,
};
use bytes::Bytes;
use log::Source;
use objects::{ObjectError, Objects};
use sha2::{Digest, Sha256};
use std::{collections::BTreeSet, future::Future, time::Duration};
use uuid::Uuid;

/// How long one request to the object store may take.
const REQUEST: Duration = Duration::from_secs(60);

/// A sealed file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchivedFile {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub sidecar: Sidecar,
}

/// The partitions that a timeline has files of.
pub async fn sources(objects: &Objects, timeline: Uuid) -> Result<Vec<Source>, ArchiveError> {
    let names = bounded(objects.list(&name::timeline_folder(timeline))).await?;
    let sources: BTreeSet<Source> = names.iter().filter_map(|n| name::parse(timeline, n)).map(|parsed| parsed.source).collect();
    Ok(sources.into_iter().collect())
}

/// The sealed files of a partition, in order. They tile the positions from 1 on; anything else is
/// [`ArchiveError::Damaged`]. A last file that is not sealed yet is left out.
pub async fn files(objects: &Objects, timeline: Uuid, source: &Source) -> Result<Vec<ArchivedFile>, ArchiveError> {
    let names = bounded(objects.list(&name::folder(timeline, source))).await?;
    let firsts: Vec<u64> =
        names.iter().filter_map(|n| name::parse(timeline, n)).filter(|n| !n.is_sidecar).map(|n| n.first).collect();
    let mut files = Vec::with_capacity(firsts.len());
    let mut expected = 1;
    for first in &firsts {
        let name = name::file_name(timeline, source, *first);
        let damaged = |what: String| ArchiveError::Damaged(Flaw { file: name.clone(), position: Some(expected), what });
        if *first != expected {
            return Err(damaged(format!("the file that starts with position {expected} should come before it")));
        }
        match sidecar(objects, timeline, source, *first).await? {
            Some(sidecar) => {
                expected = sidecar.last + 1;
                files.push(ArchivedFile { name, sidecar });
            }
            None if Some(first) == firsts.last() => {}
            None => return Err(damaged("its sidecar is missing; the archiver writes it when it starts".to_owned())),
        }
    }
    Ok(files)
}

/// The records of a sealed file, exactly as the log had them, or [`ArchiveError::Damaged`].
pub async fn records(objects: &Objects, file: &ArchivedFile) -> Result<Vec<ArchivedRecord>, ArchiveError> {
    let sidecar = file.sidecar.clone();
    let (timeline, source, first) = (sidecar.timeline, sidecar.source(), sidecar.first);
    open(objects, timeline, &source, first, Some(sidecar)).await.map(|(records, _)| records)
}

/// The sidecar of the file that starts with `first`.
pub(crate) async fn sidecar(
    objects: &Objects,
    timeline: Uuid,
    source: &Source,
    first: u64,
) -> Result<Option<Sidecar>, ArchiveError> {
    let name = sidecar_name(&name::file_name(timeline, source, first));
    let Some(json) = bounded(objects.get(&name)).await? else { return Ok(None) };
    Sidecar::from_json(&name, timeline, source, first, &json).map(Some).map_err(ArchiveError::Damaged)
}

/// The records of a file and what its sidecar says, or should say if there is none.
pub(crate) async fn open(
    objects: &Objects,
    timeline: Uuid,
    source: &Source,
    first: u64,
    sidecar: Option<Sidecar>,
) -> Result<(Vec<ArchivedRecord>, Sidecar), ArchiveError> {
    let name = name::file_name(timeline, source, first);
    let Some(file) = bounded(objects.get(&name)).await? else {
        return Err(ArchiveError::Damaged(Flaw { file: name, position: Some(first), what: "the file is missing".to_owned() }));
    };
    let label = Label { timeline, source: source.clone(), first };
    let checked = tokio::task::spawn_blocking(move || check(&label, &file, sidecar)).await;
    let checked = checked.map_err(|error| ArchiveError::Transient(format!("cannot read {name}: {error}")))?;
    checked.map_err(|fault| ArchiveError::Damaged(Flaw { file: name, position: fault.position, what: fault.what }))
}

/// Checks a file from its first byte to its last.
fn check(label: &Label, file: &Bytes, sidecar: Option<Sidecar>) -> Result<(Vec<ArchivedRecord>, Sidecar), container::Fault> {
    let fault = |position: u64, what: String| container::Fault { position: Some(position), what };
    if let Some(sidecar) = &sidecar {
        let changed = if file.len() as u64 == sidecar.bytes {
            (hex(&Sha256::digest(file)) != sidecar.sha256).then(|| "its SHA-256 is not that of the sidecar".to_owned())
        } else {
            Some(format!("it has {} bytes, the sidecar says {}", file.len(), sidecar.bytes))
        };
        if let Some(what) = changed {
            // The container often tells where.
            let inner = container::read(label, file).err();
            let what = inner.as_ref().map_or(what.clone(), |inner| format!("{what}; {}", inner.what));
            return Err(fault(inner.and_then(|inner| inner.position).unwrap_or(label.first), what));
        }
    }
    let records = container::read(label, file)?;
    tile(label.first, &records)?;
    let described = Sidecar::of(label.timeline, &label.source, label.first, &records, file)
        .ok_or_else(|| fault(label.first, "the file has no record".to_owned()))?;
    match sidecar {
        Some(sidecar) if sidecar != described => Err(fault(label.first, "the sidecar does not describe its records".to_owned())),
        _ => Ok((records, described)),
    }
}

/// Checks that the positions are dense from `first`, and that only unnumbered records share one.
fn tile(first: u64, records: &[ArchivedRecord]) -> Result<(), container::Fault> {
    let mut last = first - 1;
    let mut time = i64::MIN;
    for record in records {
        let fits = record.position == last + 1 || (record.position == last && position_in(&record.envelope).is_none());
        if !fits || record.time < time {
            let what = format!("position {} recorded at {} follows {last} recorded at {time}", record.position, record.time);
            return Err(container::Fault { position: Some(last + 1), what });
        }
        (last, time) = (record.position, record.time);
    }
    Ok(())
}

/// Waits for the object store, but not for ever.
pub(crate) async fn bounded<T>(request: impl Future<Output = Result<T, ObjectError>>) -> Result<T, ArchiveError> {
    match tokio::time::timeout(REQUEST, request).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(ArchiveError::Transient(format!("the object store has not answered for {} s", REQUEST.as_secs()))),
    }
}
