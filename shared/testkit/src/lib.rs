//! Test support: the delivery engine against a simulated Kafka, from a seed.
//!
//! [`Simulation`] runs several engines as members of one group over an in-memory log with holes. Partitions move, sessions expire,
//! instances crash and restart, clients are recreated, transactions abort at each of their steps, deliveries fail, workers complete
//! held records in any order, and rules fail. Time is simulated. In a final calm phase everything must complete, and the oracle
//! compares the output log with the input log. One seed gives one trace.
//!
//! It models Kafka as far as delivery depends on it (generations fence offsets, offsets are pending with their transaction). It
//! does not model the client library, the wire format or the real rules, which have tests of their own on real parts.
//!
//! [`Simulation::run`] is the entry point. A test passes a broken engine through [`Delivery`] to see that it is caught.
//!
//! The tests of one stage use [`StageBench`], which processes events and applies effects without Kafka and without an engine, and
//! [`OwnSchemas`], a registry of the contract's own schemas that never fails. With its real workers, it is tested on a [`WorkerBench`].

mod cluster;
mod delivery;
mod events;
mod instance;
mod log;
mod oracle;
mod origination;
mod output;
mod report;
mod request;
mod rng;
mod rules;
mod schemas;
mod simulation;
pub mod stage_bench;
mod stored_record;
mod trace;
pub mod worker_bench;

pub use delivery::Delivery;
pub use origination::Origination;
pub use output::{Kind, Output};
pub use report::Report;
pub use rng::Rng;
pub use rules::{Plan, Record, Rules, Work};
pub use schemas::OwnSchemas;
pub use simulation::{Failure, Simulation};
pub use stage_bench::StageBench;
pub use stored_record::StoredRecord;
pub use worker_bench::WorkerBench;
