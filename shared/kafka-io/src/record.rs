//! Records as stages see them: borrowed on the way in, owned on the way out.

use std::borrow::Cow;

use contracts::Topic;
use pipeline::Epoch;

use crate::raw::Fetched;

/// The header that carries the W3C trace context.
pub const TRACEPARENT: &str = "traceparent";

/// A record of an input topic or a table, in librdkafka's memory: nothing was copied.
#[derive(Clone, Copy)]
pub struct InRecord<'a> {
    /// Its topic.
    pub topic: Topic,
    /// Its partition.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
    /// Its append time, milliseconds since 1970-01-01 UTC; -1 when the broker gave none.
    pub timestamp_ms: i64,
    /// Its key.
    pub key: Option<&'a [u8]>,
    /// Its payload; none is a tombstone.
    pub payload: Option<&'a [u8]>,
    /// The assignment under which it was received as work; none when it was read beside the work, of a table or to restore state.
    pub epoch: Option<Epoch>,
    /// The trace that it belongs to: the header `traceparent`, when that holds a trace context.
    pub traceparent: Option<&'a str>,
    /// All its headers.
    pub headers: Headers<'a>,
}

/// The headers of a record.
#[derive(Clone, Copy)]
pub struct Headers<'a>(Inner<'a>);

#[derive(Clone, Copy)]
enum Inner<'a> {
    Fetched(&'a Fetched<'a>),
    Listed(&'a [(String, Vec<u8>)]),
}

/// A record to be produced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutRecord {
    /// Where to.
    pub topic: Topic,
    /// The partition, computed from the symbol.
    pub partition: i32,
    /// The key.
    pub key: Vec<u8>,
    /// The payload.
    pub payload: Vec<u8>,
    /// Headers, in order.
    pub headers: Vec<(Cow<'static, str>, Vec<u8>)>,
    /// What of a foreign record is missing, which is something else than empty.
    pub missing: Missing,
}

/// Key and payload that a record doesn't have. Ours have both; a dead letter has what its record had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Missing {
    /// It has no key.
    pub key: bool,
    /// It has no payload: a tombstone.
    pub payload: bool,
}

// === impl InRecord ===

impl<'a> InRecord<'a> {
    /// A record as it was fetched.
    pub(crate) fn of(topic: Topic, fetched: &'a Fetched<'a>) -> Self {
        let headers = Headers(Inner::Fetched(fetched));
        Self {
            topic,
            partition: fetched.partition(),
            offset: fetched.offset(),
            timestamp_ms: fetched.timestamp_ms(),
            key: fetched.key(),
            payload: fetched.payload(),
            epoch: None,
            traceparent: headers.get(TRACEPARENT).and_then(trace),
            headers,
        }
    }

    /// The same, as work of this assignment.
    pub(crate) fn under(self, epoch: Option<Epoch>) -> Self {
        Self { epoch, ..self }
    }

    /// Its append time, microseconds since 1970-01-01 UTC; none when the broker gave none.
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

/// A W3C trace context, `<2 hex>-<32 hex>-<16 hex>-<2 hex>` with neither id all zeros: anything else would break the trace of
/// whoever it is passed on to.
/// <https://www.w3.org/TR/trace-context/#traceparent-header-field-values>
fn trace(value: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(value).ok()?;
    let mut fields = text.split('-');
    let mut field = |length: usize| {
        let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        fields.next().filter(|field| field.len() == length && field.bytes().all(is_hex))
    };
    let (version, trace, span, _flags) = (field(2)?, field(32)?, field(16)?, field(2)?);
    let names_something = |id: &str| id.bytes().any(|byte| byte != b'0');
    (fields.next().is_none() && version != "ff" && names_something(trace) && names_something(span))
        .then_some(text)
}

// === impl Headers ===

impl<'a> Headers<'a> {
    /// No headers.
    #[must_use]
    pub fn none() -> Self {
        Self(Inner::Listed(&[]))
    }

    /// These headers: for a record that doesn't come from librdkafka.
    #[must_use]
    pub fn listed(headers: &'a [(String, Vec<u8>)]) -> Self {
        Self(Inner::Listed(headers))
    }

    /// The last header of this name: Kafka allows several, and the last one counts.
    #[must_use]
    pub fn get(self, name: &str) -> Option<&'a [u8]> {
        self.iter().filter(|(key, _)| *key == name).map(|(_, value)| value).last()
    }

    /// All headers, in order. What of a name isn't UTF-8 is replaced by U+FFFD: Kafka promises texts and checks nothing.
    pub fn iter(self) -> impl Iterator<Item = (Cow<'a, str>, &'a [u8])> {
        (0..).map_while(move |index: usize| match self.0 {
            Inner::Fetched(fetched) => fetched.header(index),
            Inner::Listed(headers) => {
                headers.get(index).map(|(key, value)| (Cow::Borrowed(key.as_str()), value.as_slice()))
            }
        })
    }
}

// === impl OutRecord ===

impl OutRecord {
    /// A record without headers.
    #[must_use]
    pub fn new(topic: Topic, partition: i32, key: impl Into<Vec<u8>>, payload: Vec<u8>) -> Self {
        Self { topic, partition, key: key.into(), payload, headers: Vec::new(), missing: Missing::default() }
    }

    /// With one more header.
    #[must_use]
    pub fn with_header(mut self, name: impl Into<Cow<'static, str>>, value: impl Into<Vec<u8>>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Passes a trace on.
    #[must_use]
    pub fn with_traceparent(self, traceparent: Option<&str>) -> Self {
        match traceparent {
            Some(text) => self.with_header(TRACEPARENT, text),
            None => self,
        }
    }

    /// Its key as librdkafka takes it.
    pub(crate) fn native_key(&self) -> Option<&[u8]> {
        (!self.missing.key).then_some(self.key.as_slice())
    }

    /// Its payload as librdkafka takes it.
    pub(crate) fn native_payload(&self) -> Option<&[u8]> {
        (!self.missing.payload).then_some(self.payload.as_slice())
    }

    /// Its headers as librdkafka takes them.
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

    /// Bytes that it takes in a producer's queue, about.
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
    fn the_last_header_of_a_name_counts() {
        let headers = [("a".to_owned(), vec![1]), ("b".to_owned(), vec![2]), ("a".to_owned(), vec![3])];
        assert_eq!(Headers::listed(&headers).get("a"), Some(&[3][..]));
        assert_eq!(Headers::listed(&headers).get("c"), None);
        assert_eq!(Headers::listed(&headers).iter().count(), 3);
    }

    #[test]
    fn a_traceparent_that_is_no_trace_context_is_not_passed_on() {
        let whole = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        assert_eq!(trace(whole.as_bytes()), Some(whole));
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
            assert_eq!(trace(broken.as_bytes()), None, "{broken}");
        }
        assert_eq!(trace(&[0xff; 55]), None);
    }
}
