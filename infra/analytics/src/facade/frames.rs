//! ClickHouse's compressed frames: a checksum of 16 bytes, the method, the sizes with and without compression, data.
//! See `src/Compression/CompressedReadBufferBase.cpp` in ClickHouse.

use super::Failure;
use bytes::{Buf, Bytes, BytesMut};

const CHECKSUM: usize = 16;
const HEADER: usize = 9;
const LZ4: u8 = 0x82;
const NONE: u8 = 0x02;
/// The largest frame, with or without compression.
const MAX_FRAME_BYTES: usize = 64 << 20;

/// Reads frames out of pieces that are cut anywhere.
#[derive(Default)]
pub(super) struct Frames {
    buffer: BytesMut,
}

impl Frames {
    /// Takes a piece.
    pub(super) fn push(&mut self, piece: &[u8]) {
        self.buffer.extend_from_slice(piece);
    }

    /// The data of the next whole frame.
    pub(super) fn next_frame(&mut self) -> Result<Option<Bytes>, Failure> {
        let Some(header) = self.buffer.get(CHECKSUM..CHECKSUM + HEADER) else { return Ok(None) };
        let method = header[0];
        let compressed = (&header[1..5]).get_u32_le() as usize;
        let plain = (&header[5..9]).get_u32_le() as usize;
        if !(HEADER..=MAX_FRAME_BYTES).contains(&compressed) || plain > MAX_FRAME_BYTES {
            return Err(Failure::bad("a compressed frame has an impossible size"));
        }
        if self.buffer.len() < CHECKSUM + compressed {
            return Ok(None);
        }
        let checksum = self.buffer.split_to(CHECKSUM).freeze();
        let frame = self.buffer.split_to(compressed).freeze();
        let hash = cityhash_rs::cityhash_102_128(&frame);
        // The high half comes first, each half in little endian.
        let expected = (u128::from((&checksum[..8]).get_u64_le()) << 64) | u128::from((&checksum[8..]).get_u64_le());
        if hash != expected {
            return Err(Failure::bad("the checksum of a compressed frame is wrong"));
        }
        let data = frame.slice(HEADER..);
        match method {
            NONE => Ok(Some(data)),
            LZ4 => match lz4_flex::block::decompress(&data, plain) {
                Ok(data) => Ok(Some(data.into())),
                Err(error) => Err(Failure::bad(format!("a compressed frame is broken: {error}"))),
            },
            other => Err(Failure::bad(format!("compression method {other:#x} is not supported, LZ4 is"))),
        }
    }

    /// Says whether everything was read.
    pub(super) fn finish(&self) -> Result<(), Failure> {
        if self.buffer.is_empty() { Ok(()) } else { Err(Failure::bad("the last compressed frame is cut off")) }
    }
}
