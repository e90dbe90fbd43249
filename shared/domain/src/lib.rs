//! Values and rules of the domain: symbols, layers, priorities, feature sets, times, bars, interval sets, the exchange calendar, and
//! dedup windows.
//!
//! Everything is a value or a pure function of values. The crate does no I/O, reads no clock, and does not depend on serde, Avro, Kafka
//! or tokio. The crate `contracts` defines how values are encoded.
//!
//! | item | content |
//! |---|---|
//! | [`Symbol`], [`Timestamp`], [`Layer`], [`Priority`], [`Timeframe`] | values of all events |
//! | [`Interval`], [`IntervalSet`] | ranges of time and coverage |
//! | [`calendar`] | sessions of the exchange and close times of bars |
//! | [`DedupWindows`], [`PartitionWindows`] | dedup windows, see [`window`] |
//!
//! ```
//! use domain::calendar::{bar_close, date_of, day_open};
//! use domain::{Interval, IntervalSet, Symbol, Timeframe, Timestamp};
//!
//! let symbol = Symbol::parse("BRK.B")?;
//! assert_eq!(symbol.to_string(), "BRK.B");
//!
//! // A day bar opens at midnight in New York and closes with its session.
//! let open = day_open(date_of(Timestamp::parse("2024-03-15T14:30:00Z")?));
//! assert_eq!(bar_close(Timeframe::Day1, open).to_string(), "2024-03-15T20:00:00Z");
//!
//! // Coverage: what is missing in a range?
//! let hour = |hour: i64| open.saturating_add_micros(hour * 3_600_000_000);
//! let covered: IntervalSet = [Interval::new(hour(2), hour(4))?].into_iter().collect();
//! let missing = covered.missing(Interval::new(hour(0), hour(6))?);
//! assert_eq!(missing, [Interval::new(hour(0), hour(2))?, Interval::new(hour(4), hour(6))?]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod alert_type;
mod bar;
pub mod calendar;
mod data_type;
mod feature_set;
mod feature_sets;
mod interval;
mod interval_set;
mod layer;
mod names;
mod partition_windows;
mod priority;
mod symbol;
mod timeframe;
mod timestamp;
pub mod window;

pub use alert_type::AlertType;
pub use bar::{Bar, BarError};
pub use calendar::Date;
pub use data_type::DataType;
pub use feature_set::FeatureSet;
pub use feature_sets::FeatureSets;
pub use interval::{Interval, IntervalError};
pub use interval_set::IntervalSet;
pub use layer::{Layer, LayerError};
pub use partition_windows::PartitionWindows;
pub use priority::{Priority, PriorityError};
pub use symbol::{Symbol, SymbolError};
pub use timeframe::Timeframe;
pub use timestamp::{Timestamp, TimestampError};
pub use window::{DedupWindows, Observation};
