//! The results listener: one task per partition of `<context>.results`, from the end on.
//!
//! What enters are results; what leaves are woken waiters. The envelope of each result is decoded once, its payload only
//! by whoever waits. The tasks stand at the end before the first command is accepted, so no answer is missed; nothing
//! is committed, and nobody shares the work: each gateway reads all partitions.

use crate::{
    GatewayError,
    waiters::{Arrived, Waiters},
};
use log::{Log, LogError, Offset, Source};
use schemas::{Stream, codec};
use serde::Deserialize;
use std::{sync::Arc, time::Duration};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Most records of one read.
const READ: usize = 1024;
/// How long one wait for records lasts.
const WAIT: Duration = Duration::from_secs(1);
/// Pause after the log was busy or away.
const PAUSE: Duration = Duration::from_millis(50);

/// What of a result's envelope says whom it answers; the rest is passed over.
#[derive(Deserialize)]
#[serde(rename = "Envelope")]
struct Glance {
    aggregate_id: String,
    seq: i64,
    command_id: Uuid,
    #[serde(default, with = "serde_bytes")]
    body_hash: Option<Vec<u8>>,
}

/// A partition and where to go on in it.
pub(crate) struct Listener {
    log: Arc<dyn Log>,
    waiters: Waiters,
    source: Source,
    next: Offset,
}

impl Listener {
    /// Listeners at the end of every partition of the results of `contexts`.
    pub async fn at_the_end(log: &Arc<dyn Log>, waiters: &Waiters, contexts: &[&str]) -> Result<Vec<Self>, LogError> {
        let mut listeners = Vec::new();
        for context in contexts {
            let topic: Arc<str> = Stream::Results.topic(context).into();
            for partition in 0..log.partitions() {
                let source = Source { topic: topic.clone(), partition };
                let next = log.end(&source).await?;
                listeners.push(Self { log: log.clone(), waiters: waiters.clone(), source, next });
            }
        }
        Ok(listeners)
    }

    /// Wakes waiters until `stop`.
    pub async fn run(mut self, stop: CancellationToken) -> Result<(), GatewayError> {
        loop {
            tokio::select! {
                biased;
                read = self.step() => match read {
                    Ok(()) => {}
                    Err(LogError::Transient(why)) => {
                        tracing::warn!(log.source = %self.source, why, "results cannot be read for now");
                        tokio::time::sleep(PAUSE).await;
                    }
                    Err(error) => return Err(error.into()),
                },
                () = stop.cancelled() => return Ok(()),
            }
        }
    }

    async fn step(&mut self) -> Result<(), LogError> {
        let records = self.log.follow(&self.source, self.next, READ).await?;
        if records.is_empty() {
            return self.log.wait(&self.source, self.next, WAIT).await.map(drop);
        }
        for record in records {
            self.next = record.offset + 1;
            match codec::decode::<Glance>(&record.envelope) {
                Ok(Glance { aggregate_id, seq, command_id, body_hash }) => {
                    self.waiters.wake(command_id, &aggregate_id, body_hash.as_deref(), || Arrived {
                        seq,
                        partition: self.source.partition,
                        payload: record.payload.clone(),
                    });
                }
                // Its command's caller is told 202 and reads the status, which does not come from here.
                Err(error) => tracing::error!(log.source = %self.source, record.offset, %error, "a result cannot be decoded"),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use schemas::envelope::Envelope;

    #[test]
    fn a_glance_sees_what_the_envelope_says() {
        for body_hash in [None, Some(vec![7; 32])] {
            let envelope = Envelope {
                id: Uuid::from_u128(1),
                tenant: "t".to_owned(),
                aggregate_type: "job".to_owned(),
                aggregate_id: "j".to_owned(),
                seq: 5,
                position: 0,
                timeline: Uuid::from_u128(2),
                r#type: "envelope.CommandResult".to_owned(),
                schema_id: 1,
                command_id: Uuid::from_u128(3),
                causation_id: Uuid::from_u128(4),
                correlation_id: Uuid::from_u128(5),
                traceparent: Some("x".to_owned()),
                actor: "a".to_owned(),
                occurred_at: Some(6),
                recorded_at: 7,
                expected_seq: -2,
                idempotent: true,
                body_hash: body_hash.clone(),
            };
            let mut bytes = Vec::new();
            envelope.encode(&mut bytes).unwrap();
            let glance: Glance = codec::decode(&bytes).unwrap();
            assert_eq!((glance.aggregate_id.as_str(), glance.seq, glance.command_id), ("j", 5, Uuid::from_u128(3)));
            assert_eq!(glance.body_hash, body_hash);
        }
    }
}
