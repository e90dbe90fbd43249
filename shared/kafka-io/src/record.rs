//! Input records, which borrow librdkafka's memory, and output records.

use std::borrow::Cow;

use contracts::Topic;
use pipeline::Epoch;

use crate::raw::Fetched;

/// The header that carries the W3C trace context.
pub const TRACEPARENT: &str = "traceparent";

/// A record of an input topic or a side input. It borrows librdkafka's memory: nothing is copied.
#[derive(Clone, Copy)]
pub struct InRecord<'a> {
    /// The topic.
    pub topic: Topic,
    /// The partition.
    pub partition: i32,
    /// The offset.
    pub offset: i64,
    /// The append time, milliseconds since 1970-01-01 UTC; -1 if the broker set none.
    pub timestamp_ms: i64,
    /// The key. `None` if the record has no key, in contrast to an empty one.
    pub key: Option<&'a [u8]>,
    /// The payload. `None` for a tombstone.
    pub payload: Option<&'a [u8]>,
    /// The assignment epoch in which it was received as work. `None` for a record of a side input.
    pub epoch: Option<Epoch>,
    /// The header `traceparent`. `None` if it is missing or holds no W3C trace context.
    pub traceparent: Option<&'a str>,
    /// All headers.
    pub headers: Headers<'a>,
}

/// The headers of a record.
#[derive(Clone, Copy)]
pub struct Headers<'a>(HeaderSource<'a>);

#[derive(Clone, Copy)]
enum HeaderSource<'a> {
    Fetched(&'a Fetched<'a>),
    Listed(&'a [(String, Vec<u8>)]),
}

/// A record to produce.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutRecord {
    /// The topic.
    pub topic: Topic,
    /// The partition; see `contracts::partition_for`.
    pub partition: i32,
    /// The key.
    pub key: Vec<u8>,
    /// The payload.
    pub payload: Vec<u8>,
    /// The headers, in order.
    pub headers: Vec<(Cow<'static, str>, Vec<u8>)>,
    /// The parts that are absent, in contrast to empty: only in a dead letter.
    pub missing: Missing,
}

/// Memory of a queued record in addition to its parts: its emission, and what an allocator adds to some six allocations.
const QUEUED_BYTES: usize = 256;

/// The absent parts of an output record. Records of events have a key and a payload; a dead letter lacks what its record lacked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Missing {
    /// The record has no key.
    pub key: bool,
    /// The record has no payload: a tombstone.
    pub payload: bool,
}

// === impl InRecord ===

impl<'a> InRecord<'a> {
    /// Creates the record of a fetched message.
    pub(crate) fn of(topic: Topic, fetched: &'a Fetched<'a>) -> Self {
        let headers = Headers(HeaderSource::Fetched(fetched));
        Self {
            topic,
            partition: fetched.partition(),
            offset: fetched.offset(),
            timestamp_ms: fetched.timestamp_ms(),
            key: fetched.key(),
            payload: fetched.payload(),
            epoch: None,
            traceparent: headers.traceparent(),
            headers,
        }
    }

    /// Returns the same record with this assignment epoch.
    pub(crate) fn under(self, epoch: Option<Epoch>) -> Self {
        Self { epoch, ..self }
    }

    /// Returns the append time, microseconds since 1970-01-01 UTC. `None` if the broker set none.
    #[must_use]
    pub fn appended_at_micros(&self) -> Option<i64> {
        (self.timestamp_ms >= 0).then(|| self.timestamp_ms.saturating_mul(1_000))
    }
}

impl std::fmt::Debug for InRecord<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}[{}]@{}", self.topic.name(), self.partition, self.offset)
    }
}

/// Returns a W3C trace context, `<2 hex>-<32 hex>-<16 hex>-<2 hex>` with neither id all zeros. `None` for any other value, which would
/// break the trace of the consumer.
/// <https://www.w3.org/TR/trace-context/#traceparent-header-field-values>
#[must_use]
pub fn trace_context(value: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(value).ok()?;
    let mut fields = text.split('-');
    let mut field = |length: usize| {
        let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        fields.next().filter(|field| field.len() == length && field.bytes().all(is_hex))
    };
    let (version, trace, span, _flags) = (field(2)?, field(32)?, field(16)?, field(2)?);
    let is_not_zero = |id: &str| id.bytes().any(|byte| byte != b'0');
    (fields.next().is_none() && version != "ff" && is_not_zero(trace) && is_not_zero(span)).then_some(text)
}

// === impl Headers ===

impl<'a> Headers<'a> {
    /// Returns no headers.
    #[must_use]
    pub fn none() -> Self {
        Self(HeaderSource::Listed(&[]))
    }

