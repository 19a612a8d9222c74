//! `registry.lock`: every version of every schema, one line each. It only grows.

use serde_json::Value;
use std::collections::BTreeMap;

/// One locked version.
#[derive(Debug, Clone, PartialEq)]
pub struct Version {
    /// Number in the registry, unique over all subjects.
    pub id: u32,
    /// Full name of the schema: `work.SubmitJob`.
    pub subject: String,
    /// From 1, per subject.
    pub version: u32,
    /// The document.
    pub schema: Value,
}

/// Every locked version, in the order of the ids.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Lock {
    /// The versions.
    pub versions: Vec<Version>,
}

impl Lock {
    /// Reads the text of `registry.lock`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let document: Value = serde_json::from_str(text).map_err(|e| e.to_string())?;
        let mut lock = Self::default();
        let mut newest: BTreeMap<&str, u64> = BTreeMap::new();
        for line in document["schemas"].as_array().ok_or("the list \"schemas\" is missing")? {
            let (Some(id), Some(subject), Some(version)) =
                (line["id"].as_u64(), line["subject"].as_str(), line["version"].as_u64())
            else {
                return Err(format!("a line lacks id, subject or version: {line}"));
            };
            let last = newest.entry(subject).or_default();
            let after = lock.versions.last().map_or(0, |v| u64::from(v.id));
            if version != *last + 1 || id <= after {
                return Err(format!(
                    "{subject} version {version}, id {id}: versions count from 1 and ids grow; restore the file from git"
                ));
            }
            *last = version;
            let id = u32::try_from(id).ok().filter(|id| i32::try_from(*id).is_ok()).ok_or("an id is beyond 31 bits")?;
            lock.versions.push(Version { id, subject: subject.into(), version: version as u32, schema: line["schema"].clone() });
        }
        Ok(lock)
    }

    /// The versions of `subject`, oldest first.
    pub fn of<'a>(&'a self, subject: &'a str) -> impl DoubleEndedIterator<Item = &'a Version> {
        self.versions.iter().filter(move |version| version.subject == subject)
    }

    /// The text with one more line. The lines before stay as they are, byte for byte.
    pub(crate) fn grown(text: &str, id: u32, subject: &str, version: u32, schema: &str) -> Option<String> {
        let end = text.trim_end().strip_suffix("]}")?.trim_end();
        let comma = if end.ends_with('}') { "," } else { "" };
        Some(format!(
            "{end}{comma}\n{{\"id\": {id}, \"subject\": \"{subject}\", \"version\": {version}, \"schema\": {schema}}}\n]}}\n"
        ))
    }
}

/// JSON text on one line, its keys in the order in which they stand.
pub(crate) fn one_line(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    let (mut quoted, mut escaped) = (false, false);
    for c in json.chars() {
        if quoted {
            out.push(c);
            (quoted, escaped) = (escaped || c != '"', !escaped && c == '\\');
        } else if !c.is_ascii_whitespace() {
            out.push(c);
            match c {
                '"' => quoted = true,
                ',' | ':' => out.push(' '),
                _ => {}
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_keeps_the_text_inside_quotes() {
        assert_eq!(one_line("{ \"a\" :\n\"x, \\\" : y\\\\\" ,\n \"b\": [1,2] }"), r#"{"a": "x, \" : y\\", "b": [1, 2]}"#);
    }

    #[test]
    fn ids_and_versions_only_grow() {
        let line = |id: u32, version: u32| format!(r#"{{"id": {id}, "subject": "a.B", "version": {version}, "schema": {{}}}}"#);
        let lock = |lines: &[String]| Lock::parse(&format!("{{\"schemas\": [{}]}}", lines.join(",")));
        assert_eq!(lock(&[line(1, 1), line(4, 2)]).map(|lock| lock.versions.len()), Ok(2));
        assert!(lock(&[line(1, 1), line(1, 2)]).is_err());
        assert!(lock(&[line(1, 1), line(2, 3)]).is_err());
        assert!(lock(&[line(1, 1), line(2, 1)]).is_err());
    }
}
