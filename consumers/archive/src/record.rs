//! The archived record and its Avro datum: three longs and three byte strings, written and read without a copy.

use bytes::Bytes;

/// The schema of [`ArchivedRecord`], as it stands in the header of every file.
pub const SCHEMA: &str = include_str!("../ArchivedRecord.avsc");

/// One record of a partition, byte by byte as it stands in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchivedRecord {
    /// Place in the partition, dense from 1. A record that the writer did not number has the place of the one before
    /// it.
    pub position: u64,
    /// Offset in the log that it was read from; a hint, not an identity.
    pub offset: u64,
    /// Microseconds since 1970 UTC.
    pub time: i64,
    /// Key: `tenant/type/id`.
    pub key: Bytes,
    /// Encoded envelope.
    pub envelope: Bytes,
    /// Encoded payload.
    pub payload: Bytes,
}

impl ArchivedRecord {
    /// Appends the Avro datum.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        put_long(out, self.position as i64);
        put_long(out, self.offset as i64);
        put_long(out, self.time);
        for bytes in [&self.key, &self.envelope, &self.payload] {
            put_bytes(out, bytes);
        }
    }

    /// Takes a datum from the front of `from`; none if there is no whole one.
    pub(crate) fn decode(from: &mut Bytes) -> Option<Self> {
        let position = u64::try_from(take_long(from)?).ok()?;
        let offset = u64::try_from(take_long(from)?).ok()?;
        let time = take_long(from)?;
        Some(Self { position, offset, time, key: take_bytes(from)?, envelope: take_bytes(from)?, payload: take_bytes(from)? })
    }

    /// How much it counts towards the size of a file.
    pub(crate) fn size(&self) -> usize {
        self.key.len() + self.envelope.len() + self.payload.len()
    }
}

/// Appends an Avro long: zigzag, then seven bits a byte.
pub(crate) fn put_long(out: &mut Vec<u8>, value: i64) {
    let mut rest = ((value << 1) ^ (value >> 63)) as u64;
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

/// Appends Avro bytes.
pub(crate) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_long(out, bytes.len() as i64);
    out.extend_from_slice(bytes);
}

/// Takes an Avro long from the front.
pub(crate) fn take_long(from: &mut Bytes) -> Option<i64> {
    let mut value = 0_u64;
    for place in 0..10 {
        let byte = *from.get(place)?;
        value |= u64::from(byte & 0x7f).checked_shl(7 * place as u32)?;
        if byte & 0x80 == 0 {
            // The tenth byte has room for one bit.
            let overflows = place == 9 && byte > 1;
            let _ = from.split_to(place + 1);
            return (!overflows).then_some((value >> 1) as i64 ^ -((value & 1) as i64));
        }
    }
    None
}

/// Takes Avro bytes from the front.
pub(crate) fn take_bytes(from: &mut Bytes) -> Option<Bytes> {
    let length = usize::try_from(take_long(from)?).ok()?;
    (length <= from.len()).then(|| from.split_to(length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn longs_survive() {
        for value in [0, 1, -1, 63, 64, -64, -65, 300, i64::MAX, i64::MIN, i64::MAX - 1] {
            let mut out = Vec::new();
            put_long(&mut out, value);
            let mut bytes = Bytes::from(out);
            assert_eq!(take_long(&mut bytes), Some(value));
            assert!(bytes.is_empty());
        }
    }

    #[test]
    fn what_is_no_long_is_none() {
        for bytes in [&b""[..], b"\x80", b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", &[0x80; 11]] {
            assert_eq!(take_long(&mut Bytes::copy_from_slice(bytes)), None, "{bytes:?}");
        }
    }

    #[test]
    fn bytes_cannot_be_longer_than_what_is_there() {
        let mut out = Vec::new();
        put_long(&mut out, i64::MAX);
        assert_eq!(take_bytes(&mut Bytes::from(out)), None);
        let mut out = Vec::new();
        put_long(&mut out, -1);
        assert_eq!(take_bytes(&mut Bytes::from(out)), None);
    }
}
