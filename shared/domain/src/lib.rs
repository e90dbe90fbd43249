//! The nouns of Tapeline, each with its laws: symbols, layers, priorities, feature sets, times, bars, interval sets, the
//! exchange's calendar, and the dedup window.
//!
//! Everything here is a value or a pure rule over values. The crate deliberately does no I/O, reads no clock, and knows nothing of
//! serde, Avro, Kafka or tokio: how a value is written down is `contracts`' business, when something happens is told from outside.
//!
//! Start at [`Symbol`] and [`Timestamp`]; then [`IntervalSet`] (what is covered), [`calendar`] (when a bar closes) and
//! [`DedupWindows`] (what was seen already).

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
