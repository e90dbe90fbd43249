//! Kafka and the schema registry, for the rest of the workspace: the only crate that names rdkafka and schema_registry_converter.
//!
//! [`Driver`] runs a stage: it turns a consumer group's traffic into the engine's events, and the engine's actions into produce
//! calls, transactions and commits. Beside it: [`BatchProducer`] for callers that want a result a record, [`TopicReader`] for those
//! that read topics without a group, [`Registry`] for schemas, [`admin`] for topics, [`dead_letter`] for what can't be processed.
//!
//! It deliberately knows no event, no rule and no service: payloads are bytes, and what becomes of a record is the stage's business.
//!
//! Start at [`Driver::run`], then `driver/session.rs`.

mod access_denied;
pub mod admin;
mod certificate;
pub mod client;
pub mod cluster;
mod committed;
mod config;
mod count;
pub mod dead_letter;
mod driver;
mod ends;
mod fault;
mod group_offsets;
mod header_rule;
mod host;
pub mod metric_names;
mod producer;
mod query;
mod raw;
mod reader;
mod record;
mod registry;
mod secret;
mod security;
mod topics_seen;
mod wire;

pub use access_denied::{AccessDenied, MaybeAccessDenied};
pub use config::{ConfigError, Delivery, GroupProtocol, KafkaConfig, Profile};
pub use count::count_with_aborted;
pub use driver::{
    AbortHook, Completed, Completions, Driver, DriverError, DriverOptions, Hooks, KafkaStage, Note,
    Readiness, Restore, Shutdown, StageCounts, StageStatus, TableRecord, TableScope, TransactionStep,
    completions,
};
pub use group_offsets::{CommittedOffset, GroupOffsets, GroupOffsetsError};
pub use producer::{BatchProducer, ProduceError, ProducerLimits, RecordMetadata};
pub use query::{ClusterQuery, GroupQuery, QueryError, Watermarks};
pub use reader::{OwnedRecord, ReadError, Start, TopicReader};
pub use record::{Headers, InRecord, Missing, OutRecord, TRACEPARENT};
pub use registry::{HttpError, Registry, RegistryConfig, RegistryError, Started, http_client};
pub use secret::Secret;
pub use security::{Mechanism, Protocol, Security};
pub use wire::{DecodeFailure, SchemaIds, UNWRITABLE, Unavailable, Wire};
