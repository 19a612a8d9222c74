//! What librdkafka tells about its own state.

use super::error::is_fenced;
use rdkafka::{ClientContext, config::RDKafkaLogLevel, consumer::ConsumerContext, error::KafkaError, types::RDKafkaErrorCode};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Counts what happened to the connections of one client.
#[derive(Debug, Default)]
pub(super) struct Context {
    disruptions: AtomicU64,
    losses: AtomicU64,
    away: AtomicBool,
}

impl Context {
    /// Grows with every broken connection.
    pub(super) fn disruptions(&self) -> u64 {
        self.disruptions.load(Ordering::Acquire)
    }

    /// How often a connection or an answer was lost, of those that librdkafka speaks of: the first one at least.
    pub(super) fn losses(&self) -> u64 {
        self.losses.load(Ordering::Acquire)
    }

    /// Whether no broker could be reached lately.
    pub(super) fn is_away(&self) -> bool {
        self.away.load(Ordering::Acquire)
    }

    /// A broker answered.
    pub(super) fn back(&self) {
        self.away.store(false, Ordering::Release);
    }
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, topic: &str, line: &str) {
        if is_loss(topic, line) {
            self.losses.fetch_add(1, Ordering::AcqRel);
        }
        match level {
            // Settings of producers are given to consumers, too, and the other way round.
            _ if topic == "CONFWARN" => tracing::debug!(target: "librdkafka", "{topic}: {line}"),
            RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical => {
                tracing::error!(target: "librdkafka", "{topic}: {line}");
            }
            RDKafkaLogLevel::Error | RDKafkaLogLevel::Warning => tracing::warn!(target: "librdkafka", "{topic}: {line}"),
            _ => tracing::debug!(target: "librdkafka", "{topic}: {line}"),
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        // That the client is of no use any more is an answer, and the call that met it says so.
        if !matches!(error.rdkafka_error_code(), Some(code) if code == RDKafkaErrorCode::Fatal || is_fenced(code)) {
            self.disruptions.fetch_add(1, Ordering::AcqRel);
        }
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::AllBrokersDown) {
            self.away.store(true, Ordering::Release);
        }
        tracing::debug!(target: "librdkafka", "{error}: {reason}");
    }
}

impl ConsumerContext for Context {}

/// Whether a line of the log tells of a connection that was lost, or of a request that got no answer in time. A connection that
/// did not come about had no requests.
fn is_loss(topic: &str, line: &str) -> bool {
    topic == "REQTMOUT" || (topic == "FAIL" && !line.contains("Connect to"))
}
