//! What librdkafka's errors mean to a caller of the log.

use homeostat_actors::ports::log::LogError;
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};

/// Classes an error by what the caller can do about it.
pub(super) fn classify(what: &str, error: &KafkaError) -> LogError {
    let text = format!("{what}: {error}");
    match error {
        KafkaError::MessageConsumptionFatal(_) => LogError::Fatal(text),
        other => match other.rdkafka_error_code() {
            Some(code) => classify_code(text, code),
            None => LogError::Unavailable(text),
        },
    }
}

/// As [`classify`], for errors that come as a bare code.
pub(super) fn classify_code(text: String, code: Code) -> LogError {
    match code {
        Code::Fatal => LogError::Fatal(text),
        Code::MessageSizeTooLarge | Code::MessageBatchTooLarge => LogError::TooLarge(text),
        Code::InvalidMessage
        | Code::InvalidRecord
        | Code::InvalidTopic
        | Code::InvalidTimestamp
        | Code::InvalidPartitions
        | Code::InvalidReplicationFactor
        | Code::PolicyViolation => LogError::Refused(text),
        Code::UnknownTopic
        | Code::UnknownTopicOrPartition
        | Code::UnknownPartition
        | Code::TopicAuthorizationFailed
        | Code::GroupAuthorizationFailed
        | Code::ClusterAuthorizationFailed => LogError::Denied(text),
        _ => LogError::Unavailable(text),
    }
}

/// Whether an error is about something in the log that this client never reads: damaged, too large, or of a form that it does
/// not know. It stays until that is removed from the log or another client reads it.
pub(super) fn is_unreadable(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            Code::BadMessage
                | Code::BadCompression
                | Code::NotImplemented
                | Code::InvalidMessage
                | Code::InvalidRecord
                | Code::MessageSizeTooLarge
                | Code::UnsupportedCompressionType
        )
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_client_of_this_kind_reads_is_told_from_what_passes() {
        let unreadable = |code| is_unreadable(&KafkaError::MessageConsumption(code));
        for code in [
            Code::BadMessage,
            Code::BadCompression,
            Code::NotImplemented,
            Code::InvalidMessage,
            Code::UnsupportedCompressionType,
        ] {
            assert!(unreadable(code), "{code:?}");
        }
        for code in [
            Code::TopicAuthorizationFailed,
            Code::BrokerTransportFailure,
            Code::OffsetOutOfRange,
            Code::UnknownTopicOrPartition,
        ] {
            assert!(!unreadable(code), "{code:?}");
        }
        assert!(!is_unreadable(&KafkaError::PartitionEOF(0)));
    }

    #[test]
    fn errors_are_classed_by_what_a_caller_can_do() {
        let cases = [
            (Code::QueueFull, "retry"),
            (Code::MessageTimedOut, "retry"),
            (Code::BrokerTransportFailure, "retry"),
            (Code::NotEnoughReplicas, "retry"),
            (Code::MessageSizeTooLarge, "too large"),
            (Code::MessageBatchTooLarge, "too large"),
            (Code::InvalidRecord, "refused"),
            (Code::UnknownTopicOrPartition, "denied"),
            (Code::TopicAuthorizationFailed, "denied"),
            (Code::Fatal, "fatal"),
        ];
        for (code, expected) in cases {
            let class = match classify("append", &KafkaError::MessageProduction(code)) {
                LogError::Unavailable(_) => "retry",
                LogError::Refused(_) => "refused",
                LogError::TooLarge(_) => "too large",
                LogError::Denied(_) => "denied",
                LogError::Fatal(_) => "fatal",
            };
            assert_eq!(class, expected, "{code:?}");
        }
    }
}
