//! Avro object container files: <https://avro.apache.org/docs/1.12.0/specification/#object-container-files>.
//!
//! Any Avro reader reads what [`write`] makes. [`read`] takes only what `write` makes: the same schema and codec, blocks
//! of a bounded size, and records whose SHA-256 is the one in the header, so that a file is its own proof even while
//! its sidecar is missing. The same records make the same bytes.

use crate::record::{ArchivedRecord, SCHEMA, put_bytes, put_long, take_bytes, take_long};
use bytes::Bytes;
use log::Source;
use sha2::{Digest, Sha256};
use std::{collections::BTreeMap, io::Read};
use uuid::Uuid;

const MAGIC: &[u8] = b"Obj\x01";
const CODEC: &[u8] = b"zstandard";
const LEVEL: i32 = 3;
/// A block is closed once it has this many bytes before compression.
const BLOCK_BYTES: usize = 256 << 10;
/// The most that a block may hold before compression, and so the largest record.
const MAX_BLOCK_BYTES: usize = 64 << 20;

/// Which part of which log a file holds; stands in its header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Label {
    pub timeline: Uuid,
    pub source: Source,
    /// The first position that the file holds.
    pub first: u64,
}

/// Why a file cannot be written or read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// The first position that cannot be read, if that can be told.
    pub position: Option<u64>,
    pub what: String,
}

/// Makes a file.
pub(crate) fn write(label: &Label, records: &[ArchivedRecord]) -> Result<Vec<u8>, Fault> {
    let mut datums = Vec::new();
    // Number of records and end in `datums` of every block.
    let mut blocks: Vec<(i64, usize)> = Vec::new();
    let (mut count, mut start) = (0, 0);
    for record in records {
        if record.size() > MAX_BLOCK_BYTES - BLOCK_BYTES - 64 {
            return Err(Fault { position: Some(record.position), what: "a record is too large to archive".to_owned() });
        }
        record.encode(&mut datums);
        count += 1;
        if datums.len() - start >= BLOCK_BYTES {
            blocks.push((count, datums.len()));
            (count, start) = (0, datums.len());
        }
    }
    if count > 0 {
        blocks.push((count, datums.len()));
    }

    let digest = Sha256::digest(&datums);
    let marker = &digest[..16];
    let mut out = header(label, &hex(&digest));
    out.extend_from_slice(marker);
    let failed = |error: std::io::Error| Fault { position: None, what: format!("cannot compress: {error}") };
    let mut compressor = zstd::bulk::Compressor::new(LEVEL).map_err(failed)?;
    compressor.include_checksum(true).map_err(failed)?;
    let mut start = 0;
    for (count, end) in blocks {
        let packed = compressor.compress(&datums[start..end]).map_err(failed)?;
        put_long(&mut out, count);
        put_bytes(&mut out, &packed);
        out.extend_from_slice(marker);
        start = end;
    }
    Ok(out)
}

/// Everything before the first sync marker.
fn header(label: &Label, sha256: &str) -> Vec<u8> {
    let entries = expected(label, sha256);
    let mut out = MAGIC.to_vec();
    put_long(&mut out, entries.len() as i64);
    for (key, value) in entries {
        put_bytes(&mut out, key.as_bytes());
        put_bytes(&mut out, &value);
    }
    put_long(&mut out, 0);
    out
}

fn expected(label: &Label, sha256: &str) -> BTreeMap<&'static str, Vec<u8>> {
    BTreeMap::from([
        ("avro.codec", CODEC.to_vec()),
        ("avro.schema", SCHEMA.as_bytes().to_vec()),
        ("swarmlog.first", label.first.to_string().into_bytes()),
        ("swarmlog.partition", label.source.partition.to_string().into_bytes()),
        ("swarmlog.records_sha256", sha256.as_bytes().to_vec()),
        ("swarmlog.timeline", label.timeline.to_string().into_bytes()),
        ("swarmlog.topic", label.source.topic.as_bytes().to_vec()),
    ])
}

/// Reads a file that must hold what `label` says.
pub(crate) fn read(label: &Label, file: &Bytes) -> Result<Vec<ArchivedRecord>, Fault> {
    let mut rest = file.clone();
    let at_header = |what: &str| Fault { position: Some(label.first), what: what.to_owned() };
    let entries = take_header(&mut rest).ok_or_else(|| at_header("the header is not that of an Avro container file"))?;
    let sha256 = entries.get("swarmlog.records_sha256").cloned().unwrap_or_default();
    for (key, value) in expected(label, &String::from_utf8_lossy(&sha256)) {
        if entries.get(key) != Some(&value) {
            return Err(at_header(&format!("{key} in the header is not what the name and the program say")));
        }
    }
    if rest.len() < 16 {
        return Err(at_header("the file ends within its header"));
    }
    let marker = rest.split_to(16);

    let mut records: Vec<ArchivedRecord> = Vec::new();
    let mut digest = Sha256::new();
    while !rest.is_empty() {
        let position = records.last().map_or(label.first, |record| record.position + 1);
        let fault = |what: String| Fault { position: Some(position), what };
        let (count, packed) = take_block(&mut rest, &marker).map_err(|what| fault(what.to_owned()))?;
        let mut datums = Bytes::from(unpack(&packed).map_err(fault)?);
        digest.update(&datums);
        for _ in 0..count {
            let position = records.last().map_or(label.first, |record| record.position + 1);
            let record = ArchivedRecord::decode(&mut datums)
                .ok_or_else(|| Fault { position: Some(position), what: "a record is cut off or malformed".to_owned() })?;
            records.push(record);
        }
        if !datums.is_empty() {
            return Err(fault(format!("{} bytes follow the last record of a block", datums.len())));
        }
    }
    if hex(&digest.finalize()).as_bytes() != sha256 {
        return Err(at_header("the records are not those that the header's SHA-256 was made of"));
    }
    Ok(records)
}

fn take_header(rest: &mut Bytes) -> Option<BTreeMap<String, Vec<u8>>> {
    if !rest.starts_with(MAGIC) {
        return None;
    }
    let _ = rest.split_to(MAGIC.len());
    let mut entries = BTreeMap::new();
    for _ in 0..take_long(rest)? {
        let key = String::from_utf8(take_bytes(rest)?.to_vec()).ok()?;
        entries.insert(key, take_bytes(rest)?.to_vec());
    }
    (take_long(rest)? == 0).then_some(entries)
}

fn take_block(rest: &mut Bytes, marker: &Bytes) -> Result<(i64, Bytes), &'static str> {
    let count = take_long(rest).filter(|count| *count > 0).ok_or("the count of a block is malformed")?;
    let packed = take_bytes(rest).ok_or("a block is cut off")?;
    if !rest.starts_with(marker) {
        return Err("the sync marker after a block is wrong");
    }
    let _ = rest.split_to(marker.len());
    Ok((count, packed))
}

/// Unpacks one block, but never more than a block can hold.
fn unpack(packed: &[u8]) -> Result<Vec<u8>, String> {
    let failed = |error: std::io::Error| format!("a block cannot be decompressed: {error}");
    let mut datums = Vec::new();
    let decoder = zstd::stream::read::Decoder::with_buffer(packed).map_err(failed)?;
    decoder.take(MAX_BLOCK_BYTES as u64 + 1).read_to_end(&mut datums).map_err(failed)?;
    if datums.len() > MAX_BLOCK_BYTES {
        return Err(format!("a block holds more than {MAX_BLOCK_BYTES} bytes"));
    }
    Ok(datums)
}

/// Hexadecimal, lower case.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
