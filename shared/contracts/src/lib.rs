//! The contract between everything that writes to Kafka and everything that reads from it: events, topics, schemas, bytes.
//!
//! The schemas in `schemas/` are the source; the structs here are proven against them. A module of [`events`] holds the struct of an
//! event and its rules, [`topics`] the table of topics, [`codec`] the way to bytes and back, [`finding`] and [`json`] the form for
//! people, [`partition_for`] the partition of a key, [`compat`] whether a schema may follow another.
//!
//! It deliberately does no I/O, knows neither Kafka's client nor the registry's, and decides nothing: what an event leads to is the
//! services' business. Start at [`Event`], then [`codec::Codec`].

pub mod bounds;
pub mod catalogue;
pub mod codec;
pub mod compat;
pub mod event;
pub mod events;
pub mod finding;
pub mod ids;
pub mod json;
mod partition;
mod rules;
pub mod topics;
mod violation;
pub mod wire;

pub use codec::{Codec, DecodeError, EncodeError, WriterError, WriterSchemas, encode, split};
pub use event::{Envelope, Event};
pub use events::{
    Alert, ClosedBar, CorporateAction, CoverageChange, FeatureRequest, Gap, NewsItem, Promotion, Proposal,
    Qualification, RangeCompletion, RangeFailure, RangeProgress, RangeRequest, RequestFailure,
    RequestedSymbol, SetResult, Span, TypedRange, Vector,
};
pub use finding::Finding;
pub use partition::partition_for;
pub use topics::Topic;
pub use violation::Violation;
pub use wire::{BackfillErrorClass, BackfillTrigger, DataKind, RequestErrorClass, SetStatus};
