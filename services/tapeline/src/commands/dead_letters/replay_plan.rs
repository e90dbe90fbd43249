//! The plan of a replay: the action for each dead letter. Pure.

use std::collections::BTreeMap;

use contracts::Topic;
use kafka_io::{Missing, OutRecord, dead_letter};

use super::dead_letter::DeadLetter;
use super::filter::Filter;

/// The action for one dead letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReplayAction {
    /// Send this record.
    Send(OutRecord),
    /// The filters exclude it.
    Skip,
    /// It passes the filters and cannot be sent.
    Withhold(WithholdReason),
}

/// Why a dead letter that passes the filters is not sent.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum WithholdReason {
    /// The record was dead-lettered too often; sending it again may repeat without end.
    Generation,
    /// The original bytes are missing.
    Truncated,
    /// The original topic or partition is unknown.
    NoOrigin,
    /// The brokers rejected it permanently.
    Rejected,
}

/// The rules of one replay.
#[derive(Debug, Clone)]
pub struct ReplayPlan {
    pub filter: Filter,
    /// Records of this generation or later are withheld.
    pub generation_max: u32,
    /// The payload to send instead of the original one.
    pub payload: Option<Vec<u8>>,
    /// Partition count of each topic of events.
    pub partitions: BTreeMap<Topic, i32>,
}

// === impl WithholdReason ===

impl WithholdReason {
    /// Returns the reason as text, for one dead letter and for many.
    #[must_use]
    pub fn text(&self) -> &'static str {
        match self {
            Self::Generation => "dead-lettered too often (raise --max-generation to send it)",
            Self::Truncated => "the original bytes are missing (send them with --payload-file)",
            Self::NoOrigin => "the original topic or partition is unknown",
            Self::Rejected => "rejected by the brokers",
        }
    }
}

// === impl ReplayPlan ===

impl ReplayPlan {
    /// Returns the action for this dead letter. The record to send has the original key and headers, and the generation, so that it is
    /// counted if it is dead-lettered again.
    #[must_use]
    pub fn action(&self, dead_letter: &DeadLetter) -> ReplayAction {
        if !self.filter.matches(dead_letter) {
            return ReplayAction::Skip;
        }
        if dead_letter.generation() >= self.generation_max {
            return ReplayAction::Withhold(WithholdReason::Generation);
        }
        let Some(origin) = dead_letter.origin() else {
            return ReplayAction::Withhold(WithholdReason::NoOrigin);
        };
        let partitions = self.partitions.get(&origin.topic).copied().unwrap_or(0);
        if !(0..partitions).contains(&origin.partition) {
            return ReplayAction::Withhold(WithholdReason::NoOrigin);
        }
        if dead_letter.is_truncated() && self.payload.is_none() {
            return ReplayAction::Withhold(WithholdReason::Truncated);
        }
        let record = dead_letter.record();
        let payload = self.payload.as_ref().or(record.payload.as_ref());
        let missing = Missing { key: record.key.is_none(), payload: payload.is_none() };
        let (key, payload) = (record.key.clone().unwrap_or_default(), payload.cloned().unwrap_or_default());
        let mut out = OutRecord { missing, ..OutRecord::new(origin.topic, origin.partition, key, payload) };
        for (name, value) in record.headers.iter().filter(|(name, _)| !dead_letter::is_added_header(name)) {
            out = out.with_header(name.clone(), value.as_slice());
        }
        ReplayAction::Send(out.with_header(dead_letter::GENERATION, dead_letter.generation().to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::super::args::FilterArgs;
    use super::super::fixtures::{NOW_MS, dead_letter};
    use super::*;

    fn plan() -> ReplayPlan {
        ReplayPlan {
            filter: Filter::new(&FilterArgs::default(), NOW_MS),
            generation_max: 3,
            payload: None,
            partitions: [(Topic::AlertRaised, 12)].into(),
        }
    }

    #[test]
    fn original_record_is_sent_with_its_generation() {
        let sent = OutRecord::new(Topic::AlertRaised, 3, "AAPL", vec![9, 255])
            .with_header("custom", "kept")
            .with_header("tapeline.generation", "1");
        assert_eq!(plan().action(&dead_letter(|_| {})), ReplayAction::Send(sent));
    }

    #[test]
    fn corrected_payload_replaces_the_original_one() {
        let plan = ReplayPlan { payload: Some(b"corrected".to_vec()), ..plan() };
        let truncated = dead_letter(|it| {
            it.payload = None;
            it.headers.push(("tapeline.truncated".into(), b"true".to_vec()));
        });
        for dead_letter in [dead_letter(|_| {}), truncated] {
            let ReplayAction::Send(record) = plan.action(&dead_letter) else {
                panic!("{dead_letter:?} is not sent")
            };
            assert_eq!((record.payload.as_slice(), record.partition), (&b"corrected"[..], 3));
        }
    }

    #[test]
    fn dead_letter_that_cannot_be_sent_is_withheld() {
        let header = |name: &'static str, value: &'static str| {
            dead_letter(|it| {
                it.headers.retain(|(key, _)| key != name);
                it.headers.push((name.into(), value.into()));
            })
        };
        let cases = [
            (header("tapeline.generation", "3"), WithholdReason::Generation),
            (header("tapeline.generation", "7"), WithholdReason::Generation),
            (header("tapeline.truncated", "true"), WithholdReason::Truncated),
            (header("tapeline.topic", "unknown"), WithholdReason::NoOrigin),
            (header("tapeline.topic", "feature.dead-letter"), WithholdReason::NoOrigin),
            (header("tapeline.partition", "12"), WithholdReason::NoOrigin),
            (header("tapeline.partition", "-1"), WithholdReason::NoOrigin),
            (header("tapeline.partition", "x"), WithholdReason::NoOrigin),
        ];
        for (dead_letter, reason) in cases {
            assert_eq!(plan().action(&dead_letter), ReplayAction::Withhold(reason), "{dead_letter:?}");
        }
        assert!(matches!(plan().action(&header("tapeline.generation", "2")), ReplayAction::Send(_)));
        let unwritable = dead_letter(|it| {
            it.payload = Some(Vec::new());
            it.headers.push(("tapeline.error-class".into(), b"unwritable".to_vec()));
        });
        assert_eq!(plan().action(&unwritable), ReplayAction::Withhold(WithholdReason::Truncated));
    }

    #[test]
    fn excluded_dead_letter_is_skipped_even_if_invalid() {
        let args = FilterArgs { class: vec!["misplaced".into()], ..FilterArgs::default() };
        let plan = ReplayPlan { filter: Filter::new(&args, NOW_MS), ..plan() };
        assert_eq!(plan.action(&dead_letter(|it| it.headers.clear())), ReplayAction::Skip);
        assert_eq!(plan.action(&dead_letter(|_| {})), ReplayAction::Skip);
    }
}