    /// Returns these headers, for a record that was not fetched by librdkafka.
    #[must_use]
    pub fn listed(headers: &'a [(String, Vec<u8>)]) -> Self {
        Self(HeaderSource::Listed(headers))
    }

    /// Returns the header `traceparent`. `None` if it is missing or holds no W3C trace context.
    pub(crate) fn traceparent(self) -> Option<&'a str> {
        self.get(TRACEPARENT).and_then(trace_context)
    }

    /// Returns the value of the last header of this name: Kafka allows several, and the last one counts.
    #[must_use]
    pub fn get(self, name: &str) -> Option<&'a [u8]> {
        self.iter().filter(|(key, _)| *key == name).map(|(_, value)| value).last()
    }

    /// Returns all headers, in order. Invalid UTF-8 in a name is replaced by U+FFFD: Kafka specifies text but does not check it.
    pub fn iter(self) -> impl Iterator<Item = (Cow<'a, str>, &'a [u8])> {
        (0..).map_while(move |index: usize| match self.0 {
            HeaderSource::Fetched(fetched) => fetched.header(index),
            HeaderSource::Listed(headers) => {
                headers.get(index).map(|(key, value)| (Cow::Borrowed(key.as_str()), value.as_slice()))
            }
        })
    }
}

// === impl OutRecord ===

impl OutRecord {
    /// Creates a record without headers.
    #[must_use]
    pub fn new(topic: Topic, partition: i32, key: impl Into<Vec<u8>>, payload: Vec<u8>) -> Self {
        Self { topic, partition, key: key.into(), payload, headers: Vec::new(), missing: Missing::default() }
    }

    /// Adds a header.
    #[must_use]
    pub fn with_header(mut self, name: impl Into<Cow<'static, str>>, value: impl Into<Vec<u8>>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Adds the header `traceparent`, if there is a trace context.
    #[must_use]
    pub fn with_traceparent(self, traceparent: Option<&str>) -> Self {
        match traceparent {
            Some(text) => self.with_header(TRACEPARENT, text),
            None => self,
        }
    }

    /// Returns the key for librdkafka.
    pub(crate) fn native_key(&self) -> Option<&[u8]> {
        (!self.missing.key).then_some(self.key.as_slice())
    }

    /// Returns the payload for librdkafka.
    pub(crate) fn native_payload(&self) -> Option<&[u8]> {
        (!self.missing.payload).then_some(self.payload.as_slice())
    }

    /// Returns the headers for librdkafka. `None` if there are none.
    pub(crate) fn native_headers(&self) -> Option<rdkafka::message::OwnedHeaders> {
        use rdkafka::message::{Header, OwnedHeaders};
        if self.headers.is_empty() {
            return None;
        }
        let mut native = OwnedHeaders::new_with_capacity(self.headers.len());
        for (key, value) in &self.headers {
            native = native.insert(Header { key, value: Some(value) });
        }
        Some(native)
    }

    /// Returns the memory of the record in the queue of a stage, and with it the memory of its copy in a producer.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        let header = |(name, value): &(Cow<'static, str>, Vec<u8>)| {
            let name = if let Cow::Owned(name) = name { name.capacity() } else { 0 };
            name + value.capacity()
        };
        let headers: usize = self.headers.iter().map(header).sum();
        let slots = self.headers.capacity() * size_of::<(Cow<'static, str>, Vec<u8>)>();
        QUEUED_BYTES + size_of::<Self>() + self.key.capacity() + self.payload.capacity() + slots + headers
    }

    /// Returns the bytes of key, payload and headers, about the size in a producer's queue.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        let headers: usize = self.headers.iter().map(|(key, value)| key.len() + value.len()).sum();
        self.key.len() + self.payload.len() + headers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_header_of_a_name_counts() {
        let headers = [("a".to_owned(), vec![1]), ("b".to_owned(), vec![2]), ("a".to_owned(), vec![3])];
        assert_eq!(Headers::listed(&headers).get("a"), Some(&[3][..]));
        assert_eq!(Headers::listed(&headers).get("c"), None);
        assert_eq!(Headers::listed(&headers).iter().count(), 3);
    }

    #[test]
    fn invalid_traceparent_is_not_passed_on() {
        let whole = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        assert_eq!(trace_context(whole.as_bytes()), Some(whole));
        for broken in [
            "",
            "00-1-2-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0g",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
        ] {
            assert_eq!(trace_context(broken.as_bytes()), None, "{broken}");
        }
        assert_eq!(trace_context(&[0xff; 55]), None);
    }
}
