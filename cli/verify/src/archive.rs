//! The archive of the log's timeline: every byte of every file, that the files tile, and that the log goes as far.

use crate::{
    code::Code,
    error::VerifyError,
    finding::{Finding, Findings, Place},
    report::ArchiveReport,
};
use consumer_archive::Report;
use std::collections::BTreeMap;

pub(crate) const PART: &str = "archive";

/// Judges what the check of the files has found; `ends` are the last positions of the log by partition, none if it cannot
/// be told.
pub(crate) fn judge(checked: &Report, ends: &BTreeMap<String, Option<u64>>, findings: &mut Findings) -> ArchiveReport {
    for flaw in &checked.flaws {
        let place = Place { position: flaw.position, ..Place::part(PART).key(&flaw.file) };
        findings.add(Finding::new(Code::ArchiveDamaged, place, "a file as it was written", &flaw.what));
    }
    for (source, archived) in &checked.ends {
        let Some(last) = ends.get(source).copied().unwrap_or(Some(0)) else { continue };
        if *archived > last {
            let place = Place::part(PART).position(*archived).key(source);
            let (expected, found) = (format!("at most position {last}, where the log ends"), format!("position {archived}"));
            findings.add(Finding::new(Code::ArchiveBeyondLog, place, expected, found));
        }
    }
    ArchiveReport {
        files: checked.files,
        records: checked.records,
        bytes: checked.bytes,
        unsealed: checked.unsealed.len() as u64,
        errors: findings.errors(Some(PART)),
    }
}

/// The check of the files, before the log's ends are looked at: the archive follows the log.
pub(crate) async fn look(objects: &objects::Objects, timeline: log::Timeline) -> Result<Report, VerifyError> {
    Ok(consumer_archive::verify(objects, timeline.0).await?)
}
