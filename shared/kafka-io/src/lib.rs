//! Kafka and the schema registry, for the rest of the workspace: the only crate that names rdkafka and schema_registry_converter.
//!
//! [`Driver`] runs a stage: it turns a consumer group's traffic into the engine's events, and the engine's actions into produce
//! calls, transactions and commits. Beside it: [`BatchProducer`] for callers that want a result a record, [`TopicReader`] for those
//! that read topics without a group, [`Registry`] for schemas, [`admin`] for topics, [`dead_letter`] for what can't be processed.
//!
//! It deliberately knows no event, no rule and no service: payloads are bytes, and what becomes of a record is the stage's business.
//!
//! Start at [`Driver::run`], then `driver/session.rs`.

pub mod admin;
pub mod client;
pub mod cluster;
mod config;
pub mod dead_letter;
mod driver;
mod fault;
mod inquirer;
pub mod metric_names;
mod producer;
mod raw;
mod reader;
mod record;
mod registry;
mod wire;

pub use config::{ConfigFault, Delivery, GroupProtocol, KafkaConfig, Profile};
pub use driver::{
    Completed, Completions, Driver, DriverError, DriverOptions, Hooks, KafkaStage, Note, Seen, Shutdown,
    StageCounts, completions,
};
pub use inquirer::{GroupInquirer, Inquirer, InquiryError, Watermarks};
pub use producer::{BatchProducer, Placed, ProduceError, ProducerLimits};
pub use reader::{OwnedRecord, ReadError, Start, TopicReader};
pub use record::{Headers, InRecord, OutRecord, TRACEPARENT};
pub use registry::{Registry, RegistryConfig, RegistryError};
pub use wire::{Refused, SchemaIds, UNWRITABLE, Unavailable, Wire};
