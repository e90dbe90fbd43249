//! `feature.request.failed`: symbols of a request that will get no vector.

use serde::{Deserialize, Serialize};

use crate::bounds::MAX_ID_BYTES;
use crate::event::{Event, described, placed};
use crate::rules;
use crate::violation::{Place, Violation};
use crate::wire::{RequestErrorClass, instant};

/// Symbols of a request that will get no vector, and why.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestFailure {
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
    /// The request.
    pub request_id: String,
    /// Those of its symbols that get no vector; sorted and unique.
    pub symbols: Vec<String>,
    /// What was asked for, as it was asked.
    pub feature_sets: Vec<String>,
    /// Why, as a class.
    pub error_class: RequestErrorClass,
    /// Why, for people.
    pub error: String,
    /// How often it was tried; 0 when never.
    pub attempts: i32,
    /// The request that a duplicate repeats.
    #[serde(default)]
    pub earlier_request_id: Option<String>,
}

impl Event for RequestFailure {
    described!(RequestFailed, "feature.request.failed");

    fn symbol(&self) -> &str {
        self.symbols.first().map_or("", String::as_str)
    }

    fn check(&self, at: Place) -> Result<(), Violation> {
        at.field("request_id", rules::id(&self.request_id))?;
        at.field("symbols", rules::count(self.symbols.len(), 1..=super::MAX_SYMBOLS))?;
        for (index, symbol) in self.symbols.iter().enumerate() {
            at.item("symbols", index, "", rules::symbol(symbol))?;
        }
        for (index, pair) in self.symbols.windows(2).enumerate() {
            at.item("symbols", index + 1, "", rules::rising(&*pair[0], &*pair[1]))?;
        }
        at.field("feature_sets", rules::count(self.feature_sets.len(), 0..=super::MAX_FEATURE_SETS))?;
        for (index, name) in self.feature_sets.iter().enumerate() {
            at.item("feature_sets", index, "", rules::at_most(name, MAX_ID_BYTES))?;
        }
        let known = self.error_class != RequestErrorClass::Unknown;
        at.field("error_class", rules::check(known, || "is one that this version does not know".to_owned()))?;
        at.field("error", rules::text(&self.error))?;
        at.field("attempts", rules::at_least(self.attempts.into(), 0))?;
        let named = self.error_class != RequestErrorClass::Duplicate || self.earlier_request_id.is_some();
        at.field(
            "earlier_request_id",
            rules::check(named, || "a duplicate names the earlier request".to_owned()),
        )?;
        let earlier = self.earlier_request_id.as_deref().unwrap_or_default();
        at.field("earlier_request_id", rules::at_most(earlier, MAX_ID_BYTES))
    }

    fn check_placement(&self, partition: i32, count: i32) -> Result<(), Violation> {
        let at = Place::of(self.topic().event());
        for (index, symbol) in self.symbols.iter().enumerate() {
            at.item("symbols", index, "", placed(symbol, partition, count))?;
        }
        Ok(())
    }
}
