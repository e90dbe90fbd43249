//! Result of a record that was produced.

/// The position of a written record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordMetadata {
    /// The partition.
    pub partition: i32,
    /// The offset.
    pub offset: i64,
}

/// A record is not acknowledged. The text contains the cause; there is no further source.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProduceError {
    /// The bound of bytes in flight is reached; nothing was sent. A later call may succeed.
    #[error("producer full: {in_flight_bytes} bytes in flight, at most {bytes_max} allowed")]
    Full {
        /// Bytes in flight.
        in_flight_bytes: usize,
        /// The bound.
        bytes_max: usize,
    },
    /// The queue of the client is full; the record was not sent. A later call may succeed.
    #[error("producer full: {cause}")]
    QueueFull {
        /// librdkafka's message.
        cause: String,
    },
    /// The circuit breaker is open, or half-open with a call in progress; nothing was sent. A later call may succeed.
    #[error("not sent: circuit breaker open, Kafka acknowledges nothing")]
    BreakerOpen,
    /// The record is not written. A later call may succeed.
    #[error("not written: {cause}")]
    Failed {
        /// librdkafka's message.
        cause: String,
    },
    /// The principal lacks a permission: the record is not written, and a retry fails as well.
    #[error("not written: not authorized: {cause}")]
    Denied {
        /// librdkafka's message.
        cause: String,
    },
    /// The brokers will never accept the record.
    #[error("record rejected: {cause}")]
    Rejected {
        /// librdkafka's message.
        cause: String,
    },
    /// The record is in doubt: no acknowledgement in time, so it may be written or not.
    #[error("in doubt: not acknowledged within {waited_ms} ms")]
    Unknown {
        /// The time waited, milliseconds.
        waited_ms: u64,
    },
}

pub(super) type ProduceResult = Result<RecordMetadata, ProduceError>;
