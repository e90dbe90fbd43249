//! `scanner.alert.raised`: alerts of scanners.

use std::collections::BTreeMap;

use domain::AlertType;

use crate::bounds::{ID_BYTES_MAX, TEXT_BYTES_MAX};
use crate::event::{Event, topic_schema_envelope};
use crate::record::event;
use crate::rules;
use crate::violation::{EventPath, Violation};
use crate::wire::alert_type;

/// Limit of the keys of an alert's metadata.
pub const METADATA_KEYS_MAX: usize = 50;

/// Limit of the size of an alert's metadata, keys and values together.
pub const METADATA_BYTES_MAX: usize = 10 * 1024;

event! {
    /// A scanner found something about a symbol. The scanner-bridge turns alerts into feature requests.
    ///
    /// Scanners send alerts to the edge of the publisher or write them to the topic.
    ///
    /// A finding may omit the envelope. The edge sets `event_id` to a new UUID v7, `occurred_at` to the present time, `source` to the
    /// constant `edge` and `correlation_id` to the event id.
    pub struct Alert {
        /// Ticker symbol, such as `AAPL` or `BRK.B`. Key of the record; its partition is the partition of the symbol.
        pub symbol: String,
        /// Kind of the alert. An unknown name is read as `unknown`.
        #[serde(with = "alert_type")]
        pub alert_type: AlertType,
        /// Strength of the finding, 0 to 1. The priority of the feature request follows from it and from the alert type.
        pub score: f64,
        /// Message for people, at most 4 KiB; it may be empty.
        pub message: String,
        /// Name of the scanner, at most 256 bytes; it may be empty.
        pub source_scanner: String,
        /// Further details by name: at most 50 keys, at most 10 KiB in total. In an alert of type `manual`, `feature_sets` can name
        /// the requested feature sets, separated by commas; all sets are requested if it is absent or empty.
        #[serde(default, deserialize_with = "crate::unique_map::deserialize")]
        pub metadata: BTreeMap<String, String>,
    }
}

impl Event for Alert {
    topic_schema_envelope!(AlertRaised, "scanner.alert.raised/v1");

    fn symbol(&self) -> &str {
        &self.symbol
    }

    fn check(&self, at: EventPath) -> Result<(), Violation> {
        at.field("symbol", rules::symbol(&self.symbol))?;
        at.field("score", rules::within(self.score, 0..=1))?;
        at.field("message", rules::at_most(&self.message, TEXT_BYTES_MAX))?;
        at.field("source_scanner", rules::at_most(&self.source_scanner, ID_BYTES_MAX))?;
        at.field("metadata", rules::count(self.metadata.len(), 0..=METADATA_KEYS_MAX))?;
        let bytes: usize = self.metadata.iter().map(|(key, value)| key.len() + value.len()).sum();
        at.field(
            "metadata",
            rules::check(bytes <= METADATA_BYTES_MAX, || {
                format!("{bytes} bytes, at most {METADATA_BYTES_MAX} are allowed")
            }),
        )
    }
}
