//! Names: `archive/<timeline>/<topic>/<partition>/<first position>.avro`, and `.json` for the sidecar.

use log::Source;
use uuid::Uuid;

/// Folder of a timeline.
pub(crate) fn timeline_folder(timeline: Uuid) -> String {
    format!("archive/{timeline}")
}

/// Folder of a partition.
pub fn folder(timeline: Uuid, source: &Source) -> String {
    format!("{}/{}/{:04}", timeline_folder(timeline), source.topic, source.partition)
}

/// Name of the file that starts with the position `first`.
pub fn file_name(timeline: Uuid, source: &Source, first: u64) -> String {
    format!("{}/{first:020}.avro", folder(timeline, source))
}

/// Name of the sidecar of a file.
pub fn sidecar_name(file: &str) -> String {
    format!("{}.json", file.strip_suffix(".avro").unwrap_or(file))
}

/// What a name says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Parsed {
    pub source: Source,
    pub first: u64,
    pub is_sidecar: bool,
}

/// Reads a name of this timeline; none for any other object.
pub(crate) fn parse(timeline: Uuid, name: &str) -> Option<Parsed> {
    let rest = name.strip_prefix(&timeline_folder(timeline))?.strip_prefix('/')?;
    let mut parts = rest.split('/');
    let (topic, partition, file) = (parts.next()?, parts.next()?, parts.next()?);
    let (stem, is_sidecar) = match file.split_once('.')? {
        (stem, "avro") => (stem, false),
        (stem, "json") => (stem, true),
        _ => return None,
    };
    let source = Source { topic: topic.into(), partition: partition.parse().ok()? };
    let first = stem.parse().ok()?;
    // A name has one form only: no sign, no missing or additional zero, nothing after it.
    let file = file_name(timeline, &source, first);
    let same = name == if is_sidecar { sidecar_name(&file) } else { file };
    same.then_some(Parsed { source, first, is_sidecar })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_what_it_was_made_of() {
        let timeline = Uuid::from_u128(7);
        let source = Source { topic: "work.events".into(), partition: 3 };
        let name = file_name(timeline, &source, 42);
        assert_eq!(name, "archive/00000000-0000-0000-0000-000000000007/work.events/0003/00000000000000000042.avro");
        assert_eq!(parse(timeline, &name), Some(Parsed { source: source.clone(), first: 42, is_sidecar: false }));
        assert_eq!(parse(timeline, &sidecar_name(&name)), Some(Parsed { source, first: 42, is_sidecar: true }));
    }

    #[test]
    fn other_names_are_none_of_ours() {
        let timeline = Uuid::from_u128(7);
        let folder = "archive/00000000-0000-0000-0000-000000000007";
        for name in [
            format!("{folder}/work.events/3/00000000000000000042.avro"),
            format!("{folder}/work.events/0003/42.avro"),
            format!("{folder}/work.events/0003/00000000000000000042.avro.bak"),
            format!("{folder}/work.events/0003/x/00000000000000000042.avro"),
            format!("{folder}/work.events/0003/+0000000000000000042.avro"),
            "archive/00000000-0000-0000-0000-000000000008/work.events/0003/00000000000000000042.avro".to_owned(),
        ] {
            assert_eq!(parse(timeline, &name), None, "{name}");
        }
    }
}
