//! What a replay does with a letter. Nothing is sent here.

use std::collections::BTreeMap;

use contracts::Topic;
use kafka_io::{Missing, OutRecord, dead_letter};

use super::filter::Filter;
use super::letter::Letter;

/// What is to be done with a letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Send this record.
    Send(OutRecord),
    /// Leave it: the filters don't mean it.
    PassOver,
    /// It is meant and can't be sent.
    HoldBack(Hold),
}

/// Why a letter that is meant isn't sent.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Hold {
    /// It died too often: whatever sends it back sends it in a circle.
    Generation,
    /// It doesn't hold the record's bytes.
    Truncated,
    /// It doesn't say where to.
    NoOrigin,
    /// The brokers will never take it.
    Refused,
}

/// The rules of one replay.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Which letters.
    pub filter: Filter,
    /// From this generation on a letter stays where it is.
    pub max_generation: u32,
    /// What is sent instead of the payload.
    pub payload: Option<Vec<u8>>,
    /// How many partitions each topic of events has.
    pub partitions: BTreeMap<Topic, i32>,
}

// === impl Hold ===

impl Hold {
    /// In words, for one letter and for many.
    #[must_use]
    pub fn text(&self) -> &'static str {
        match self {
            Self::Generation => "died too often (raise --max-generation to send it all the same)",
            Self::Truncated => "the letter doesn't hold the record's bytes (send them with --payload-file)",
            Self::NoOrigin => "names no topic and partition to send it to",
            Self::Refused => "refused by the brokers",
        }
    }
}

// === impl Plan ===

impl Plan {
    /// What is to be done with this letter. What is sent has the original key and headers, and the generation, so that a second
    /// death is counted as one.
    #[must_use]
    pub fn step(&self, letter: &Letter) -> Step {
        if !self.filter.matches(letter) {
            return Step::PassOver;
        }
        if letter.generation() >= self.max_generation {
            return Step::HoldBack(Hold::Generation);
        }
        let Some(origin) = letter.origin() else { return Step::HoldBack(Hold::NoOrigin) };
        let known = self.partitions.get(&origin.topic).copied().unwrap_or(0);
        if !(0..known).contains(&origin.partition) {
            return Step::HoldBack(Hold::NoOrigin);
        }
        if letter.is_truncated() && self.payload.is_none() {
            return Step::HoldBack(Hold::Truncated);
        }
        let record = letter.record();
        let payload = self.payload.as_ref().or(record.payload.as_ref());
        let missing = Missing { key: record.key.is_none(), payload: payload.is_none() };
        let (key, payload) = (record.key.clone().unwrap_or_default(), payload.cloned().unwrap_or_default());
        let mut out = OutRecord { missing, ..OutRecord::new(origin.topic, origin.partition, key, payload) };
        for (name, value) in record.headers.iter().filter(|(name, _)| !dead_letter::is_ours(name)) {
            out = out.with_header(name.clone(), value.as_slice());
        }
        Step::Send(out.with_header(dead_letter::GENERATION, letter.generation().to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dead_letters::args::FilterArgs;
    use crate::dead_letters::tests::{NOW_MS, letter};

    fn plan() -> Plan {
        Plan {
            filter: Filter::new(&FilterArgs::default(), NOW_MS),
            max_generation: 3,
            payload: None,
            partitions: [(Topic::AlertRaised, 12)].into(),
        }
    }

    #[test]
    fn what_is_sent_is_the_record_that_died_and_its_generation() {
        let sent = OutRecord::new(Topic::AlertRaised, 3, "AAPL", vec![9, 255])
            .with_header("mine", "kept")
            .with_header("tapeline.generation", "1");
        assert_eq!(plan().step(&letter(|_| {})), Step::Send(sent));
    }

    #[test]
    fn a_mended_payload_goes_out_in_place_of_the_old_one() {
        let plan = Plan { payload: Some(b"mended".to_vec()), ..plan() };
        let truncated = letter(|it| {
            it.payload = None;
            it.headers.push(("tapeline.truncated".into(), b"true".to_vec()));
        });
        for letter in [letter(|_| {}), truncated] {
            let Step::Send(record) = plan.step(&letter) else { panic!("{letter:?} is not sent") };
            assert_eq!((record.payload.as_slice(), record.partition), (&b"mended"[..], 3));
        }
    }

    #[test]
    fn a_letter_that_cannot_or_must_not_go_back_is_held() {
        let header = |name: &'static str, value: &'static str| {
            letter(|it| {
                it.headers.retain(|(key, _)| key != name);
                it.headers.push((name.into(), value.into()));
            })
        };
        let cases = [
            (header("tapeline.generation", "3"), Hold::Generation),
            (header("tapeline.generation", "7"), Hold::Generation),
            (header("tapeline.truncated", "true"), Hold::Truncated),
            (header("tapeline.topic", "nowhere"), Hold::NoOrigin),
            (header("tapeline.topic", "feature.dead-letter"), Hold::NoOrigin),
            (header("tapeline.partition", "12"), Hold::NoOrigin),
            (header("tapeline.partition", "-1"), Hold::NoOrigin),
            (header("tapeline.partition", "x"), Hold::NoOrigin),
        ];
        for (letter, hold) in cases {
            assert_eq!(plan().step(&letter), Step::HoldBack(hold), "{letter:?}");
        }
        assert!(matches!(plan().step(&header("tapeline.generation", "2")), Step::Send(_)));
        let unwritable = letter(|it| {
            it.payload = Some(Vec::new());
            it.headers.push(("tapeline.error-class".into(), b"unwritable".to_vec()));
        });
        assert_eq!(plan().step(&unwritable), Step::HoldBack(Hold::Truncated));
    }

    #[test]
    fn a_letter_that_is_not_meant_is_passed_over_whatever_is_wrong_with_it() {
        let args = FilterArgs { class: vec!["misplaced".into()], ..FilterArgs::default() };
        let plan = Plan { filter: Filter::new(&args, NOW_MS), ..plan() };
        assert_eq!(plan.step(&letter(|it| it.headers.clear())), Step::PassOver);
        assert_eq!(plan.step(&letter(|_| {})), Step::PassOver);
    }
}
