//! Every event without its type: for those who handle topics by name, as `tail`, the registry's registration and the tests do.

use serde_json::Value;

use crate::codec::{Codec, DecodeError, EncodeError, WriterSchemas, encode};
use crate::event::Event;
use crate::events::{
    Alert, ClosedBar, CorporateAction, CoverageChange, FeatureRequest, Gap, NewsItem, Promotion, Proposal,
    Qualification, RangeCompletion, RangeFailure, RangeProgress, RangeRequest, RequestFailure, Vector,
};
use crate::json;
use crate::topics::Topic;

/// What can be done with the events of a topic without knowing their type.
#[derive(Clone, Copy)]
pub struct Contract {
    /// The topic.
    pub topic: Topic,
    /// Its Avro schema, newest version.
    pub schema: &'static str,
    decode: Decode,
    encode: Encode,
}

type Decode = fn(&Codec, Option<&[u8]>, &dyn WriterSchemas) -> Result<Value, DecodeError>;
type Encode = fn(Topic, &[u8], u32, &mut Vec<u8>) -> Result<(), EncodeError>;

/// The contract of a topic; none of a dead-letter topic, which holds bytes as they came.
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

/// The contracts of all topics that carry events.
pub fn contracts() -> impl Iterator<Item = Contract> {
    Topic::ALL.iter().copied().filter_map(contract)
}

fn of<E: Event>(topic: Topic) -> Contract {
    Contract {
        topic,
        schema: E::SCHEMA,
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
    /// The event that `payload` holds as JSON, whether or not it keeps its rules.
    ///
    /// # Errors
    /// When it holds none of this topic's.
    pub fn decode_to_json(
        &self,
        codec: &Codec,
        payload: Option<&[u8]>,
        writers: &dyn WriterSchemas,
    ) -> Result<Value, DecodeError> {
        (self.decode)(codec, payload, writers)
    }

    /// Writes the event that `json` holds into `out`, which is cleared first.
    ///
    /// # Errors
    /// When it is no valid event of this topic's, with event, path and cause; or too large.
    pub fn encode_from_json(
        &self,
        json: &[u8],
        schema_id: u32,
        out: &mut Vec<u8>,
    ) -> Result<(), EncodeError> {
        (self.encode)(self.topic, json, schema_id, out)
    }
}
