//! Topics: names, keys, cleanup policy, retention. `tapeline topics` and the check at the start of a service use this table.

use std::fmt;

/// Partitions of every topic unless the cluster configuration differs. All data of a symbol has the same partition number.
pub const DEFAULT_PARTITIONS: i32 = 12;

/// `max.message.bytes` of a topic of events.
pub const EVENT_MESSAGE_BYTES_MAX: usize = 1 << 20;

/// `max.message.bytes` of a dead-letter topic: room for the largest event and the headers that describe its error.
pub const DEAD_LETTER_MESSAGE_BYTES_MAX: usize = 2 << 20;

const DAY_MS: i64 = 86_400_000;

/// Content of a topic's record keys. The partition is always that of the symbol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyRule {
    /// `symbol`. For a request with several symbols, the first.
    Symbol,
    /// `symbol|timeframe|open_time`, the time in microseconds.
    Bar,
    /// `symbol|data_type|timeframe`.
    Coverage,
    /// Key and partition number of the original record.
    Original,
}

impl fmt::Display for KeyRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Symbol => "symbol",
            Self::Bar => "symbol|timeframe|open_time",
            Self::Coverage => "symbol|data_type|timeframe",
            Self::Original => "key of the original record",
        })
    }
}

/// `cleanup.policy` of a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cleanup {
    /// Records older than the retention are deleted.
    Delete,
    /// The newest record of each key is retained without limit.
    Compact,
}

impl Cleanup {
    /// Returns the value of `cleanup.policy`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Delete => "delete",
            Self::Compact => "compact",
        }
    }
}

macro_rules! topics {
    ($($variant:ident = $name:literal, $key:ident, $cleanup:ident, $kept:expr;)+) => {
        /// A topic of Tapeline.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Topic { $(#[doc = concat!("`", $name, "`")] $variant,)+ }

        impl Topic {
            /// Every topic.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// Returns the name in Kafka.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// Returns the content of the record keys.
            #[must_use]
            pub const fn key_rule(self) -> KeyRule {
                match self { $(Self::$variant => KeyRule::$key,)+ }
            }

            /// Returns the cleanup policy.
            #[must_use]
            pub const fn cleanup(self) -> Cleanup {
                match self { $(Self::$variant => Cleanup::$cleanup,)+ }
            }

            /// Returns the default of `retention.ms`; -1 is unlimited.
            #[must_use]
            pub const fn retention_ms(self) -> i64 {
                match self { $(Self::$variant => $kept,)+ }
            }
        }
    };
}

topics! {
    AlertRaised = "scanner.alert.raised.v1", Symbol, Delete, 7 * DAY_MS;
    SymbolProposed = "scanner.symbol.proposed.v1", Symbol, Delete, 7 * DAY_MS;
    SymbolQualified = "scanner.symbol.qualified.v1", Symbol, Delete, 7 * DAY_MS;
    SymbolPromoted = "scanner.symbol.promoted.v1", Symbol, Delete, 7 * DAY_MS;
    GapDetected = "market.gap.detected.v1", Symbol, Delete, 7 * DAY_MS;
    BatchRequested = "feature.batch.requested.v1", Symbol, Delete, 7 * DAY_MS;
    BatchUrgent = "feature.batch.urgent.v1", Symbol, Delete, 7 * DAY_MS;
    VectorComputed = "feature.vector.computed.v1", Symbol, Delete, 30 * DAY_MS;
    RequestFailed = "feature.request.failed.v1", Symbol, Delete, 7 * DAY_MS;
    RangeRequested = "backfill.range.requested.v1", Symbol, Delete, 7 * DAY_MS;
    RangeProgressed = "backfill.range.progressed.v1", Symbol, Delete, 7 * DAY_MS;
    CoverageChanged = "backfill.coverage.changed.v1", Coverage, Compact, -1;
    RangeCompleted = "backfill.range.completed.v1", Symbol, Delete, 7 * DAY_MS;
    RangeFailed = "backfill.range.failed.v1", Symbol, Delete, 7 * DAY_MS;
    BarClosed = "market.bar.closed.v1", Bar, Compact, -1;
    NewsPublished = "market.news.published.v1", Symbol, Delete, 30 * DAY_MS;
    CorporateActionAnnounced = "market.corporate-action.announced.v1", Symbol, Delete, -1;
    PublisherDeadLetter = "publisher.dead-letter", Original, Delete, 30 * DAY_MS;
    ScannerBridgeDeadLetter = "scanner-bridge.dead-letter", Original, Delete, 30 * DAY_MS;
    FeatureDeadLetter = "feature.dead-letter", Original, Delete, 30 * DAY_MS;
    BackfillDeadLetter = "backfill.dead-letter", Original, Delete, 30 * DAY_MS;
}

// === impl Topic ===

impl Topic {
    /// Returns the name of the event: the topic's name without `.v1`. For a dead-letter topic, the whole name.
    #[must_use]
    pub fn event(self) -> &'static str {
        let name = self.name();
        name.strip_suffix(".v1").unwrap_or(name)
    }

    /// Returns the topic with this name in Kafka.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|topic| topic.name() == name)
    }

    /// Returns the topic of this event, or the dead-letter topic with this name.
    #[must_use]
    pub fn from_event(event: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|topic| topic.event() == event)
    }

    /// Returns the registry subject of the record values, `<topic>-value`. `None` for a dead-letter topic, which has no schema: it
    /// holds the original bytes.
    #[must_use]
    pub fn subject(self) -> Option<String> {
        (!self.is_dead_letter()).then(|| format!("{}-value", self.name()))
    }

    /// Returns `true` if the topic holds dead letters.
    #[must_use]
    pub fn is_dead_letter(self) -> bool {
        self.key_rule() == KeyRule::Original
    }

    /// Returns `max.message.bytes`.
    #[must_use]
    pub fn max_message_bytes(self) -> usize {
        if self.is_dead_letter() { DEAD_LETTER_MESSAGE_BYTES_MAX } else { EVENT_MESSAGE_BYTES_MAX }
    }

    /// Returns the topic configuration, without `min.insync.replicas`, which depends on the size of the cluster.
    #[must_use]
    pub fn config(self) -> Vec<(&'static str, String)> {
        vec![
            ("cleanup.policy", self.cleanup().as_str().to_owned()),
            ("retention.ms", self.retention_ms().to_string()),
            ("max.message.bytes", self.max_message_bytes().to_string()),
            // Retention and the restore of windows depend on the append time. Event time is in the payload.
            ("message.timestamp.type", "LogAppendTime".to_owned()),
            ("compression.type", "producer".to_owned()),
            ("unclean.leader.election.enable", "false".to_owned()),
        ]
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::Topic;

    #[test]
    fn topic_is_found_by_its_name_and_event() {
        for topic in Topic::ALL {
            assert_eq!(Topic::from_name(topic.name()), Some(*topic));
            assert_eq!(Topic::from_event(topic.event()), Some(*topic));
        }
        assert_eq!(Topic::AlertRaised.event(), "scanner.alert.raised");
        assert_eq!(Topic::AlertRaised.subject().as_deref(), Some("scanner.alert.raised.v1-value"));
        assert_eq!(Topic::FeatureDeadLetter.subject(), None);
        assert_eq!(Topic::from_event("scanner.alert.lowered"), None);
    }

    #[test]
    fn store_topics_have_unlimited_retention() {
        for topic in Topic::ALL {
            let is_store =
                topic.cleanup() == super::Cleanup::Compact || *topic == Topic::CorporateActionAnnounced;
            assert_eq!(topic.retention_ms() == -1, is_store, "{topic}");
        }
    }
}
