//! The attributes that are known at each place of a schema; a misspelt one is a problem, not a silent nothing.

use crate::model::{Form, Limits, Type};
use serde_json::Value;

pub const TOP: &[&str] = &["type", "namespace", "name", "doc", "kind", "aggregate", "id", "fields"];
pub const RECORD: &[&str] = &["type", "namespace", "name", "doc", "fields"];
pub const FIELD: &[&str] = &["name", "type", "doc", "default", "aliases", "generated", "pattern", "minimum", "maximum", "secret"];
pub const ENUM: &[&str] = &["type", "namespace", "name", "doc", "symbols", "default"];
pub const FIXED: &[&str] = &["type", "namespace", "name", "doc", "size", "logicalType"];
pub const ARRAY: &[&str] = &["type", "items"];
pub const PRIMITIVE: &[&str] = &["type", "logicalType"];

/// The attributes of `json` that nobody reads, and what there is instead.
pub fn unknown(json: &Value, known: &[&str]) -> Vec<String> {
    let keys = json.as_object().into_iter().flat_map(|object| object.keys());
    let unknown = keys.filter(|key| !known.contains(&key.as_str()));
    unknown.map(|key| format!("attribute {key:?} is unknown here; there are {}", known.join(", "))).collect()
}

/// Puts `minimum`, `maximum` and `pattern` of a field into its type.
pub fn narrow(ty: &mut Type, field: &Value, problems: &mut Vec<String>) {
    let inner = match ty {
        Type::Optional(inner) => inner,
        other => other,
    };
    for attribute in ["minimum", "maximum"] {
        let Some(limit) = field.get(attribute) else { continue };
        let fits = match inner {
            Type::Int(limits) | Type::Long(limits) => set(limits, attribute, limit.as_i64()),
            Type::Double(limits) => set(limits, attribute, limit.as_f64()),
            _ => false,
        };
        if !fits {
            problems.push(format!("{attribute} takes a number of the field's type, on int, long and double only"));
        }
    }
    match (field.get("pattern").map(Value::as_str), inner) {
        (None, _) => {}
        (Some(Some("name")), Type::Text(form @ Form::Free)) => *form = Form::Name,
        (Some(Some("sha256")), Type::Text(form @ Form::Free)) => *form = Form::Sha256,
        _ => problems.push("pattern is \"name\" or \"sha256\", on a plain string only".into()),
    }
}

fn set<N: Copy>(limits: &mut Limits<N>, attribute: &str, limit: Option<N>) -> bool {
    match attribute {
        "minimum" => limits.minimum = limit,
        _ => limits.maximum = limit,
    }
    limit.is_some()
}

/// Whether `default` is a value that the generator can write for the type.
pub fn default_fits(ty: &Type, default: &Value) -> bool {
    match ty {
        Type::Boolean => default.is_boolean(),
        Type::Int(limits) => default.as_i64().is_some_and(|n| i32::try_from(n).is_ok() && within(limits, n)),
        Type::Long(limits) => default.as_i64().is_some_and(|n| within(limits, n)),
        Type::Time => default.is_i64(),
        Type::Double(limits) => default.as_f64().is_some_and(|n| within(limits, n)),
        Type::Text(Form::Free) => default.is_string(),
        Type::Text(Form::Json) => default == "{}",
        Type::Enum(symbols) => default.as_str().is_some_and(|d| symbols.symbols.iter().any(|s| s == d)),
        Type::Array(_) => default.as_array().is_some_and(Vec::is_empty),
        Type::Optional(_) => default.is_null(),
        Type::Text(_) | Type::Bytes | Type::Uuid | Type::Record(_) => false,
    }
}

/// Whether `number` is within `limits`.
pub fn within<N: PartialOrd>(limits: &Limits<N>, number: N) -> bool {
    limits.minimum.as_ref().is_none_or(|least| *least <= number) && limits.maximum.as_ref().is_none_or(|most| number <= *most)
}
