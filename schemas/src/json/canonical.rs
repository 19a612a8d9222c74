//! The canonical form (RFC 8785) and the hash of a body.

use serde_json::Value;
use sha2::{Digest, Sha256};

/// The greatest integer that every JSON reader keeps (RFC 7493): 2^53 - 1.
pub(super) const MAX_SAFE_INTEGER: u64 = (1 << 53) - 1;

/// The canonical text of a value (RFC 8785): equal values are equal bytes. Integers beyond 2^53 - 1 lose their last
/// digits in it, which is why [`check`](super::check) keeps them out of free JSON.
pub fn canonical(value: &Value) -> String {
    // A `Value` holds no NaN and only text keys, so this cannot fail.
    serde_json_canonicalizer::to_string(value).unwrap_or_else(|_| value.to_string())
}

/// SHA-256 of the canonical form. Integers beyond 2^53 - 1 count with all their digits.
pub fn body_hash(value: &Value) -> [u8; 32] {
    let exact = if has_large_integer(value) { canonical(&with_exact_integers(value)) } else { canonical(value) };
    Sha256::digest(exact).into()
}

/// Whether the number is an integer that a double does not hold.
pub(super) fn is_large_integer(number: &serde_json::Number) -> bool {
    number.as_i64().is_some_and(|n| n.unsigned_abs() > MAX_SAFE_INTEGER) || number.as_i64().is_none() && number.is_u64()
}

fn has_large_integer(value: &Value) -> bool {
    match value {
        Value::Number(number) => is_large_integer(number),
        Value::Array(items) => items.iter().any(has_large_integer),
        Value::Object(fields) => fields.values().any(has_large_integer),
        _ => false,
    }
}

/// Two commands that differ in the nineteenth digit differ. U+0000 keeps the digits apart from any text, which has none.
fn with_exact_integers(value: &Value) -> Value {
    match value {
        Value::Number(number) if is_large_integer(number) => Value::String(format!("\0{number}")),
        Value::Array(items) => items.iter().map(with_exact_integers).collect(),
        Value::Object(fields) => fields.iter().map(|(key, value)| (key.clone(), with_exact_integers(value))).collect(),
        other => other.clone(),
    }
}
