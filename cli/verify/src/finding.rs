//! One finding, and the list of them, which is bounded however much is wrong.

use crate::code::Code;
use serde::Serialize;
use std::{collections::BTreeMap, fmt};

/// Where something was found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Place {
    /// What was checked: `work.events/3`, `read model jobs`, `ClickHouse events work.events/3`, `archive`.
    pub part: String,
    /// Position in the partition.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub position: Option<u64>,
    /// Offset in the log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// Key of a record (`tenant/type/id`), key of a row (the tenant first), or name of a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

impl Place {
    /// A whole part.
    pub fn part(part: impl fmt::Display) -> Self {
        Self { part: part.to_string(), ..Self::default() }
    }

    /// At a position of it.
    pub fn position(self, position: u64) -> Self {
        Self { position: Some(position), ..self }
    }

    /// At an offset.
    pub fn offset(self, offset: u64) -> Self {
        Self { offset: Some(offset), ..self }
    }

    /// Of a key.
    pub fn key(self, key: impl Into<String>) -> Self {
        Self { key: Some(key.into()), ..self }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.part)?;
        if let Some(position) = self.position {
            write!(f, " position {position}")?;
        }
        if let Some(offset) = self.offset {
            write!(f, " offset {offset}")?;
        }
        if let Some(key) = &self.key {
            write!(f, " {key}")?;
        }
        Ok(())
    }
}

/// A column that holds something else than it should.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The column.
    pub column: String,
    /// What the fold says.
    pub expected: String,
    /// What is stored.
    pub stored: String,
}

/// Something found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What.
    pub code: Code,
    /// Where.
    pub place: Place,
    /// What should be there.
    pub expected: String,
    /// What is.
    pub found: String,
    /// Of a row that differs: its columns that do.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<Difference>,
    /// What to do.
    pub what_to_do: &'static str,
}

impl Finding {
    /// With what should be there and what is.
    pub fn new(code: Code, place: Place, expected: impl Into<String>, found: impl Into<String>) -> Self {
        let (expected, found) = (expected.into(), found.into());
        Self { code, place, expected, found, columns: Vec::new(), what_to_do: code.advice() }
    }
}

/// How many findings of a kind a part has, where not all are listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unlisted {
    /// What was checked.
    pub part: String,
    /// What was found.
    pub code: Code,
    /// How many more there are.
    pub more: u64,
}

/// Findings: the first of each kind and part are listed, the others counted.
#[derive(Debug, Clone)]
pub(crate) struct Findings {
    limit: u64,
    listed: Vec<Finding>,
    /// How many were listed, by part and family.
    shown: BTreeMap<(String, Code), u64>,
    counts: BTreeMap<(String, Code), u64>,
}

impl Findings {
    pub(crate) fn new(limit: u64) -> Self {
        Self { limit, listed: Vec::new(), shown: BTreeMap::new(), counts: BTreeMap::new() }
    }

    /// Counts a finding of `part` and says whether it is still to be listed, by [`list`](Self::list).
    pub(crate) fn count(&mut self, part: &str, code: Code) -> bool {
        *self.counts.entry((part.to_owned(), code)).or_default() += 1;
        let shown = self.shown.entry((part.to_owned(), code.family())).or_default();
        *shown += 1;
        *shown <= self.limit
    }

    /// Lists a finding that was counted.
    pub(crate) fn list(&mut self, finding: Finding) {
        self.listed.push(finding);
    }

    /// Counts a finding, and lists it while there is room.
    pub(crate) fn add(&mut self, finding: Finding) {
        if self.count(&finding.place.part, finding.code) {
            self.list(finding);
        }
    }

    /// Takes in what another part found.
    pub(crate) fn merge(&mut self, other: Self) {
        self.listed.extend(other.listed);
        for (of, into) in [(other.counts, &mut self.counts), (other.shown, &mut self.shown)] {
            of.into_iter().for_each(|(kind, count)| *into.entry(kind).or_default() += count);
        }
    }

    /// How many errors a part has, or all parts.
    pub(crate) fn errors(&self, part: Option<&str>) -> u64 {
        let counted = self.counts.iter().filter(|((of, code), _)| !code.is_note() && part.is_none_or(|part| part == of));
        counted.map(|(_, count)| count).sum()
    }

    /// How many of a code a part has.
    pub(crate) fn of(&self, part: &str, code: Code) -> u64 {
        self.counts.get(&(part.to_owned(), code)).copied().unwrap_or(0)
    }

    /// What is listed, and what is not.
    pub(crate) fn into_parts(self) -> (Vec<Finding>, Vec<Unlisted>) {
        let mut unlisted = Vec::new();
        for ((part, code), count) in self.counts {
            let listed = self.listed.iter().filter(|f| f.code == code && f.place.part == part).count() as u64;
            if count > listed {
                unlisted.push(Unlisted { part, code, more: count - listed });
            }
        }
        (self.listed, unlisted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(code: Code) -> Finding {
        Finding::new(code, Place::part("p"), "", "")
    }

    #[test]
    fn the_first_of_a_family_are_listed_and_all_are_counted() {
        let mut findings = Findings::new(3);
        for code in [Code::RowExtra, Code::RowMissing, Code::RowExtra, Code::RowDiffers, Code::RowExtra, Code::SeqGap] {
            findings.add(finding(code));
        }
        assert_eq!((findings.errors(None), findings.errors(Some("p")), findings.errors(Some("q"))), (6, 6, 0));
        let (listed, unlisted) = findings.into_parts();
        let codes: Vec<Code> = listed.iter().map(|f| f.code).collect();
        assert_eq!(codes, [Code::RowExtra, Code::RowMissing, Code::RowExtra, Code::SeqGap]);
        let more: Vec<_> = unlisted.iter().map(|u| (u.code, u.more)).collect();
        assert_eq!(more, [(Code::RowExtra, 1), (Code::RowDiffers, 1)]);
    }

    #[test]
    fn notes_are_no_errors() {
        let mut findings = Findings::new(1);
        findings.add(finding(Code::Parked));
        findings.add(finding(Code::ClickhouseDoubled));
        assert_eq!(findings.errors(None), 0);
    }
}
