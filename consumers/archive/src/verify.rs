//! The check of a whole timeline: every byte of every file, and that the files tile.

use crate::{
    ArchiveError, Flaw, Sidecar,
    name::{self, sidecar_name},
    reading::{bounded, open, sidecar},
};
use log::Source;
use objects::Objects;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

/// What a check found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Files that are as they were written.
    pub files: u64,
    /// Records in them.
    pub records: u64,
    /// Their size.
    pub bytes: u64,
    /// The last position of each partition up to which everything is sound.
    pub ends: BTreeMap<String, u64>,
    /// Last files that have no sidecar yet, because their writer was killed; they are sound, and the archiver seals
    /// them when it starts.
    pub unsealed: Vec<String>,
    /// Everything that is wrong, as sentences that name file and position.
    #[serde(serialize_with = "sentences")]
    pub flaws: Vec<Flaw>,
}

impl Report {
    /// Whether nothing is wrong.
    pub fn is_sound(&self) -> bool {
        self.flaws.is_empty()
    }

    fn flaw(&mut self, file: &str, position: Option<u64>, what: impl Into<String>) {
        self.flaws.push(Flaw { file: file.to_owned(), position, what: what.into() });
    }
}

fn sentences<S: serde::Serializer>(flaws: &[Flaw], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(flaws.iter().map(Flaw::to_string))
}

/// What lies in the folder of a partition.
#[derive(Default)]
struct Listed {
    files: BTreeSet<u64>,
    sidecars: BTreeSet<u64>,
}

/// Checks every file of a timeline: its SHA-256, its container, its records, and that nothing is missing between
/// files. Fails only if the store cannot be read; what is wrong with the archive stands in the report.
pub async fn verify(objects: &Objects, timeline: Uuid) -> Result<Report, ArchiveError> {
    let mut report = Report::default();
    let mut partitions: BTreeMap<Source, Listed> = BTreeMap::new();
    for object in bounded(objects.list(&name::timeline_folder(timeline))).await? {
        match name::parse(timeline, &object) {
            Some(parsed) => {
                let listed = partitions.entry(parsed.source).or_default();
                if parsed.is_sidecar { &mut listed.sidecars } else { &mut listed.files }.insert(parsed.first);
            }
            None => report.flaw(&object, None, "it has no name of an archive file"),
        }
    }
    for (source, listed) in &partitions {
        partition(objects, timeline, source, listed, &mut report).await?;
    }
    Ok(report)
}

async fn partition(
    objects: &Objects,
    timeline: Uuid,
    source: &Source,
    listed: &Listed,
    report: &mut Report,
) -> Result<(), ArchiveError> {
    for first in listed.sidecars.difference(&listed.files) {
        let file = name::file_name(timeline, source, *first);
        report.flaw(&file, Some(*first), "the file is missing, its sidecar is there");
    }
    let flaws_before = report.flaws.len();
    // The position that comes next; none once that cannot be told.
    let mut expected = Some(1);
    let mut sound_end = 0;
    for first in &listed.files {
        let name = name::file_name(timeline, source, *first);
        if let Some(expected) = expected.filter(|expected| expected != first) {
            let what = if *first > expected {
                "a file that starts there is missing before it"
            } else {
                "it overlaps the file before it"
            };
            report.flaw(&name, Some(expected), what);
        }
        let is_last = Some(first) == listed.files.last();
        match file(objects, timeline, source, *first).await {
            Ok((sidecar, sealed)) => {
                report.files += 1;
                report.records += sidecar.count;
                report.bytes += sidecar.bytes;
                expected = Some(sidecar.last + 1);
                if report.flaws.len() == flaws_before {
                    sound_end = sidecar.last;
                }
                match (sealed, is_last) {
                    (true, _) => {}
                    (false, true) => report.unsealed.push(name),
                    (false, false) => report.flaw(&sidecar_name(&name), Some(*first), "the sidecar is missing"),
                }
            }
            Err(ArchiveError::Damaged(flaw)) => {
                report.flaws.push(flaw);
                // A sidecar still tells where the next file should start.
                expected = sidecar(objects, timeline, source, *first).await.ok().flatten().map(|sidecar| sidecar.last + 1);
            }
            Err(error) => return Err(error),
        }
    }
    report.ends.insert(source.to_string(), sound_end);
    Ok(())
}

/// Checks one file; says what it holds and whether it is sealed.
async fn file(objects: &Objects, timeline: Uuid, source: &Source, first: u64) -> Result<(Sidecar, bool), ArchiveError> {
    let known = sidecar(objects, timeline, source, first).await?;
    let sealed = known.is_some();
    let (_, described) = open(objects, timeline, source, first, known).await?;
    Ok((described, sealed))
}
