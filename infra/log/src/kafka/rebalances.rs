//! What a consumer group decides about a member, until the member is told.
//!
//! An assignment is answered at once, with nothing to fetch yet. A revocation is answered by the member when it has told
//! its consumer, or here once the member is leaving: the library waits for that answer when it closes.

use super::context::Context;
use parking_lot::Mutex;
use rdkafka::{
    ClientContext, TopicPartitionList,
    config::RDKafkaLogLevel,
    consumer::{BaseConsumer, Consumer as _, ConsumerContext},
    error::KafkaError,
    types::RDKafkaRespErr,
};
use std::{
    collections::VecDeque,
    sync::atomic::{AtomicBool, Ordering},
};

/// A change of the assignment.
pub(super) enum Change {
    /// Full names and partitions.
    Assigned(Vec<(String, i32)>),
    Revoked,
}

/// Notes what the group decides.
#[derive(Default)]
pub(super) struct Rebalances {
    context: Context,
    changes: Mutex<VecDeque<Change>>,
    leaving: AtomicBool,
}

impl Rebalances {
    /// The next change that nobody took.
    pub(super) fn take(&self) -> Option<Change> {
        self.changes.lock().pop_front()
    }

    /// Whether there is one.
    pub(super) fn has_changed(&self) -> bool {
        !self.changes.lock().is_empty()
    }

    /// From now on revocations are answered at once.
    pub(super) fn leave(&self) {
        self.leaving.store(true, Ordering::Release);
    }

    /// Whether the member was dropped.
    pub(super) fn is_leaving(&self) -> bool {
        self.leaving.load(Ordering::Acquire)
    }
}

impl ClientContext for Rebalances {
    fn log(&self, level: RDKafkaLogLevel, topic: &str, line: &str) {
        self.context.log(level, topic, line);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.context.error(error, reason);
    }
}

impl ConsumerContext for Rebalances {
    fn rebalance(&self, consumer: &BaseConsumer<Self>, event: RDKafkaRespErr, places: &mut TopicPartitionList) {
        let is_assignment = matches!(event, RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS);
        let answered = match (is_assignment, self.is_leaving()) {
            (true, _) => consumer.assign(&TopicPartitionList::new()),
            (false, true) => consumer.unassign(),
            (false, false) => Ok(()),
        };
        if let Err(error) = answered {
            tracing::warn!("a change of the group could not be answered: {error}");
        }
        let change = if is_assignment {
            let places = places.elements().iter().map(|place| (place.topic().to_owned(), place.partition())).collect();
            Change::Assigned(places)
        } else {
            Change::Revoked
        };
        self.changes.lock().push_back(change);
    }
}
