//! Contracts by topic, without the type of the event: for `tapeline tail`, the registration of schemas, and tests.

use apache_avro::Schema;
use serde_json::Value;

use crate::codec::{Codec, DecodeError, EncodeError, WriterSchemas, encode};
use crate::event::Event;
use crate::events::{
    Alert, ClosedBar, CorporateAction, CoverageChange, FeatureRequest, Gap, NewsItem, Promotion, Proposal,
    Qualification, RangeCompletion, RangeFailure, RangeProgress, RangeRequest, RequestFailure, Vector,
};
use crate::json;
use crate::reference::{self, EventReference};
use crate::topics::Topic;

/// The contract of a topic: its schema, and conversions between payload and JSON.
#[derive(Clone, Copy)]
pub struct Contract {
    /// Topic.
    pub topic: Topic,
    /// Newest version of the Avro schema.
    pub schema: &'static str,
    decode: Decode,
    encode: Encode,
    parsed: fn() -> &'static Schema,
}

type Decode = fn(&Codec, Option<&[u8]>, &dyn WriterSchemas) -> Result<Value, DecodeError>;
type Encode = fn(Topic, &[u8], u32, &mut Vec<u8>) -> Result<(), EncodeError>;

/// Returns the contract of a topic. `None` for a dead-letter topic, which holds the original bytes.
#[must_use]
pub fn contract(topic: Topic) -> Option<Contract> {
    let contract = match topic {
        Topic::AlertRaised => of::<Alert>(topic),
        Topic::SymbolProposed => of::<Proposal>(topic),
        Topic::SymbolQualified => of::<Qualification>(topic),
        Topic::SymbolPromoted => of::<Promotion>(topic),
        Topic::GapDetected => of::<Gap>(topic),
        Topic::BatchRequested | Topic::BatchUrgent => of::<FeatureRequest>(topic),
        Topic::VectorComputed => of::<Vector>(topic),
        Topic::RequestFailed => of::<RequestFailure>(topic),
        Topic::RangeRequested => of::<RangeRequest>(topic),
        Topic::RangeProgressed => of::<RangeProgress>(topic),
        Topic::CoverageChanged => of::<CoverageChange>(topic),
        Topic::RangeCompleted => of::<RangeCompletion>(topic),
        Topic::RangeFailed => of::<RangeFailure>(topic),
        Topic::BarClosed => of::<ClosedBar>(topic),
        Topic::NewsPublished => of::<NewsItem>(topic),
        Topic::CorporateActionAnnounced => of::<CorporateAction>(topic),
        Topic::PublisherDeadLetter
        | Topic::ScannerBridgeDeadLetter
        | Topic::FeatureDeadLetter
        | Topic::BackfillDeadLetter => return None,
    };
    Some(contract)
}

/// Returns the contracts of all topics except the dead-letter topics.
pub fn contracts() -> impl Iterator<Item = Contract> {
    Topic::ALL.iter().copied().filter_map(contract)
}

fn of<E: Event>(topic: Topic) -> Contract {
    Contract {
        topic,
        schema: E::SCHEMA,
        parsed: || E::schema_codec().schema(),
        decode: |codec, payload, writers| {
            codec.read::<E>(payload, writers).map(|event| json::to_json(&event))
        },
        encode: |topic, json, schema_id, out| {
            let event: E = json::from_json(json)?;
            if event.topic() != topic {
                return Err(EncodeError::OtherTopic { event: event.topic().event(), topic });
            }
            encode(&event, schema_id, out)
        },
    }
}

// === impl Contract ===

impl Contract {
    /// Returns the reference of the event: its fields with type, default and text.
    #[must_use]
    pub fn reference(&self) -> EventReference {
        reference::of_event(self.topic, (self.parsed)())
    }

    /// Decodes a payload to JSON without checking the rules of the event.
    ///
    /// # Errors
    /// If the payload is not an event of this topic.
    pub fn decode_to_json(
        &self,
        codec: &Codec,
        payload: Option<&[u8]>,
        writers: &dyn WriterSchemas,
    ) -> Result<Value, DecodeError> {
        (self.decode)(codec, payload, writers)
    }

    /// Encodes an event in JSON into `out`, which is cleared first.
    ///
    /// # Errors
    /// If the JSON is not a valid event of this topic, or the payload is too large.
    pub fn encode_from_json(
        &self,
        json: &[u8],
        schema_id: u32,
        out: &mut Vec<u8>,
    ) -> Result<(), EncodeError> {
        (self.encode)(self.topic, json, schema_id, out)
    }
}
