//! What an error of librdkafka means for the caller.

use crate::LogError;
use rdkafka::{error::KafkaError, types::RDKafkaErrorCode as Code};

/// A question or a client that was refused: `Fatal` if asking again cannot help.
pub(super) fn refused(what: &str, error: &KafkaError) -> LogError {
    let text = match error {
        KafkaError::ClientConfig(_, why, name, value) => format!("kafka.{name} = {value:?} is refused by librdkafka: {why}"),
        other => format!("{what}: {other}"),
    };
    match error {
        KafkaError::ClientConfig(..) | KafkaError::ClientCreation(_) | KafkaError::Nul(_) => LogError::Fatal(text),
        other if other.rdkafka_error_code().is_some_and(is_hopeless) => LogError::Fatal(text),
        _ => LogError::Transient(text),
    }
}

/// Whether only a person can help.
fn is_hopeless(code: Code) -> bool {
    matches!(
        code,
        Code::Authentication
            | Code::SaslAuthenticationFailed
            | Code::UnsupportedSASLMechanism
            | Code::TopicAuthorizationFailed
            | Code::GroupAuthorizationFailed
            | Code::ClusterAuthorizationFailed
            | Code::TransactionalIdAuthorizationFailed
            | Code::UnsupportedVersion
            | Code::UnsupportedFeature
            | Code::InvalidTransactionTimeout
            | Code::InvalidSessionTimeout
            | Code::InvalidTopic
            | Code::InvalidReplicationFactor
            | Code::PolicyViolation
            | Code::Fatal
    )
}

/// Whether a newer producer has the transactional id.
pub(super) fn is_fenced(code: Code) -> bool {
    matches!(code, Code::Fenced | Code::ProducerFenced | Code::InvalidProducerEpoch | Code::InvalidProducerIdMapping)
}

/// Whether the group goes on without the member that consumed.
pub(super) fn is_expelled(code: Code) -> bool {
    matches!(code, Code::IllegalGeneration | Code::UnknownMemberId | Code::FencedInstanceId | Code::FencedMemberEpoch)
}

/// Whether nobody answered in time, so that a request may still be under way.
pub(super) fn is_late(code: Code) -> bool {
    matches!(
        code,
        Code::MessageTimedOut | Code::OperationTimedOut | Code::RequestTimedOut | Code::TimedOutQueue | Code::PurgeInflight
    )
}

/// Whether a record that failed this way is certainly not in the log.
pub(super) fn is_unwritten(code: Code) -> bool {
    matches!(
        code,
        Code::QueueFull
            | Code::MessageSizeTooLarge
            | Code::MessageBatchTooLarge
            | Code::InvalidMessageSize
            | Code::InvalidRecord
            | Code::InvalidTimestamp
            | Code::NotEnoughReplicas
            | Code::PolicyViolation
            | Code::PurgeQueue
            | Code::TopicAuthorizationFailed
            | Code::ClusterAuthorizationFailed
            | Code::UnknownPartition
            | Code::UnknownTopic
            | Code::UnknownTopicOrPartition
    )
}

/// What a consumer that met an error does: nothing if librdkafka recovers by itself.
pub(super) fn consuming(error: &KafkaError) -> Result<(), LogError> {
    let text = || format!("consumer of Kafka: {error}");
    match error.rdkafka_error_code() {
        Some(Code::AutoOffsetReset | Code::OffsetOutOfRange | Code::LogTruncation) => Err(LogError::Fatal(format!(
            "{}; records that were not read yet are gone (retention, or a log that lost its end): restore it",
            text()
        ))),
        _ if matches!(error, KafkaError::MessageConsumptionFatal(_)) => Err(LogError::Fatal(text())),
        Some(code) if is_hopeless(code) => Err(LogError::Fatal(text())),
        _ => {
            tracing::debug!("{}", text());
            Ok(())
        }
    }
}

/// The code of an error, where it has one.
pub(super) fn code(error: &KafkaError) -> Code {
    error.rdkafka_error_code().unwrap_or(Code::Unknown)
}
