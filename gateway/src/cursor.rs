//! Opaque cursors: where a page of a list ended.
//!
//! A cursor holds the values of the order's columns and of the key of the last row, and a digest over them, the list
//! and the log. It is no secret and gives no right; the digest tells a cursor of another list, of other filters, or of
//! one that was changed, from one that fits.

use crate::{codes, problem::Problem};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use schemas::row::{Column, Kind, Value};
use sha2::{Digest, Sha256};

/// Bytes of the digest.
const DIGEST: usize = 12;
/// The longest cursor that is looked at.
const MAX: usize = 2048;

/// The cursor after a row with these `values`, in the list that `list` describes.
pub(crate) fn write(list: &str, values: &[Value]) -> String {
    let mut bytes = vec![0; DIGEST];
    for value in values {
        push(&mut bytes, value);
    }
    let digest = digest(list, &bytes[DIGEST..]);
    bytes[..DIGEST].copy_from_slice(&digest);
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The values in `text`, if it is a cursor of the list that `list` describes; `columns` are those of its values.
pub(crate) fn read(list: &str, columns: &[Column], text: &str) -> Result<Vec<Value>, Problem> {
    values(list, columns, text).ok_or_else(|| {
        Problem::new(codes::INVALID_CURSOR, "the cursor belongs to no such list; use next_cursor of the same query, or none")
    })
}

fn values(list: &str, columns: &[Column], text: &str) -> Option<Vec<Value>> {
    let bytes = (text.len() <= MAX).then(|| URL_SAFE_NO_PAD.decode(text).ok())??;
    let (given, mut rest) = bytes.split_at_checked(DIGEST)?;
    if given != digest(list, rest) {
        return None;
    }
    let values = columns.iter().map(|column| take(&mut rest, *column)).collect::<Option<_>>()?;
    rest.is_empty().then_some(values)
}

fn digest(list: &str, values: &[u8]) -> [u8; DIGEST] {
    let whole = Sha256::new().chain_update((list.len() as u64).to_be_bytes()).chain_update(list).chain_update(values).finalize();
    let mut digest = [0; DIGEST];
    digest.copy_from_slice(&whole[..DIGEST]);
    digest
}

/// A byte for presence, then the value: eight bytes, or a length and bytes.
fn push(bytes: &mut Vec<u8>, value: &Value) {
    let text: &[u8] = match value {
        Value::Null => return bytes.push(0),
        Value::I64(number) | Value::Time(number) => {
            bytes.push(1);
            return bytes.extend_from_slice(&number.to_be_bytes());
        }
        Value::F64(number) => {
            bytes.push(1);
            return bytes.extend_from_slice(&number.to_bits().to_be_bytes());
        }
        Value::Bool(truth) => {
            bytes.push(1);
            return bytes.extend_from_slice(&u64::from(*truth).to_be_bytes());
        }
        Value::Text(text) | Value::Json(text) => text.as_bytes(),
        Value::Bytes(raw) => raw,
    };
    bytes.push(1);
    bytes.extend_from_slice(&(text.len() as u64).to_be_bytes());
    bytes.extend_from_slice(text);
}

fn take(rest: &mut &[u8], column: Column) -> Option<Value> {
    let (&[present], tail) = rest.split_first_chunk::<1>()?;
    *rest = tail;
    if present == 0 {
        return column.nullable.then_some(Value::Null);
    }
    let (number, tail) = rest.split_first_chunk::<8>()?;
    *rest = tail;
    let number = u64::from_be_bytes(*number);
    let mut text = || {
        let (text, tail) = rest.split_at_checked(usize::try_from(number).ok()?)?;
        *rest = tail;
        String::from_utf8(text.to_vec()).ok()
    };
    Some(match column.kind {
        Kind::I64 => Value::I64(number.cast_signed()),
        Kind::Time => Value::Time(number.cast_signed()),
        Kind::F64 => Value::F64(f64::from_bits(number)),
        Kind::Bool => Value::Bool(number == 1),
        Kind::Text => Value::Text(text()?),
        Kind::Json => Value::Json(text()?),
        Kind::Bytes => return None,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    const COLUMNS: &[Column] = &[
        Column { name: "submitted_at", kind: Kind::Time, nullable: false },
        Column { name: "worker", kind: Kind::Text, nullable: true },
        Column { name: "job_id", kind: Kind::Text, nullable: false },
    ];

    #[test]
    fn a_cursor_gives_back_what_it_holds() {
        for worker in [Value::Null, Value::Text("w'; --".to_owned())] {
            let values = vec![Value::Time(-5), worker, Value::Text("j".to_owned())];
            assert_eq!(read("jobs", COLUMNS, &write("jobs", &values)).unwrap(), values);
        }
    }

    #[test]
    fn every_changed_or_foreign_cursor_is_refused() {
        let cursor = write("jobs", &[Value::Time(5), Value::Null, Value::Text("j".to_owned())]);
        assert_eq!(read("jobs?queue=a", COLUMNS, &cursor).unwrap_err().code(), "invalid_cursor");
        assert!(read("jobs", &COLUMNS[..2], &cursor).is_err(), "values are left over");
        for place in 0..cursor.len() {
            let mut bytes = cursor.clone().into_bytes();
            bytes[place] = if bytes[place] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(bytes).unwrap();
            assert!(read("jobs", COLUMNS, &changed).is_err(), "{changed}");
        }
        for junk in ["", "x", "!!", &"A".repeat(5000)] {
            assert!(read("jobs", COLUMNS, junk).is_err(), "{junk}");
        }
    }
}
