//! The sans-IO delivery engine: events in, actions out.
//!
//! It owes the laws P1 to P8 (see ARCHITECTURE.md): what was received is emitted, dropped, rejected or held, and offsets move only
//! over the contiguous resolved prefix. It deliberately knows nothing of Kafka, Avro, tokio, clocks or what a record means.
//!
//! Start at [`Stage`] (what a service implements), then [`Event`] and [`Action`], then [`Engine`].

mod backpressure;
mod commit;
mod commit_metadata;
mod completed_ranges;
mod counts;
mod drain;
mod engine;
mod event;
mod fair_resume;
mod ids;
mod intake;
mod laws;
mod ledger;
mod options;
mod outbox;
mod retry;
mod stage;

pub use completed_ranges::{COMPLETED_RANGES_MAX_BYTES, CompletedRanges, InvalidCompletedRanges};
pub use counts::{Counts, Dropped, Load};
pub use engine::Engine;
pub use event::{Action, Event, Position, Start, Stop};
pub use ids::{BatchId, Epoch, InputPartition, Now, Reason, RecordId};
pub use laws::Law;
pub use options::{Delivery, Options};
pub use stage::{Effect, Effects, Stage, Verdict};
