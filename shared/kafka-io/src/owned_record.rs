//! Records that outlive the client that fetched them.

use contracts::Topic;

use crate::raw::Fetched;
use crate::record::{Headers, InRecord};

/// A record, copied out of librdkafka's memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnedRecord {
    /// The topic.
    pub topic: Topic,
    /// The partition.
    pub partition: i32,
    /// The offset.
    pub offset: i64,
    /// The append time, milliseconds since 1970-01-01 UTC; -1 if the broker set none.
    pub timestamp_ms: i64,
    /// The key. `None` if the record has no key, in contrast to an empty one.
    pub key: Option<Vec<u8>>,
    /// The payload. `None` for a tombstone.
    pub payload: Option<Vec<u8>>,
    /// The headers, in order.
    pub headers: Vec<(String, Vec<u8>)>,
}

impl OwnedRecord {
    /// Returns the bytes of key, payload and headers.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        let length = |part: &Option<Vec<u8>>| part.as_ref().map_or(0, Vec::len);
        let headers: usize = self.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
        length(&self.key) + length(&self.payload) + headers
    }

    /// Returns the value of the last header of this name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        Headers::listed(&self.headers).get(name)
    }

    /// Copies a fetched record. A record in librdkafka's memory keeps the decompressed batch that it came in.
    pub(crate) fn of(topic: Topic, fetched: &Fetched<'_>) -> Self {
        let headers = (0..).map_while(|index| fetched.header(index));
        Self {
            topic,
            partition: fetched.partition(),
            offset: fetched.offset(),
            timestamp_ms: fetched.timestamp_ms(),
            key: fetched.key().map(<[u8]>::to_vec),
            payload: fetched.payload().map(<[u8]>::to_vec),
            headers: headers.map(|(name, value)| (name.into_owned(), value.to_vec())).collect(),
        }
    }

    /// Returns a view of it, without an assignment epoch.
    pub(crate) fn view(&self) -> InRecord<'_> {
        let headers = Headers::listed(&self.headers);
        InRecord {
            topic: self.topic,
            partition: self.partition,
            offset: self.offset,
            timestamp_ms: self.timestamp_ms,
            key: self.key.as_deref(),
            payload: self.payload.as_deref(),
            epoch: None,
            traceparent: headers.traceparent(),
            headers,
        }
    }
}
