//! The sans-IO delivery engine: events in, actions out.
//!
//! It owes the laws P1 to P8 (see ARCHITECTURE.md): what was received is emitted, dropped, rejected or held, and offsets move only
//! over the contiguous resolved prefix. It deliberately knows nothing of Kafka, Avro, tokio, clocks or what a record means.
//!
//! Start at [`Stage`] (what a service implements), then [`Event`] and [`Action`], then `Engine`.

mod event;
mod ids;
mod stage;

pub use event::{Action, Event, Position, Stop};
pub use ids::{BatchId, Epoch, Now, Reason, RecordId, Source};
pub use stage::{Effect, Effects, Stage, Verdict};
