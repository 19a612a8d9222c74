//! A JSON value against a schema: every problem with its pointer, or the value that the generated type reads.

use super::{
    JsonErrors, JsonProblem, MAX_DEPTH,
    canonical::{canonical, is_large_integer},
    forms::{is_date_time, is_name, is_sha256},
};
use crate::{SchemaInfo, codec};
use base64::{Engine, engine::general_purpose::STANDARD};
use gate::model::{Field, Form, Limits, Record, Type};
use jiff::Timestamp;
use serde_json::{Map, Number, Value};
use std::fmt::{Display, Write};
use uuid::Uuid;

/// The most bytes of a text, and of free JSON in its canonical form.
pub const MAX_TEXT_BYTES: usize = 64 << 10;

/// How many problems are collected before the rest is left out.
const MAX_PROBLEMS: usize = 100;

/// Checks `value` and normalises it: uuids in lower case, times as microseconds, free JSON as canonical text. A field
/// that the gateway generates may be absent; what else is absent has a default.
pub fn check(info: &SchemaInfo, value: Value) -> Result<Value, JsonErrors> {
    run(info, value, false)
}

/// The check; `complete` says that the fields which the gateway generates are there by now.
pub(super) fn run(info: &SchemaInfo, value: Value, complete: bool) -> Result<Value, JsonErrors> {
    let known = codec::known(info.id).map_err(|e| JsonErrors::one("", e.to_string()))?;
    let mut check = Check { name: info.name, complete, pointer: String::new(), problems: Vec::new() };
    let value = check.record(&known.schema.record, value);
    if check.problems.is_empty() { Ok(value) } else { Err(JsonErrors { problems: check.problems }) }
}

struct Check {
    name: &'static str,
    /// Whether fields that the gateway generates are there by now.
    complete: bool,
    pointer: String,
    problems: Vec<JsonProblem>,
}

impl Check {
    /// Notes a problem; the value does not matter any more.
    fn say(&mut self, detail: impl Into<String>) -> Value {
        if self.problems.len() < MAX_PROBLEMS {
            self.problems.push(JsonProblem { pointer: self.pointer.clone(), detail: detail.into() });
        }
        Value::Null
    }

    fn expected(&mut self, what: &str, value: &Value) -> Value {
        let is = match value {
            Value::Null => "null",
            Value::Bool(_) => "a truth value",
            Value::Number(number) if number.is_f64() => "a number with a fraction or an exponent",
            Value::Number(_) => "an integer",
            Value::String(_) => "a text",
            Value::Array(_) => "an array",
            Value::Object(_) => "an object",
        };
        self.say(format!("expected {what}, not {is}"))
    }

    fn at<T>(&mut self, step: impl Display, check: impl FnOnce(&mut Self) -> T) -> T {
        let length = self.pointer.len();
        let _ = write!(self.pointer, "/{step}");
        let result = check(self);
        self.pointer.truncate(length);
        result
    }

    fn record(&mut self, record: &Record, value: Value) -> Value {
        let Value::Object(mut given) = value else { return self.expected("an object", &value) };
        let mut out = Map::new();
        for field in &record.fields {
            match given.remove(&field.name) {
                Some(value) => {
                    let value = self.at(&field.name, |check| check.value(&field.ty, value));
                    out.insert(field.name.clone(), value);
                }
                None => self.absent(field),
            }
        }
        for key in given.keys() {
            let step: String = key.chars().take(100).collect::<String>().replace('~', "~0").replace('/', "~1");
            let names: Vec<&str> = record.fields.iter().map(|field| field.name.as_str()).collect();
            let whose = if self.pointer.is_empty() { self.name } else { &record.name };
            let detail = format!("{whose} has no such field; its fields are {}", names.join(", "));
            self.at(step, |check| check.say(detail));
        }
        Value::Object(out)
    }

    fn absent(&mut self, field: &Field) {
        if field.default.is_none() && (self.complete || !field.generated) {
            self.at(&field.name, |check| check.say("it is missing, and has no default"));
        }
    }

    fn value(&mut self, ty: &Type, value: Value) -> Value {
        match (ty, value) {
            (Type::Optional(_), Value::Null) => Value::Null,
            (Type::Optional(inner), value) => self.value(inner, value),
            (Type::Boolean, Value::Bool(value)) => value.into(),
            (Type::Boolean, other) => self.expected("true or false", &other),
            (Type::Int(limits), value) => self.integer(limits, i64::from(i32::MIN), i64::from(i32::MAX), value),
            (Type::Long(limits), value) => self.integer(limits, i64::MIN, i64::MAX, value),
            (Type::Double(limits), value) => self.double(limits, value),
            (Type::Text(Form::Json), value) => self.free_json(value),
            (Type::Text(form), Value::String(text)) => self.text(*form, text),
            (Type::Bytes, Value::String(text)) if text.len() > MAX_TEXT_BYTES => self.too_long(text.len()),
            (Type::Bytes, Value::String(text)) => match STANDARD.decode(&text) {
                Ok(bytes) => bytes.into(),
                Err(_) => self.say("expected bytes in base64 (RFC 4648 section 4, padded)"),
            },
            (Type::Uuid, Value::String(text)) => self.text(Form::Uuid, text),
            (Type::Text(_) | Type::Bytes | Type::Uuid, other) => self.expected("a text", &other),
            (Type::Time, value) => self.time(value),
            (Type::Enum(ty), Value::String(symbol)) if ty.symbols.contains(&symbol) => symbol.into(),
            (Type::Enum(ty), _) => self.say(format!("expected one of {}", ty.symbols.join(", "))),
            (Type::Record(record), value) => self.record(record, value),
            (Type::Array(ty), Value::Array(items)) => {
                items.into_iter().enumerate().map(|(n, item)| self.at(n, |check| check.value(ty, item))).collect()
            }
            (Type::Array(_), other) => self.expected("an array", &other),
        }
    }

