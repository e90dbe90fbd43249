//! Kafka and the schema registry for the rest of the workspace. The only crate that uses rdkafka and schema_registry_converter.
//!
//! | use | for |
//! |---|---|
//! | [`Driver`], [`KafkaStage`] | running a stage: a consumer group, its rules, its outputs and its offsets |
//! | [`Wire`], [`InRecord`], [`OutRecord`], [`dead_letter`] | conversion between records and events; records that can never be processed |
//! | [`Registry`] | registering and looking up schemas |
//! | [`BatchProducer`] | producing with one result per record |
//! | [`TopicReader`], [`count_with_aborted`] | reading topics without a group |
//! | [`ClusterQuery`], [`GroupQuery`], [`GroupOffsets`] | watermarks, partition counts, committed offsets |
//! | [`cluster`], [`admin`] | checking the cluster, creating topics |
//! | [`KafkaConfig`], [`RegistryConfig`] | the configuration sections `kafka` and `registry` |
//!
//! The crate has no events, no rules and no services of its own: payloads are bytes, and the stage decides about each record.
//!
//! # Example
//!
//! A driver is created from a stage, the completions of its workers and the options, and runs on the caller's thread until
//! [`Shutdown::request`] or an error. `examples/stage.rs` is a complete stage.
//!
//! ```
//! use contracts::Topic;
//! use kafka_io::{Driver, DriverError, DriverOptions, Hooks, KafkaConfig, KafkaStage, completions};
//!
//! fn run<S: KafkaStage>(stage: S) -> Result<(), DriverError> {
//!     // Results of worker threads; a stage without workers receives none.
//!     let (_completions, completed) = completions(1);
//!     let options = DriverOptions {
//!         service: "scanner-bridge",
//!         stage: "bridge",
//!         group: "tapeline.scanner-bridge".to_owned(),
//!         inputs: vec![Topic::AlertRaised],
//!         outputs: vec![Topic::BatchRequested, Topic::ScannerBridgeDeadLetter],
//!         kafka: KafkaConfig { brokers: "kafka-1:9092".to_owned(), ..KafkaConfig::default() },
//!         hooks: Hooks::default(),
//!     };
//!     Driver::new(stage, completed, options)?.run()?;
//!     Ok(())
//! }
//! ```
//!
//! # Errors
//!
//! An error's `Display` does not repeat its source; [`ErrorChain`] shows both. [`MaybeAccessDenied`] separates a cluster that denies
//! access from one that is unavailable.
//!
//! To read the code, start at [`Driver::run`], then `driver/session.rs`.
#![warn(missing_docs)]

mod access_denied;
pub mod admin;
mod breaker_meters;
mod broker_list;
mod broker_monitor;
mod ca_file_error;
mod call_error;
#[cfg_attr(not(feature = "security"), path = "certificate_absent.rs")]
mod certificate;
pub mod client;
pub mod cluster;
mod committed_offsets;
mod config;
mod config_error;
mod connection_cause;
pub mod dead_letter;
mod driver;
mod error_codes;
mod features;
mod fetch_monitor;
mod group_offsets;
mod header_limits;
mod host_name;
mod librdkafka_error;
mod log_limit;
pub mod metric_names;
mod option_check;
mod owned_record;
mod partition_begins;
mod partition_ends;
mod producer;
mod query;
mod raw;
mod reader;
mod record;
mod record_count;
mod registry;
mod security;
mod topic_metadata;
mod wire;

pub use access_denied::{AccessDenied, MaybeAccessDenied};
pub use breaker_meters::BreakerMeters;
pub use broker_monitor::{BrokerMonitor, ReachabilityHook};
pub use ca_file_error::CaFileError;
pub use config::{Delivery, GroupProtocol, KafkaConfig, Profile};
pub use config_error::ConfigError;
pub use driver::{
    AbortHook, Bound, Completed, Completions, Driver, DriverError, DriverOptions, Hooks, HungClients,
    KafkaStage, LOADING_PARTITIONS_MAX, Note, Readiness, Restore, Shutdown, StageCounts, StageStatus,
    TableRecord, TableScope, TransactionStep, completions,
};
pub use features::{FEATURES, has_security};
pub use fetch_monitor::FETCHED_RECORD_BYTES;
pub use group_offsets::{CommittedOffset, GroupOffsets, GroupOffsetsError};
pub use kit::{ErrorChain, Millis, Secret};
pub use librdkafka_error::LibrdkafkaError;
pub use log_limit::LogLimit;
pub use owned_record::OwnedRecord;
pub use producer::{BatchProducer, ProduceError, ProducerBreaker, ProducerLimits, RecordMetadata};
pub use query::{ClusterQuery, GroupQuery, QueryError, Watermarks};
pub use reader::{READ_BYTES_MAX, ReadError, Start, TopicReader};
pub use record::{Headers, InRecord, Missing, OutRecord, TRACEPARENT, trace_context};
pub use record_count::count_with_aborted;
pub use registry::{
    OnRetry, Registry, RegistryCallError, RegistryConfig, RegistryError, RegistryErrorKind, RegistryUrlError,
    Started, http_client, read_response,
};
pub use security::{Mechanism, Protocol, Security};
pub use wire::{DecodeFailure, SchemaIds, UNWRITABLE, Unavailable, Wire};
