//! `feature.vector.computed`: features of a symbol.

use std::collections::BTreeMap;

use crate::bounds::{SET_VALUES_MAX, TEXT_BYTES_MAX};
use crate::event::{Event, topic_schema_envelope};
use crate::record::{event, record};
use crate::rules;
use crate::violation::{EventPath, Violation};
use crate::wire::{SetStatus, instant};

event! {
    /// The features of one symbol of a feature request. Only bars that closed at or before the symbol's `occurred_at` are used, so
    /// a replay computes the same values.
    pub struct Vector {
        /// Id of the feature request, 1 to 256 bytes.
        pub request_id: String,
        /// Ticker symbol, such as `AAPL` or `BRK.B`. Key of the record; its partition is the partition of the symbol.
        pub symbol: String,
        /// Timeframe of the bars: `1min`, `5min`, `1hour` or `1day`.
        pub timeframe: String,
        /// Open time of the newest bar used; a day bar opens at 00:00 in New York. `occurred_at` if no bar was used. Never after
        /// `occurred_at`.
        #[serde(with = "instant")]
        pub as_of: i64,
        /// Number of bars that were available to the computation, not negative.
        pub bars_held: i32,
        /// Priority of the request, 1 to 10.
        pub priority: i32,
        /// Results by name of the feature set, at least one. Every requested set is present.
        pub sets: BTreeMap<String, SetResult>,
        /// Duration of the computation in microseconds, not negative.
        pub computation_micros: i64,
    }
}

record! {
    /// The result of one feature set.
    pub struct SetResult {
        /// Status of the set. It determines which of the other fields are present.
        pub status: SetStatus,
        /// Missing data and its cause, at most 4 KiB. Absent if the set was computed in full; required if it is `unavailable` or
        /// `failed`.
        #[serde(default)]
        pub reason: Option<String>,
        /// Values by name: at most 50 finite numbers. At least one if the set is `computed`, otherwise none.
        #[serde(default)]
        pub values: BTreeMap<String, f64>,
    }
}

impl Event for Vector {
    topic_schema_envelope!(VectorComputed, "feature.vector.computed/v1");

    fn symbol(&self) -> &str {
        &self.symbol
    }

    fn check(&self, at: EventPath) -> Result<(), Violation> {
        at.field("request_id", rules::id(&self.request_id))?;
        at.field("symbol", rules::symbol(&self.symbol))?;
        at.field("timeframe", rules::timeframe(&self.timeframe))?;
        at.field("as_of", rules::instant(self.as_of))?;
        at.field(
            "as_of",
            rules::check(self.as_of <= self.occurred_at, || {
                format!("{} is after occurred_at {}", rules::iso(self.as_of), rules::iso(self.occurred_at))
            }),
        )?;
        at.field("bars_held", rules::at_least(self.bars_held.into(), 0))?;
        at.field("priority", rules::priority(self.priority))?;
        at.field("computation_micros", rules::at_least(self.computation_micros, 0))?;
        at.field("sets", rules::check(!self.sets.is_empty(), || "is empty".to_owned()))?;
        for (name, result) in &self.sets {
            at.field("sets", rules::feature_set(name))?;
            at.entry("sets", name, result.check())?;
        }
        Ok(())
    }
}

impl SetResult {
    fn check(&self) -> Result<(), rules::Cause> {
        rules::values(&self.values, SET_VALUES_MAX)?;
        rules::at_most(self.reason.as_deref().unwrap_or_default(), TEXT_BYTES_MAX)?;
        let explained = self.reason.as_deref().is_some_and(|reason| !reason.is_empty());
        match self.status {
            SetStatus::Computed => {
                rules::check(!self.values.is_empty(), || "computed, but without a value".to_owned())
            }
            SetStatus::Unavailable | SetStatus::Failed => {
                rules::check(explained, || format!("{}, but without a reason", self.status))?;
                rules::check(self.values.is_empty(), || format!("{}, but with values", self.status))
            }
            SetStatus::Unknown => rules::check(false, || "status is not defined in this version".to_owned()),
        }
    }
}
