//! Sans-IO delivery engine: events in, actions out.
//!
//! The engine guarantees the laws P1 to P8 (see ARCHITECTURE.md): every received record is emitted, dropped, rejected or held, and
//! committed offsets move only over the contiguous resolved prefix. It does not depend on Kafka, Avro, tokio, clocks or the
//! meaning of a record.
//!
//! A service implements [`Stage`]. A shell such as `kafka_io::Driver` applies [`Event`]s to the [`Engine`] and performs its
//! [`Action`]s:
//!
//! ```
//! use std::time::Duration;
//!
//! use pipeline::{
//!     Action, Delivery, Effects, Engine, Event, InputPartition, Now, Options, RecordId, Stage, Start, Verdict,
//! };
//!
//! /// Emits each record unchanged.
//! struct Echo;
//!
//! impl Stage for Echo {
//!     type Record<'a> = &'a str;
//!     type Output = String;
//!     type Completion = ();
//!
//!     fn process(&mut self, _: RecordId, record: &str, _: Now, _: &mut Effects<String>) -> Verdict<String> {
//!         Verdict::Emit(vec![record.to_owned()])
//!     }
//!     fn completed(&mut self, (): (), _: Now, _: &mut Effects<String>) {}
//! }
//!
//! let input = InputPartition { topic: 0, partition: 0 };
//! let now = Now { monotonic: Duration::ZERO, wall_micros: 0 };
//! let mut records = [(7, "hello")].iter().copied();
//! let mut engine = Engine::new(Echo, Options::new(Delivery::Transactional));
//! let start = Start { input, position: 7, completed: Default::default() };
//! engine.apply(Event::Assigned(&[start]), now);
//! engine.apply(Event::Records(input, &mut records), now);
//! engine.apply(Event::Tick, now); // no more records: the batch closes
//! engine.settle(now);
//!
//! let Some(Action::Transact { batch, positions }) = engine.take_action() else { panic!("no transaction") };
//! assert_eq!(engine.batch(batch).collect::<Vec<_>>(), ["hello"]);
//! assert_eq!(positions[0].offset, 8);
//! ```

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
mod originated;
mod originating;
mod outbox;
mod retry;
mod stage;

pub use completed_ranges::{COMPLETED_RANGES_MAX_BYTES, CompletedRanges, InvalidCompletedRanges};
pub use counts::{Counts, Dropped, Load, Originated};
pub use engine::Engine;
pub use event::{Action, Event, Position, Start, Stop};
pub use ids::{BatchId, Epoch, InputPartition, Now, Reason, RecordId};
pub use laws::Law;
pub use options::{Delivery, Options};
pub use stage::{Effect, Effects, Stage, Verdict};
