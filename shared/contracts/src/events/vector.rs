//! `feature.vector.computed`: the features of one symbol, as of an instant.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::bounds::{MAX_SET_VALUES, MAX_TEXT_BYTES};
use crate::event::{Event, described};
use crate::rules;
use crate::violation::{Place, Violation};
use crate::wire::{SetStatus, instant};

/// The features of one symbol of a request, from bars that closed at or before the symbol's `occurred_at`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vector {
    /// UUID.
    pub event_id: String,
    /// When it happened; microseconds since 1970-01-01T00:00:00Z, as every time here.
    #[serde(with = "instant")]
    pub occurred_at: i64,
    /// Who says so.
    pub source: String,
    /// Passed on from cause to effect.
    #[serde(default)]
    pub correlation_id: Option<String>,
    /// The request that it answers.
    pub request_id: String,
    /// Ticker.
    pub symbol: String,
    /// `1min`, `5min`, `1hour` or `1day`.
    pub timeframe: String,
    /// The open time of the newest bar used (a day bar opens at 00:00 in New York); without any bar `occurred_at`. Never after it.
    #[serde(with = "instant")]
    pub as_of: i64,
    /// How many bars the answer could look at.
    pub bars_held: i32,
    /// The request's priority.
    pub priority: i32,
    /// By the feature set's name.
    pub sets: BTreeMap<String, SetResult>,
    /// How long the rules took, in microseconds.
    pub computation_micros: i64,
}

/// The answer for one feature set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetResult {
    /// Whether there are values.
    pub status: SetStatus,
    /// What is missing and why; none when the set was computed in full.
    #[serde(default)]
    pub reason: Option<String>,
    /// By the value's name; finite.
    #[serde(default)]
    pub values: BTreeMap<String, f64>,
}

impl Event for Vector {
    described!(VectorComputed, "feature.vector.computed");

    fn symbol(&self) -> &str {
        &self.symbol
    }

    fn check(&self, at: Place) -> Result<(), Violation> {
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
        rules::values(&self.values, MAX_SET_VALUES)?;
        rules::at_most(self.reason.as_deref().unwrap_or_default(), MAX_TEXT_BYTES)?;
        let explained = self.reason.as_deref().is_some_and(|reason| !reason.is_empty());
        match self.status {
            SetStatus::Computed => {
                rules::check(!self.values.is_empty(), || "computed, but without a value".to_owned())
            }
            SetStatus::Unavailable | SetStatus::Failed => {
                rules::check(explained, || format!("{}, but without a reason", self.status))?;
                rules::check(self.values.is_empty(), || format!("{}, but with values", self.status))
            }
            SetStatus::Unknown => Err("its status is one that this version does not know".to_owned()),
        }
    }
}
