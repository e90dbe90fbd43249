//! The topics: names, keys, clean-up, retention. One table; the cluster is made like it and compared with it.

use std::fmt;

/// Partitions of every topic, where a cluster doesn't say otherwise: what concerns a symbol lies under one number in all of them.
pub const DEFAULT_PARTITIONS: i32 = 12;

/// `max.message.bytes` of a topic of events.
pub const MAX_MESSAGE_BYTES: usize = 1 << 20;

/// `max.message.bytes` of a dead-letter topic: an event that only just fitted, and the headers that say what became of it.
pub const MAX_DEAD_LETTER_BYTES: usize = 2 << 20;

const DAY_MS: i64 = 86_400_000;

/// What stands in a record's key. The partition is always the symbol's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyRule {
    /// The symbol; of a request with several, its first.
    Symbol,
    /// `symbol|timeframe|open_time`, the time in microseconds.
    Bar,
    /// `symbol|data_type|timeframe`.
    Coverage,
    /// The key of the record that was rejected, and its partition's number.
    Original,
}

/// `cleanup.policy` of a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cleanup {
    /// What is older than the retention goes.
    Delete,
    /// The last record of each key stays, for ever.
    Compact,
}

macro_rules! topics {
    ($($variant:ident = $name:literal, $key:ident, $cleanup:ident, $kept:expr;)+) => {
        /// A topic of Tapeline's.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Topic { $(#[doc = concat!("`", $name, "`")] $variant,)+ }

        impl Topic {
            /// Every topic.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// Its name in Kafka.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// What stands in its records' keys.
            #[must_use]
            pub const fn key_rule(self) -> KeyRule {
                match self { $(Self::$variant => KeyRule::$key,)+ }
            }

            /// Its clean-up policy.
            #[must_use]
            pub const fn cleanup(self) -> Cleanup {
                match self { $(Self::$variant => Cleanup::$cleanup,)+ }
            }

            /// `retention.ms`: how long records are kept by default; -1 is for ever.
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
    /// The event that it carries: its name without the version; a dead-letter topic's whole name.
    #[must_use]
    pub fn event(self) -> &'static str {
        let name = self.name();
        name.strip_suffix(".v1").unwrap_or(name)
    }

    /// The topic of this name in Kafka.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|topic| topic.name() == name)
    }

    /// The topic of this event; a dead-letter topic goes by its own name.
    #[must_use]
    pub fn from_event(event: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|topic| topic.event() == event)
    }

    /// The registry's subject for its values (the topic's name, `-value`); none for dead letters, which are bytes as they came.
    #[must_use]
    pub fn subject(self) -> Option<String> {
        (!self.is_dead_letter()).then(|| format!("{}-value", self.name()))
    }

    /// Whether it holds rejected records rather than events.
    #[must_use]
    pub fn is_dead_letter(self) -> bool {
        self.key_rule() == KeyRule::Original
    }

    /// `max.message.bytes`.
    #[must_use]
    pub fn max_message_bytes(self) -> usize {
        if self.is_dead_letter() { MAX_DEAD_LETTER_BYTES } else { MAX_MESSAGE_BYTES }
    }

    /// Its configuration in Kafka, but for `min.insync.replicas`, which follows from the cluster's size.
    #[must_use]
    pub fn config(self) -> Vec<(&'static str, String)> {
        let cleanup = match self.cleanup() {
            Cleanup::Delete => "delete",
            Cleanup::Compact => "compact",
        };
        vec![
            ("cleanup.policy", cleanup.to_owned()),
            ("retention.ms", self.retention_ms().to_string()),
            ("max.message.bytes", self.max_message_bytes().to_string()),
            // Retention and restored windows go by when a record was appended; event time lives in the payload.
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
    fn names_events_and_subjects_lead_back_to_their_topic() {
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
    fn what_is_a_store_is_kept_for_ever() {
        for topic in Topic::ALL {
            let forever =
                topic.cleanup() == super::Cleanup::Compact || *topic == Topic::CorporateActionAnnounced;
            assert_eq!(topic.retention_ms() == -1, forever, "{topic}");
        }
    }
}
