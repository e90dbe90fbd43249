//! Hosting of Kafka stages in a service process. The crate connects `kafka-io`, which is independent of processes, with `chassis`,
//! which is independent of Kafka.
//!
//! It contains the configuration sections for Kafka and the registry, checks both at start, compares the configured memory with the
//! container's limit, and runs the driver of a stage as a task with heartbeat and readiness. It contains nothing of a particular service.
//!
//! A service calls [`connect`], creates its stage from the returned [`Wire`](kafka_io::Wire), and starts it by [`host`]:
//!
//! ```no_run
//! use chassis::{Context, Failure};
//! use contracts::Topic;
//! use hosting::{Hosted, KafkaSection, RegistrySection, StageSpec};
//! use kafka_io::{Completed, KafkaStage, Wire};
//!
//! async fn start<S>(
//!     context: Context,
//!     kafka: KafkaSection,
//!     registry: RegistrySection,
//!     stage: impl FnOnce(Wire) -> (S, Completed<S::Completion>),
//! ) -> Result<Hosted, Failure>
//! where
//!     S: KafkaStage + Send + 'static,
//!     S::Output: Send,
//!     S::Completion: Send,
//! {
//!     let (dead_letters, input, output) =
//!         (Topic::ScannerBridgeDeadLetter, Topic::AlertRaised, Topic::BatchRequested);
//!     let connection =
//!         hosting::connect(&context, &kafka.0, &registry, dead_letters, &[output], &[input]).await?;
//!     let (stage, completed) = stage(connection.wire);
//!     let spec = StageSpec {
//!         stage: "example",
//!         group: "tapeline.example",
//!         inputs: vec![input],
//!         outputs: vec![output, dead_letters],
//!         memory: Vec::new(),
//!     };
//!     hosting::host(&context, &kafka.0, stage, completed, spec)
//! }
//! ```

mod connect;
mod latency;
mod memory;
mod metric_names;
mod producer;
mod sections;
mod stage;
mod topic_wait;
mod workers;

pub use connect::{Connection, connect, registry_exit};
pub use latency::{Latency, latency_histogram};
pub use memory::{PROCESS_BYTES, Part, Reserved, of_reader, of_stage, reserve};
pub use metric_names::{METRICS, RESTORE_APPLIED, RESTORE_SKIPPED, stage_counter, stage_gauge};
pub use producer::producer;
pub use sections::{KafkaSection, RegistrySection};
pub use stage::{Hosted, StageSpec, consumers, host};
pub use workers::{PoolWorkers, WorkerError};