    fn integer(&mut self, limits: &Limits<i64>, least: i64, most: i64, value: Value) -> Value {
        let (least, most) = (limits.minimum.unwrap_or(least), limits.maximum.unwrap_or(most));
        match &value {
            Value::Number(number) if number.is_i64() || number.is_u64() => match number.as_i64() {
                Some(n) if (least..=most).contains(&n) => value,
                _ => self.say(format!("expected an integer from {least} to {most}")),
            },
            other => self.expected("an integer", other),
        }
    }

    fn double(&mut self, limits: &Limits<f64>, value: Value) -> Value {
        let Value::Number(number) = &value else { return self.expected("a number", &value) };
        if is_large_integer(number) {
            return self.say("this integer is not a double exactly; write it with an exponent");
        }
        let number = number.as_f64().unwrap_or_default();
        match (limits.minimum, limits.maximum) {
            (Some(least), _) if number < least => self.say(format!("expected a number of at least {least}")),
            (_, Some(most)) if number > most => self.say(format!("expected a number of at most {most}")),
            _ => Number::from_f64(number).map_or(Value::Null, Value::Number),
        }
    }

    fn text(&mut self, form: Form, text: String) -> Value {
        if text.contains('\0') {
            return self.say("U+0000 is not allowed in a text");
        }
        match form {
            Form::Name if !is_name(&text) => self.say("expected 1 to 128 characters of A-Z a-z 0-9 . _ -, neither . nor .."),
            Form::Sha256 if !is_sha256(&text) => self.say("expected a SHA-256 as 64 lower-case hexadecimal digits"),
            Form::Uuid => match Uuid::try_parse(&text) {
                Ok(uuid) if text.len() == 36 => uuid.hyphenated().to_string().into(),
                _ => self.say("expected a UUID such as 0192f0c1-2345-7abc-8def-0123456789ab"),
            },
            _ if text.len() > MAX_TEXT_BYTES => self.too_long(text.len()),
            _ => text.into(),
        }
    }

    fn too_long(&mut self, length: usize) -> Value {
        self.say(format!("it has {length} bytes, and {MAX_TEXT_BYTES} are allowed"))
    }

    fn time(&mut self, value: Value) -> Value {
        let time = match &value {
            Value::String(text) if is_date_time(text) => text.parse::<Timestamp>().ok(),
            Value::Number(number) => number.as_i64().and_then(|micros| Timestamp::from_microsecond(micros).ok()),
            _ => None,
        };
        match time {
            Some(time) if time.as_nanosecond() % 1000 == 0 => time.as_microsecond().into(),
            Some(_) => self.say("a time has microseconds; leave the digits beyond away"),
            None => self
                .say("expected a time such as 2026-11-21T02:00:00.000000Z (RFC 3339), or microseconds since 1970 as an integer"),
        }
    }

    fn free_json(&mut self, value: Value) -> Value {
        if !value.is_object() {
            return self.expected("an object", &value);
        }
        let before = self.problems.len();
        self.free(&value, 1);
        if self.problems.len() > before {
            return Value::Null;
        }
        let text = canonical(&value);
        match text.len() {
            0..=MAX_TEXT_BYTES => text.into(),
            length => self.too_long(length),
        }
    }

    /// What makes free JSON ambiguous or unstorable, one problem being enough.
    fn free(&mut self, value: &Value, depth: usize) {
        let found = match value {
            Value::Array(_) | Value::Object(_) if depth > MAX_DEPTH => format!("it is nested deeper than {MAX_DEPTH}"),
            Value::Array(items) => return items.iter().for_each(|item| self.free(item, depth + 1)),
            Value::Object(fields) if fields.keys().any(|key| key.contains('\0')) => "U+0000 is not allowed in a key".into(),
            Value::Object(fields) => return fields.values().for_each(|item| self.free(item, depth + 1)),
            Value::String(text) if text.contains('\0') => "U+0000 is not allowed in a text".into(),
            Value::Number(number) if is_large_integer(number) => {
                format!("not every reader keeps the integer {number} exactly; write integers beyond 2^53 - 1 as texts")
            }
            _ => return,
        };
        self.say(found);
    }
}
