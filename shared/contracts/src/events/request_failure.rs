//! `feature.request.failed`: symbols of a feature request that get no vector.

use super::feature_request::{FEATURE_SETS_MAX, SYMBOLS_MAX};
use crate::bounds::ID_BYTES_MAX;
use crate::event::{Event, topic_schema_envelope};
use crate::record::event;
use crate::rules;
use crate::violation::{EventPath, Violation};
use crate::wire::RequestErrorClass;

event! {
    /// Symbols of a feature request get no vector. Each (request, symbol) ends in exactly one vector or one failure.
    pub struct RequestFailure {
        /// Id of the feature request, 1 to 256 bytes.
        pub request_id: String,
        /// Symbols of the request that get no vector, 1 to 100, sorted and unique. The first is the key of the record.
        pub symbols: Vec<String>,
        /// Feature sets as requested, at most 50. They may include names that are not feature sets.
        pub feature_sets: Vec<String>,
        /// Class of the error.
        pub error_class: RequestErrorClass,
        /// Error for people, not empty, at most 4 KiB.
        pub error: String,
        /// Number of attempts to compute the request, 0 if none was made.
        pub attempts: i32,
        /// Id of the earlier request that this one duplicates, at most 256 bytes. Required if `error_class` is `duplicate`.
        #[serde(default)]
        pub earlier_request_id: Option<String>,
    }
}

impl Event for RequestFailure {
    topic_schema_envelope!(RequestFailed, "feature.request.failed/v1");

    fn symbol(&self) -> &str {
        self.symbols.first().map_or("", String::as_str)
    }

    fn check(&self, at: EventPath) -> Result<(), Violation> {
        at.field("request_id", rules::id(&self.request_id))?;
        at.field("symbols", rules::count(self.symbols.len(), 1..=SYMBOLS_MAX))?;
        for (index, symbol) in self.symbols.iter().enumerate() {
            at.item("symbols", index, "", rules::symbol(symbol))?;
        }
        for (index, pair) in self.symbols.windows(2).enumerate() {
            at.item("symbols", index + 1, "", rules::rising(&*pair[0], &*pair[1]))?;
        }
        at.field("feature_sets", rules::count(self.feature_sets.len(), 0..=FEATURE_SETS_MAX))?;
        for (index, name) in self.feature_sets.iter().enumerate() {
            at.item("feature_sets", index, "", rules::at_most(name, ID_BYTES_MAX))?;
        }
        at.field("error_class", rules::is_defined(self.error_class != RequestErrorClass::Unknown))?;
        at.field("error", rules::text(&self.error))?;
        at.field("attempts", rules::at_least(self.attempts.into(), 0))?;
        let named = self.error_class != RequestErrorClass::Duplicate || self.earlier_request_id.is_some();
        at.field("earlier_request_id", rules::check(named, || "is required for a duplicate".to_owned()))?;
        let earlier = self.earlier_request_id.as_deref().unwrap_or_default();
        at.field("earlier_request_id", rules::at_most(earlier, ID_BYTES_MAX))
    }

    fn check_placement(&self, partition: i32, count: i32) -> Result<(), Violation> {
        let at = EventPath::of(self.topic().event());
        for (index, symbol) in self.symbols.iter().enumerate() {
            at.item("symbols", index, "", rules::in_partition(symbol, partition, count))?;
        }
        Ok(())
    }
}
