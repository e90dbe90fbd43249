//! `feature.batch.requested` and `feature.batch.urgent`: requests for features of a batch of symbols.

use domain::{FeatureSet, FeatureSets, Priority};

use crate::bounds::{ID_BYTES_MAX, MERGED_ALERTS_MAX};
use crate::event::{Event, topic_schema_envelope};
use crate::record::{event, record};
use crate::rules;
use crate::topics::Topic;
use crate::violation::{EventPath, Violation};
use crate::wire::instant;

/// Limit of the symbols of a request.
pub const SYMBOLS_MAX: usize = 100;

/// Limit of the feature sets of a request.
pub const FEATURE_SETS_MAX: usize = 50;

event! {
    /// A request to compute feature sets for a batch of symbols. From priority 8, its topic is `feature.batch.urgent`.
    ///
    /// All symbols belong to the same partition, and the record is written to it. Each symbol of the request ends in exactly one
    /// vector or one failure.
    pub struct FeatureRequest {
        /// Id of the request, 1 to 256 bytes. Its vectors and failures carry it.
        pub request_id: String,
        /// Symbols to compute, 1 to 100, sorted and unique. The first is the key of the record.
        pub symbols: Vec<RequestedSymbol>,
        /// Names of the feature sets to compute, 1 to 50, sorted and unique.
        pub feature_sets: Vec<String>,
        /// Timeframe of the bars: `1min`, `5min`, `1hour` or `1day`.
        pub timeframe: String,
        /// Priority, 1 to 10. Higher is more urgent.
        pub priority: i32,
        /// Component that requests the features, 1 to 256 bytes.
        pub requester: String,
        /// Names of the scanners whose alerts were merged, at most 1,000.
        #[serde(default)]
        pub source_scanners: Vec<String>,
        /// Correlation ids of the merged alerts, at most 1,000.
        #[serde(default)]
        pub correlation_ids: Vec<String>,
        /// Wall-clock time of the request. The request expires a configured time after it (default 300 s).
        #[serde(with = "instant")]
        pub requested_at: i64,
    }
}

record! {
    /// One symbol of a feature request.
    pub struct RequestedSymbol {
        /// Ticker symbol, such as `AAPL` or `BRK.B`.
        pub symbol: String,
        /// `occurred_at` of the alert that opened the symbol's dedup window.
        #[serde(with = "instant")]
        pub first_seen: i64,
        /// Newest `occurred_at` of the symbol's alerts in this request. Only bars that closed at or before it are used.
        #[serde(with = "instant")]
        pub occurred_at: i64,
    }
}

impl FeatureRequest {
    /// Returns the requested feature sets. Unknown names, which a valid request does not have, are skipped.
    #[must_use]
    pub fn sets(&self) -> FeatureSets {
        self.feature_sets.iter().filter_map(|name| FeatureSet::from_name(name)).collect()
    }
}

impl Event for FeatureRequest {
    topic_schema_envelope!(BatchRequested, "feature.batch.requested/v1");

    fn topic(&self) -> Topic {
        let urgent = Priority::new(self.priority).is_ok_and(Priority::is_urgent);
        if urgent { Topic::BatchUrgent } else { Topic::BatchRequested }
    }

    fn symbol(&self) -> &str {
        self.symbols.first().map_or("", |first| &first.symbol)
    }

    fn check(&self, at: EventPath) -> Result<(), Violation> {
        at.field("request_id", rules::id(&self.request_id))?;
        at.field("symbols", rules::count(self.symbols.len(), 1..=SYMBOLS_MAX))?;
        for (index, requested) in self.symbols.iter().enumerate() {
            at.item("symbols", index, "symbol", rules::symbol(&requested.symbol))?;
            at.item("symbols", index, "first_seen", rules::instant(requested.first_seen))?;
            at.item("symbols", index, "occurred_at", rules::instant(requested.occurred_at))?;
        }
        for (index, pair) in self.symbols.windows(2).enumerate() {
            at.item("symbols", index + 1, "symbol", rules::rising(&*pair[0].symbol, &*pair[1].symbol))?;
        }
        at.field("feature_sets", rules::count(self.feature_sets.len(), 1..=FEATURE_SETS_MAX))?;
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
            at.field(name, rules::count(ids.len(), 0..=MERGED_ALERTS_MAX))?;
            for (index, id) in ids.iter().enumerate() {
                at.item(name, index, "", rules::at_most(id, ID_BYTES_MAX))?;
            }
        }
        at.field("requested_at", rules::instant(self.requested_at))
    }

    fn check_placement(&self, partition: i32, count: i32) -> Result<(), Violation> {
        let at = EventPath::of(self.topic().event());
        for (index, requested) in self.symbols.iter().enumerate() {
            at.item("symbols", index, "symbol", rules::in_partition(&requested.symbol, partition, count))?;
        }
        Ok(())
    }
}
