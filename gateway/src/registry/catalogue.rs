//! What is registered, and what the gate says of what is not.

use super::{answer::Failure, offered::Offered};
use schemas::gate::{incompatibilities, model::Schema, parse};
use serde_json::Value;
use std::{collections::BTreeMap, sync::LazyLock};

/// Most complaints about a schema in one answer.
const COMPLAINTS: usize = 20;

/// A registered version.
#[derive(Debug)]
pub(super) struct Version {
    /// Number of the schema.
    pub id: u32,
    /// Full name of the record.
    pub subject: &'static str,
    /// From 1, per subject.
    pub version: u32,
    /// The document, as text.
    pub text: String,
    document: &'static Value,
    schema: Schema,
}

/// Every version by subject, oldest first.
static REGISTERED: LazyLock<BTreeMap<&'static str, Vec<Version>>> = LazyLock::new(|| {
    let mut subjects: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for locked in schemas::locked() {
        // The gate has read each of them before it was locked.
        let Ok(schema) = parse(&locked.schema) else { continue };
        subjects.entry(locked.subject.as_str()).or_default().push(Version {
            id: locked.id.0,
            subject: &locked.subject,
            version: locked.version,
            text: locked.schema.to_string(),
            document: &locked.schema,
            schema,
        });
    }
    subjects
});

/// The names of all subjects, sorted.
pub(super) fn subjects() -> Vec<&'static str> {
    REGISTERED.keys().copied().collect()
}

/// The versions of a subject, oldest first.
pub(super) fn versions(subject: &str) -> Result<&'static [Version], Failure> {
    REGISTERED.get(subject).map(Vec::as_slice).ok_or_else(|| Failure::Subject(subject.to_owned()))
}

/// A version of a subject: its number, `latest`, or `-1` for the same.
pub(super) fn version(subject: &str, version: &str) -> Result<&'static Version, Failure> {
    let versions = versions(subject)?;
    if matches!(version, "latest" | "-1") {
        return versions.last().ok_or(Failure::Version(0));
    }
    let form = || Failure::VersionForm(version.to_owned());
    let number: u32 = version.parse().ok().filter(|number| *number > 0).ok_or_else(form)?;
    versions.iter().find(|known| known.version == number).ok_or(Failure::Version(number))
}

/// The version whose schema has this number.
pub(super) fn by_id(id: &str) -> Result<&'static Version, Failure> {
    let absent = || Failure::Schema(id.to_owned());
    let number: u32 = id.parse().map_err(|_| absent())?;
    REGISTERED.values().flatten().find(|known| known.id == number).ok_or_else(absent)
}

/// The newest version of a subject that says what `offered` says, in whatever words.
pub(super) fn same(subject: &str, offered: &Offered) -> Result<&'static Version, Failure> {
    let known = versions(subject)?.iter().rev();
    let same = |version: &&Version| *version.document == offered.document || offered.schema.as_ref() == Ok(&version.schema);
    known.into_iter().find(same).ok_or_else(|| match &offered.schema {
        Ok(_) => Failure::Schema("of this content".to_owned()),
        Err(why) => Failure::Invalid(why.clone()),
    })
}

/// The number of a schema that is registered; of any other, why it is not.
pub(super) fn register(subject: &str, offered: &Offered) -> Result<u32, Failure> {
    if let Ok(known) = same(subject, offered) {
        return Ok(known.id);
    }
    let schema = offered.schema.as_ref().map_err(|why| Failure::Invalid(why.clone()))?;
    if schema.name() != subject {
        let name = schema.name();
        return Err(Failure::Invalid(format!("the subject is the full name of the record, which is {name}")));
    }
    match complaints(REGISTERED.get(subject).map(Vec::as_slice).unwrap_or_default(), schema) {
        why if why.is_empty() => Err(Failure::ReadOnly(subject.to_owned())),
        why => Err(Failure::Incompatible(why.join("; "))),
    }
}

/// Why records of `version` could not be read with `offered`; nothing if they can.
pub(super) fn judge(version: &'static Version, offered: &Offered) -> Result<Vec<String>, Failure> {
    let schema = offered.schema.as_ref().map_err(|why| Failure::Invalid(why.clone()))?;
    if schema.name() != version.subject {
        return Ok(vec![format!("{}: the record is called {} and stays so", schema.name(), version.subject)]);
    }
    Ok(complaints(std::slice::from_ref(version), schema))
}

fn complaints(versions: &[Version], schema: &Schema) -> Vec<String> {
    let before: Vec<_> = versions.iter().map(|known| (known.version, known.schema.clone())).collect();
    incompatibilities(&before, schema).iter().take(COMPLAINTS).map(ToString::to_string).collect()
}

/// What the gate says of a document: the schema, or the complaints as one text.
pub(super) fn read(document: &Value) -> Result<Schema, String> {
    parse(document).map_err(|problems| {
        let said: Vec<_> = problems.iter().take(COMPLAINTS).map(ToString::to_string).collect();
        said.join("; ")
    })
}
