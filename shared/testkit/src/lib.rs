//! For tests alone: the delivery engine against a simulated Kafka, from a seed.
//!
//! [`Simulation`] runs several engines as members of one group over an in-memory log with holes. Partitions move, sessions
//! end, instances crash and are restarted, clients are rebuilt, transactions abort at each of their steps, deliveries fail,
//! workers end held records in any order, rules fail; time is simulated. Then it grows calm, everything must come to its end,
//! and what readers would see is compared with what went in. One seed gives one trace.
//!
//! It knows Kafka by what delivery can tell of it (generations fence offsets, offsets pend with their transaction); it says nothing
//! about the client library, the wire, or what the real rules compute. Those have tests of their own, on real parts.
//!
//! Start at [`Simulation::run`]. [`Delivery`] is where a test puts a broken engine, to see that it is caught.
//!
//! The tests of one stage use [`StageBench`], which processes events and applies effects without Kafka and without an engine, and
//! [`OwnSchemas`], a registry of the contract's own schemas that never fails.

mod asked;
mod cluster;
mod delivery;
mod instance;
mod log;
mod oracle;
mod rng;
mod rules;
mod schemas;
mod simulation;
pub mod stage_bench;
mod stored_record;
mod trace;

pub use delivery::Delivery;
pub use rules::{Fate, Kind, Output, Record, Rules, Work};
pub use schemas::OwnSchemas;
pub use simulation::{Failure, Report, Simulation};
pub use stage_bench::StageBench;
pub use stored_record::StoredRecord;
