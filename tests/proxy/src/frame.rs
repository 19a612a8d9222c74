//! What goes over a connection at once, and what is known of it.

use std::io;
use tokio::io::{AsyncRead, AsyncReadExt};

/// How a stream of bytes is cut into frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wire {
    /// As it comes.
    Bytes,
    /// By the length that comes before each request and response of Kafka.
    Kafka,
}

/// What a request of Kafka asks for: the api key, see <https://kafka.apache.org/protocol#protocol_api_keys>.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Api(pub i16);

impl Api {
    /// Records to append.
    pub const PRODUCE: Self = Self(0);
    /// Records to read.
    pub const FETCH: Self = Self(1);
    /// Brokers, topics and their leaders.
    pub const METADATA: Self = Self(3);
    /// A group's member is alive.
    pub const HEARTBEAT: Self = Self(12);
    /// A producer's identity; for a transactional one the new epoch that fences the old.
    pub const INIT_PRODUCER_ID: Self = Self(22);
    /// A transaction will write to partitions.
    pub const ADD_PARTITIONS_TO_TXN: Self = Self(24);
    /// A transaction is committed or aborted.
    pub const END_TXN: Self = Self(26);
    /// Consumed offsets, as part of a transaction.
    pub const TXN_OFFSET_COMMIT: Self = Self(28);
}

/// Longest frame that is taken for one.
const MOST: usize = 128 << 20;
/// First version of Produce whose header and strings are of the compact kind.
const COMPACT_PRODUCE: i16 = 9;

/// Reads the next frame, with its length; none at the end.
pub(crate) async fn read(wire: Wire, from: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<Vec<u8>>> {
    match wire {
        Wire::Bytes => {
            let mut bytes = vec![0; 64 << 10];
            let count = from.read(&mut bytes).await?;
            bytes.truncate(count);
            Ok((count > 0).then_some(bytes))
        }
        Wire::Kafka => {
            let Ok(length) = from.read_u32().await else { return Ok(None) };
            if length as usize > MOST {
                return Err(io::ErrorKind::InvalidData.into());
            }
            let mut bytes = length.to_be_bytes().to_vec();
            bytes.resize(4 + length as usize, 0);
            from.read_exact(bytes.get_mut(4..).unwrap_or_default()).await?;
            Ok(Some(bytes))
        }
    }
}

/// What a request says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    pub api: Api,
    pub correlation: i32,
    /// Whether its records belong to a transaction; known of Produce only.
    pub is_transactional: bool,
}

impl Head {
    /// Reads the head of a framed request.
    pub(crate) fn of_request(frame: &[u8]) -> Option<Self> {
        let (api, version) = (short(frame, 4)?, short(frame, 6)?);
        let mut at = 12;
        if let Ok(length) = usize::try_from(short(frame, at)?) {
            at += length;
        }
        at += 2;
        let is_transactional = api == Api::PRODUCE.0
            && match version {
                // The tagged fields of the header (none), then the length of the transactional id and one.
                COMPACT_PRODUCE.. => frame.get(at + 1).is_some_and(|length| *length > 0),
                _ => short(frame, at).is_some_and(|length| length >= 0),
            };
        Some(Self { api: Api(api), correlation: correlation(frame, 8)?, is_transactional })
    }

    /// The number by which a framed response names its request.
    pub(crate) fn answered(frame: &[u8]) -> Option<i32> {
        correlation(frame, 4)
    }
}

fn short(bytes: &[u8], at: usize) -> Option<i16> {
    bytes.get(at..at + 2)?.try_into().ok().map(i16::from_be_bytes)
}

fn correlation(bytes: &[u8], at: usize) -> Option<i32> {
    bytes.get(at..at + 4)?.try_into().ok().map(i32::from_be_bytes)
}
