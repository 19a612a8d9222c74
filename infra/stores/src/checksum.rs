//! The hash of a row, the same in every store.
//!
//! A [`Scan`](crate::Scan) adds these hashes modulo 2^128, so its checksum depends on the rows alone: not on their
//! order, not on how they came to be, not on the store. The encoding is fixed: checksums are compared between stores
//! and written into notes of generations.

use schemas::row::Value;
use sha2::{Digest, Sha256};

/// The first 16 bytes of the SHA-256 of a row's values, the tenant first.
///
/// Every value is a tag (0 NULL, 1 text, 2 integer, 3 float, 4 truth value, 5 time, 6 JSON, 7 bytes) and its content:
/// 8 bytes big-endian for numbers (-0.0 as 0.0), one for a truth value, length in 8 bytes and bytes for the others.
pub fn row_hash(row: &[Value]) -> u128 {
    let mut encoded = Vec::with_capacity(row.len() * 24);
    for value in row {
        match value {
            Value::Null => encoded.push(0),
            Value::Text(text) => counted(&mut encoded, 1, text.as_bytes()),
            Value::I64(number) => fixed(&mut encoded, 2, number.to_be_bytes()),
            Value::F64(number) => fixed(&mut encoded, 3, (number + 0.0).to_be_bytes()),
            Value::Bool(truth) => fixed(&mut encoded, 4, [u8::from(*truth)]),
            Value::Time(micros) => fixed(&mut encoded, 5, micros.to_be_bytes()),
            Value::Json(text) => counted(&mut encoded, 6, text.as_bytes()),
            Value::Bytes(bytes) => counted(&mut encoded, 7, bytes),
        }
    }
    let digest = Sha256::digest(&encoded);
    digest.iter().take(16).fold(0, |sum, byte| sum << 8 | u128::from(*byte))
}

fn fixed<const N: usize>(encoded: &mut Vec<u8>, tag: u8, content: [u8; N]) {
    encoded.push(tag);
    encoded.extend_from_slice(&content);
}

fn counted(encoded: &mut Vec<u8>, tag: u8, content: &[u8]) {
    fixed(encoded, tag, (content.len() as u64).to_be_bytes());
    encoded.extend_from_slice(content);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_encoding_never_changes() {
        let row = [
            Value::Text("default".into()),
            Value::Null,
            Value::I64(-1),
            Value::F64(1.5),
            Value::Bool(true),
            Value::Time(1_790_000_000_000_000),
            Value::Json("{}".into()),
            Value::Bytes(vec![0, 255]),
        ];
        assert_eq!(format!("{:032x}", row_hash(&row)), "5cf57887dc287a36afcd72d48f627277");
    }

    #[test]
    fn values_that_look_alike_hash_differently() {
        let hashes = [
            row_hash(&[Value::Text("ab".into()), Value::Text("c".into())]),
            row_hash(&[Value::Text("a".into()), Value::Text("bc".into())]),
            row_hash(&[Value::Text("abc".into())]),
            row_hash(&[Value::Json("abc".into())]),
            row_hash(&[Value::I64(1)]),
            row_hash(&[Value::Time(1)]),
            row_hash(&[Value::Null]),
            row_hash(&[]),
        ];
        for (n, hash) in hashes.iter().enumerate() {
            assert!(!hashes[..n].contains(hash), "number {n}");
        }
    }

    #[test]
    fn minus_zero_is_zero() {
        assert_eq!(row_hash(&[Value::F64(-0.0)]), row_hash(&[Value::F64(0.0)]));
    }
}
