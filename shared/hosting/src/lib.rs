//! Hosts Kafka stages in a process: where `kafka-io`, which knows no process, meets `chassis`, which knows no Kafka.
//!
//! It holds the two sections that every service's configuration has, connects to registry and cluster at start, and runs a
//! stage's driver as a task with a heartbeat and a readiness latch. It knows no service and no rule.
//!
//! Start at [`connect`], then [`host`].

mod connect;
mod memory;
mod metric_names;
mod sections;
mod stage;
mod workers;

pub use connect::{Connection, connect};
pub use memory::{PROCESS_BYTES, Part, Reserved, of_stage, reserve};
pub use metric_names::METRICS;
pub use sections::{KafkaSection, RegistrySection};
pub use stage::{Hosted, StageSpec, consumers, host};
pub use workers::{PoolWorkers, WorkerError};
