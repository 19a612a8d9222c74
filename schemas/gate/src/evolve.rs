//! How a schema may change: only so that the production decoder still reads every locked version.
//!
//! The decoder reads a record with the schema that wrote it straight into the newest type. It takes the default of an
//! added field, follows aliases, skips a removed field (unless an enum is in it, which cannot be skipped) and takes the
//! default of an enum for a symbol that is gone. It neither widens an int to a long nor wraps a value into an optional.

use crate::{
    Problem,
    model::{Enum, Field, Form, Record, Schema, Type},
};

/// What keeps the decoder from reading records of `versions` (number and schema, oldest first) as `new`; empty where
/// it reads them all.
pub fn problems(versions: &[(u32, Schema)], new: &Schema) -> Vec<Problem> {
    let mut found = Vec::new();
    for (version, old) in versions.iter().rev() {
        let mut change = Change { schema: new.name(), version: *version, found: Vec::new() };
        change.identity(old, new);
        change.record("", &old.record, &new.record);
        // One complaint per field is enough; that about the newest version is the nearest to what the author did.
        found.extend(change.found.into_iter().filter(|p: &Problem| !said(&found, p)).collect::<Vec<_>>());
    }
    let records: Vec<&Record> = versions.iter().map(|(_, old)| &old.record).collect();
    defaults(&new.name(), &records, &new.record, &mut found);
    found
}

fn said(found: &[Problem], problem: &Problem) -> bool {
    found.iter().any(|other| other.field == problem.field)
}

struct Change {
    schema: String,
    version: u32,
    found: Vec<Problem>,
}

impl Change {
    fn say(&mut self, field: &str, message: String) {
        self.found.push(Problem { schema: self.schema.clone(), field: field.into(), message });
    }

    fn identity(&mut self, old: &Schema, new: &Schema) {
        let same_id = match (&old.id_field, &new.id_field) {
            (Some(old), Some(id)) => new.record.fields.iter().any(|field| field.name == *id && field.reads(old)),
            (old, new) => old == new,
        };
        if old.kind != new.kind || old.aggregate != new.aggregate || !same_id {
            self.say("", format!("kind, aggregate and id stay as in version {}; write a schema with another name", self.version));
        }
    }

    fn record(&mut self, place: &str, old: &Record, new: &Record) {
        let version = self.version;
        if old.name != new.name {
            self.say(place, format!("the record {} is called {} now, and cannot be read; keep the name", old.name, new.name));
        }
        for field in &new.fields {
            let place = inside(place, &field.name);
            match old.fields.iter().filter(|before| field.reads(&before.name)).collect::<Vec<_>>()[..] {
                [] if field.default.is_none() => {
                    self.say(&place, format!("it is new and records of version {version} lack it; give it a default"));
                }
                [] => {}
                [before] => self.field(&place, before, field),
                [..] => {
                    self.say(&place, format!("several fields of version {version} are read into it; give it a name of its own"))
                }
            }
        }
        for before in old.fields.iter().filter(|before| !new.fields.iter().any(|field| field.reads(&before.name))) {
            if let Some(name) = enum_within(&before.ty) {
                let place = inside(place, &before.name);
                self.say(
                    &place,
                    format!(
                        "it is gone, but the decoder cannot skip the enum {name} in records of version {version}; keep the field"
                    ),
                );
            }
        }
    }

    fn field(&mut self, place: &str, old: &Field, new: &Field) {
        let lost = old.aliases.iter().find(|alias| !new.reads(alias));
        if let Some(alias) = lost {
            self.say(place, format!("the alias {alias:?} is gone, under which older records hold it; put it back"));
        }
        self.ty(place, &old.ty, &new.ty);
    }

    fn ty(&mut self, place: &str, old: &Type, new: &Type) {
        match (old, new) {
            (Type::Int(_), Type::Int(_)) | (Type::Long(_), Type::Long(_)) | (Type::Double(_), Type::Double(_)) => {}
            (Type::Text(old), Type::Text(new)) if meaning(*old) == meaning(*new) => {}
            (Type::Enum(old), Type::Enum(new)) => self.symbols(place, old, new),
            (Type::Record(old), Type::Record(new)) => self.record(place, old, new),
            (Type::Array(old), Type::Array(new)) | (Type::Optional(old), Type::Optional(new)) => self.ty(place, old, new),
            (old, new) if old == new => {}
            _ => self.say(
                place,
                format!(
                    "{} in version {} cannot be read as {}; add a field with another name and a default, and keep or remove this one",
                    old.title(),
                    self.version,
                    new.title()
                ),
            ),
        }
    }

    fn symbols(&mut self, place: &str, old: &Enum, new: &Enum) {
        let version = self.version;
        let kept: Vec<&String> = new.symbols.iter().filter(|symbol| old.symbols.contains(symbol)).collect();
        if old.name != new.name || old.default != new.default {
            self.say(place, format!("an enum keeps its name and its default ({} in version {version})", old.name));
        } else if kept.len() != old.symbols.len() || !kept.into_iter().eq(&old.symbols) {
            self.say(place, format!("the symbols of version {version} stay, in their order: {}", old.symbols.join(", ")));
        } else if new.symbols.len() > old.symbols.len() && new.default.is_none() {
            self.say(
                place,
                "it has new symbols and no default, so programs of today cannot read them; write an enum with another name"
                    .into(),
            );
        }
    }
}

/// A default that records were already read with does not change, or a rebuilt read model would differ from a live one.
fn defaults(schema: &str, versions: &[&Record], new: &Record, found: &mut Vec<Problem>) {
    let Some(newest) = versions.last() else { return };
    for field in &new.fields {
        let known: Vec<&Field> =
            versions.iter().filter_map(|old| old.fields.iter().find(|before| field.reads(&before.name))).collect();
        let Some(before) = newest.fields.iter().find(|before| field.reads(&before.name)) else { continue };
        if before.default != field.default && known.len() < versions.len() {
            let message = "older records lack it and were read with its default, so the default stays".to_owned();
            found.push(Problem { schema: schema.into(), field: field.name.clone(), message });
        }
        if let Some(record) = record_within(&field.ty) {
            let known: Vec<&Record> = known.iter().filter_map(|field| record_within(&field.ty)).collect();
            defaults(schema, &known, record, found);
        }
    }
}

fn record_within(ty: &Type) -> Option<&Record> {
    match ty {
        Type::Record(record) => Some(record),
        Type::Array(inner) | Type::Optional(inner) => record_within(inner),
        _ => None,
    }
}

fn enum_within(ty: &Type) -> Option<&str> {
    match ty {
        Type::Enum(symbols) => Some(&symbols.name),
        Type::Record(record) => record.fields.iter().find_map(|field| enum_within(&field.ty)),
        Type::Array(inner) | Type::Optional(inner) => enum_within(inner),
        _ => None,
    }
}

/// Limits and patterns may change: they are checked where a record comes in, never where it is read.
fn meaning(form: Form) -> Form {
    match form {
        Form::Uuid | Form::Json => form,
        _ => Form::Free,
    }
}

fn inside(place: &str, field: &str) -> String {
    if place.is_empty() { field.to_owned() } else { format!("{place}.{field}") }
}
