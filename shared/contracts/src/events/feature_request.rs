//! `feature.batch.requested` and `feature.batch.urgent`: a batch of symbols whose features are wanted.

use domain::{FeatureSet, FeatureSets, Priority};
use serde::{Deserialize, Serialize};

use crate::bounds::{MAX_ID_BYTES, MAX_MERGED_ALERTS};
use crate::event::{Event, described, placed};
use crate::rules;
use crate::violation::{Place, Violation};
use crate::wire::instant;

use crate::topics::Topic;

/// The most symbols of a request.
pub const MAX_SYMBOLS: usize = 100;

/// The most feature sets of a request.
pub const MAX_FEATURE_SETS: usize = 50;

/// A batch of symbols, all of one partition, whose features are wanted; from priority 8 on its topic is the urgent one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeatureRequest {
    /// UUID.
    pub event_id: String,
    /// The newest of the symbols' `occurred_at`; microseconds since 1970-01-01T00:00:00Z, as every time here.
    #[serde(with = "instant")]
    pub occurred_at: i64,
    /// Who says so.
    pub source: String,
    /// Passed on from cause to effect.
    #[serde(default)]
    pub correlation_id: Option<String>,
    /// Names the request; its answers carry it.
    pub request_id: String,
    /// 1 to 100, sorted and unique.
    pub symbols: Vec<RequestedSymbol>,
    /// 1 to 50 names, sorted and unique.
    pub feature_sets: Vec<String>,
    /// `1min`, `5min`, `1hour` or `1day`.
    pub timeframe: String,
    /// 1 to 10, higher is more urgent.
    pub priority: i32,
    /// The stage that asks.
    pub requester: String,
    /// The scanners whose alerts were merged.
    #[serde(default)]
    pub source_scanners: Vec<String>,
    /// One for each alert that was merged.
    #[serde(default)]
    pub correlation_ids: Vec<String>,
    /// By the wall clock; the request expires by it.
    #[serde(with = "instant")]
    pub requested_at: i64,
}

/// One symbol of a request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestedSymbol {
    /// Ticker.
    pub symbol: String,
    /// The `occurred_at` that opened the symbol's dedup window.
    #[serde(with = "instant")]
    pub first_seen: i64,
    /// The newest of the symbol's alerts in this request: features look no further.
    #[serde(with = "instant")]
    pub occurred_at: i64,
}

impl FeatureRequest {
    /// The feature sets; names that aren't any are left out, of which a valid request has none.
    #[must_use]
    pub fn sets(&self) -> FeatureSets {
        self.feature_sets.iter().filter_map(|name| FeatureSet::from_name(name)).collect()
    }
}

impl Event for FeatureRequest {
    described!(BatchRequested, "feature.batch.requested");

    fn topic(&self) -> Topic {
        let urgent = Priority::new(self.priority).is_ok_and(Priority::is_urgent);
        if urgent { Topic::BatchUrgent } else { Topic::BatchRequested }
    }

    fn symbol(&self) -> &str {
        self.symbols.first().map_or("", |first| &first.symbol)
    }

    fn check(&self, at: Place) -> Result<(), Violation> {
        at.field("request_id", rules::id(&self.request_id))?;
        at.field("symbols", rules::count(self.symbols.len(), 1..=MAX_SYMBOLS))?;
        for (index, requested) in self.symbols.iter().enumerate() {
            at.item("symbols", index, "symbol", rules::symbol(&requested.symbol))?;
            at.item("symbols", index, "first_seen", rules::instant(requested.first_seen))?;
            at.item("symbols", index, "occurred_at", rules::instant(requested.occurred_at))?;
        }
        for (index, pair) in self.symbols.windows(2).enumerate() {
            at.item("symbols", index + 1, "symbol", rules::rising(&*pair[0].symbol, &*pair[1].symbol))?;
        }
        at.field("feature_sets", rules::count(self.feature_sets.len(), 1..=MAX_FEATURE_SETS))?;
        for (index, name) in self.feature_sets.iter().enumerate() {
            at.item("feature_sets", index, "", rules::feature_set(name))?;
        }
        for (index, pair) in self.feature_sets.windows(2).enumerate() {
            at.item("feature_sets", index + 1, "", rules::rising(&*pair[0], &*pair[1]))?;
        }
        at.field("timeframe", rules::timeframe(&self.timeframe))?;
        at.field("priority", rules::priority(self.priority))?;
        at.field("requester", rules::id(&self.requester))?;
        for (name, ids) in
            [("source_scanners", &self.source_scanners), ("correlation_ids", &self.correlation_ids)]
        {
            at.field(name, rules::count(ids.len(), 0..=MAX_MERGED_ALERTS))?;
            for (index, id) in ids.iter().enumerate() {
                at.item(name, index, "", rules::at_most(id, MAX_ID_BYTES))?;
            }
        }
        at.field("requested_at", rules::instant(self.requested_at))
    }

    fn check_placement(&self, partition: i32, count: i32) -> Result<(), Violation> {
        let at = Place::of(self.topic().event());
        for (index, requested) in self.symbols.iter().enumerate() {
            at.item("symbols", index, "symbol", placed(&requested.symbol, partition, count))?;
        }
        Ok(())
    }
}
