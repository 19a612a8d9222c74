//! The files: every `.avsc` against `registry.lock`, and the lock's next lines.

use crate::{
    Lock, Problem, evolve,
    lock::one_line,
    model::{Enum, Record, Schema, Type},
    parse,
};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

/// The files cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum GateError {
    /// A file or folder.
    #[error("cannot use {path}: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The lock is damaged.
    #[error("{path}: {reason}")]
    Lock {
        /// Which.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

/// What the gate found.
#[derive(Debug, Default)]
pub struct Report {
    /// What does not pass; all of it.
    pub problems: Vec<Problem>,
    /// Schemas that pass and stand in no line of the lock yet.
    pub unlocked: Vec<Unlocked>,
    /// Every schema that could be read, ordered by name.
    pub schemas: Vec<Source>,
}

/// A version that waits for its line in the lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unlocked {
    /// Full name of the schema.
    pub subject: String,
    /// The version that it will be.
    pub version: u32,
    /// The number that it will have.
    pub id: u32,
}

/// A schema and its document.
#[derive(Debug, Clone)]
pub struct Source {
    /// The schema.
    pub schema: Schema,
    /// Its number, if it is the newest locked version of its subject.
    pub id: Option<u32>,
    /// The document on one line.
    pub text: String,
}

/// Checks every `.avsc` below `avro` by itself and against every version in `lock`.
pub fn check(avro: &Path, lock: &Path) -> Result<Report, GateError> {
    let locked = Lock::parse(&read(lock)?).map_err(|reason| GateError::Lock { path: lock.into(), reason })?;
    let mut report = Report::default();
    let mut present = Vec::new();
    let mut next = locked.versions.last().map_or(1, |last| last.id + 1);
    for file in documents(avro)? {
        let text = read(&file)?;
        let place = file.strip_prefix(avro).unwrap_or(&file).display().to_string();
        let (json, schema) = match understand(&text) {
            Ok(read) => read,
            Err(problems) => {
                present.push(place.trim_end_matches(".avsc").replace('/', "."));
                report.problems.extend(problems.into_iter().map(|p| Problem { schema: p.schema.replace("?", &place), ..p }));
                continue;
            }
        };
        let name = schema.name();
        if place != format!("{}.avsc", name.replace('.', "/")) {
            let message = format!("it lies in {place}, but belongs into {}.avsc", name.replace('.', "/"));
            report.problems.push(Problem { schema: name.clone(), field: String::new(), message });
        }
        let newest = locked.of(&name).next_back();
        let id = newest.filter(|newest| newest.schema == json).map(|newest| newest.id);
        if id.is_none() {
            // A version that this program no longer understands was locked by another; there is nothing to compare.
            let versions: Vec<(u32, Schema)> =
                locked.of(&name).filter_map(|old| parse(&old.schema).ok().map(|schema| (old.version, schema))).collect();
            let problems = evolve::problems(&versions, &schema);
            if problems.is_empty() {
                let version = newest.map_or(1, |newest| newest.version + 1);
                report.unlocked.push(Unlocked { subject: name.clone(), version, id: next });
                next += 1;
            }
            report.problems.extend(problems);
        }
        present.push(name);
        report.schemas.push(Source { schema, id, text: one_line(&text) });
    }
    report.schemas.sort_by_key(|source| source.schema.name());
    let missing = locked.versions.iter().filter(|old| old.version == 1 && !present.contains(&old.subject));
    report.problems.extend(missing.map(|old| Problem {
        schema: old.subject.clone(),
        field: String::new(),
        message: "its file is gone, but records of it may lie on the log; put it back".into(),
    }));
    shared_types(&mut report);
    Ok(report)
}

/// Locks what passes: writes a line for each new version, if there is no problem at all. Ids never change.
pub fn lock(avro: &Path, lock: &Path) -> Result<Report, GateError> {
    let report = check(avro, lock)?;
    if !report.problems.is_empty() || report.unlocked.is_empty() {
        return Ok(report);
    }
    let mut text = read(lock)?;
    for Unlocked { subject, version, id } in &report.unlocked {
        let source = report.schemas.iter().find(|source| source.schema.name() == *subject);
        let grown = source.and_then(|source| Lock::grown(&text, *id, subject, *version, &source.text));
        text = grown.ok_or_else(|| GateError::Lock { path: lock.into(), reason: "it does not end in ]}".into() })?;
    }
    // Beside, then renamed: whoever builds meanwhile sees the old file or the new one.
    let beside = lock.with_extension("lock.new");
    let failed = |source| GateError::File { path: lock.into(), source };
    fs::write(&beside, text).map_err(failed)?;
    fs::rename(&beside, lock).map_err(failed)?;
    Ok(report)
}

fn understand(text: &str) -> Result<(Value, Schema), Vec<Problem>> {
    let json: Value = serde_json::from_str(text)
        .map_err(|e| vec![Problem { schema: "?".into(), field: String::new(), message: format!("it is not JSON: {e}") }])?;
    parse(&json).map(|schema| (json, schema))
}

/// Several schemas of a context may define the same enum or record; it becomes one Rust type, so they must agree.
fn shared_types(report: &mut Report) {
    let mut known: BTreeMap<(String, String), (String, Type)> = BTreeMap::new();
    let mut problems = Vec::new();
    for Source { schema, .. } in &report.schemas {
        let mut types = Vec::new();
        named(&Type::Record(schema.record.clone()), &mut types);
        for (name, ty) in types {
            let here = schema.name();
            let (there, first) = known.entry((schema.context.clone(), name.clone())).or_insert((here.clone(), ty.clone()));
            if *first != ty {
                let message = format!("the type {name} differs from that in {there}; make them the same");
                problems.push(Problem { schema: here, field: String::new(), message });
            }
        }
    }
    report.problems.extend(problems);
}

fn named(ty: &Type, out: &mut Vec<(String, Type)>) {
    match ty {
        Type::Enum(Enum { name, .. }) => out.push((name.clone(), ty.clone())),
        Type::Record(Record { name, fields, .. }) => {
            out.push((name.clone(), ty.clone()));
            fields.iter().for_each(|field| named(&field.ty, out));
        }
        Type::Array(inner) | Type::Optional(inner) => named(inner, out),
        _ => {}
    }
}

fn documents(avro: &Path) -> Result<Vec<PathBuf>, GateError> {
    let mut files = Vec::new();
    for folder in entries(avro)?.into_iter().filter(|path| path.is_dir()) {
        files.extend(entries(&folder)?.into_iter().filter(|path| path.extension().is_some_and(|e| e == "avsc")));
    }
    Ok(files)
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, GateError> {
    let failed = |source| GateError::File { path: folder.into(), source };
    let list = fs::read_dir(folder).map_err(failed)?;
    let mut paths = list.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>().map_err(failed)?;
    paths.sort();
    Ok(paths)
}

fn read(path: &Path) -> Result<String, GateError> {
    fs::read_to_string(path).map_err(|source| GateError::File { path: path.into(), source })
}
