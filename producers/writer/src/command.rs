//! A command as it came from the log, and whether it stands where it belongs.

use crate::registry::Deciders;
use bytes::Bytes;
use log::Record;
use schemas::{CodecError, envelope::Envelope};
use std::sync::Arc;

/// A record taken from the commands of a context.
#[derive(Debug, Clone)]
pub(crate) struct Taken {
    /// Number of the context.
    pub(crate) context: usize,
    /// The record.
    pub(crate) record: Record,
}

impl Taken {
    pub(crate) fn bytes(&self) -> usize {
        self.record.envelope.len() + self.record.payload.len()
    }
}

/// A record with its envelope read.
pub(crate) struct Command<'a> {
    pub(crate) context: usize,
    pub(crate) record: &'a Record,
    pub(crate) envelope: Result<Arc<Envelope>, CodecError>,
}

impl<'a> Command<'a> {
    pub(crate) fn read(taken: &'a Taken) -> Self {
        let envelope = Envelope::decode(&taken.record.envelope).map(Arc::new);
        Self { context: taken.context, record: &taken.record, envelope }
    }
}

/// Where a command stands.
pub(crate) struct Place {
    pub(crate) context: usize,
    pub(crate) partition: u32,
    pub(crate) partitions: u32,
}

/// The key as text and the number of the aggregate type, or what is wrong.
pub(crate) fn check<'a>(
    deciders: &Deciders,
    place: &Place,
    key: &'a Bytes,
    envelope: &Envelope,
) -> Result<(&'a str, usize), String> {
    let name = &envelope.r#type;
    let known = deciders.of_command(name).and_then(|number| Some((number, deciders.kind(number)?)));
    let Some((number, kind)) = known else {
        return Err(format!("no decider takes the command type {name:?}; upgrade the writer, or correct the type"));
    };
    if kind.context != place.context {
        return Err(format!("a command of the type {name:?} does not belong into this topic"));
    }
    if kind.name != envelope.aggregate_type {
        return Err(format!("{name} is for the aggregate type {}, its envelope says {:?}", kind.name, envelope.aggregate_type));
    }
    let text = std::str::from_utf8(key).ok().filter(|_| is_key_of(key, envelope));
    let Some(text) = text else {
        return Err(format!("the record's key is not {:?}, which its envelope names", envelope.key()));
    };
    match schemas::partition(key, place.partitions) {
        right if right == place.partition => Ok((text, number)),
        right => Err(format!("the key belongs into partition {right}, the record stands in {}", place.partition)),
    }
}

fn is_key_of(key: &[u8], envelope: &Envelope) -> bool {
    let Envelope { tenant, aggregate_type, aggregate_id, .. } = envelope;
    let parts = [tenant.as_bytes(), b"/", aggregate_type.as_bytes(), b"/", aggregate_id.as_bytes()];
    parts.into_iter().try_fold(key, |rest, part| rest.strip_prefix(part)).is_some_and(<[u8]>::is_empty)
}
