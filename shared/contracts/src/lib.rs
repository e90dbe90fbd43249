//! The contract between producers and consumers: events, topics, schemas, and their encoding.
//!
//! The Avro schemas in `schemas/` are the source of truth; tests check the structs against them.
//!
//! | module | content |
//! |---|---|
//! | [`events`] | the struct of each event with its rules |
//! | [`topics`] | names, keys and configuration of the topics |
//! | [`codec`] | encoding to and from Confluent's wire format |
//! | [`finding`], [`json`] | the JSON form of events |
//! | [`catalogue`], [`reference`] | schema, conversions and documentation by topic |
//! | [`partition_for`] | the partition of a key |
//! | [`compat`] | compatibility of schema versions |
//!
//! The crate does no I/O and depends on no client of Kafka or the registry. Start with [`Event`] and [`Codec`].
//!
//! A scanner's finding becomes an alert; the alert is encoded, decoded and validated:
//!
//! ```
//! use std::sync::Arc;
//!
//! use apache_avro::Schema;
//! use contracts::finding::{self, Defaults, Finding};
//! use contracts::{Alert, Codec, Event, WriterError, WriterSchemas, encode};
//! use domain::Timestamp;
//!
//! /// A registry with one schema.
//! struct Registry(Arc<Schema>);
//!
//! impl WriterSchemas for Registry {
//!     fn writer(&self, id: u32) -> Result<Arc<Schema>, WriterError> {
//!         if id == 7 { Ok(Arc::clone(&self.0)) } else { Err(WriterError::Unknown { id }) }
//!     }
//! }
//!
//! let json = br#"{"event": "scanner.alert.raised", "symbol": "AAPL", "alert_type": "volume_spike", "score": 0.8,
//!     "message": "volume is 4 times the mean", "source_scanner": "volume"}"#;
//! let defaults = Defaults { now: Timestamp::parse("2024-03-15T20:00:00Z")?, source: "edge" };
//! let Finding::Alert(alert) = finding::parse(json, &defaults)?.finding else { panic!("an alert") };
//!
//! let mut payload = Vec::new();
//! encode(&alert, 7, &mut payload)?;
//! let registry = Registry(Arc::new(Schema::parse_str(Alert::SCHEMA)?));
//! assert_eq!(Codec::new().decode::<Alert>(payload.as_slice(), &registry)?, alert);
//!
//! let invalid = Alert { score: 1.7, ..alert };
//! let violation = invalid.validate().unwrap_err();
//! assert_eq!(violation.to_string(), "scanner.alert.raised: score: 1.7 is outside 0..=1");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod body;
pub mod bounds;
pub mod catalogue;
pub mod codec;
pub mod compat;
mod error;
pub mod event;
pub mod events;
pub mod finding;
pub mod ids;
pub mod json;
mod partition;
mod record;
pub mod reference;
mod rules;
mod schema_codec;
mod table_keys;
pub mod topics;
mod unique_map;
mod violation;
pub mod wire;

pub use codec::{Codec, DecodeError, EncodeError, WriterError, WriterSchemas, encode, split};
pub use event::{Envelope, Event};
pub use events::{
    Alert, ClosedBar, CorporateAction, CoverageChange, FeatureRequest, Gap, NewsItem, Promotion, Proposal,
    Qualification, RangeCompletion, RangeFailure, RangeProgress, RangeRequest, RefetchAttempt,
    RequestFailure, RequestedSpan, RequestedSymbol, SetResult, Span, TypedRange, Vector, WantedSeries,
};
pub use finding::Finding;
pub use partition::partition_for;
pub use table_keys::{BarKey, CoverageKey};
pub use topics::Topic;
pub use violation::Violation;
pub use wire::{BackfillErrorClass, BackfillTrigger, DataKind, RequestErrorClass, SetStatus};
