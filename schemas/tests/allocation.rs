//! Lengths that lie do not make the decoder allocate. Alone in its program, because it counts every allocation.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

extern crate swarmlog_schemas as schemas;

use peak_alloc::PeakAlloc;
use schemas::{SCHEMAS, codec::MAX_DATUM_BYTES, json};

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// The zigzag varint of `n`.
fn varint(n: i64) -> Vec<u8> {
    let mut rest = ((n << 1) ^ (n >> 63)) as u64;
    let mut out = Vec::new();
    while rest > 0x7f {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
    out
}

#[test]
fn no_length_in_a_small_record_allocates_beyond_the_limit() {
    let examples: Vec<Vec<u8>> =
        SCHEMAS.iter().map(|info| json::encode(info, serde_json::from_str(info.example).unwrap()).unwrap().wire).collect();
    let before = ALLOCATOR.current_usage();
    ALLOCATOR.reset_peak_usage();
    for (info, wire) in SCHEMAS.iter().zip(&examples) {
        // Wherever a length may stand, a lie about it: just allowed, just beyond, and the extremes.
        for place in 5..wire.len() {
            for lie in
                [MAX_DATUM_BYTES as i64, MAX_DATUM_BYTES as i64 + 1, 16 * MAX_DATUM_BYTES as i64, i64::MAX, i64::MIN, -1, 1 << 40]
            {
                let lied = [&wire[..place], &varint(lie), &wire[place + 1..]].concat();
                let _ = (info.recode)(&lied);
                let _ = json::payload(&lied);
            }
        }
    }
    let peak = ALLOCATOR.peak_usage() - before;
    assert!(peak <= MAX_DATUM_BYTES + (1 << 20), "{peak} bytes at once");
}
