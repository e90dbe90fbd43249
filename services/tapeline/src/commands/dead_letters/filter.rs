//! Selects the dead letters of a command.

use contracts::Topic;

use super::args::{FilterArgs, dead_letter_topics};
use super::dead_letter::DeadLetter;
use crate::exit::Failure;
use crate::record_position::RecordPosition;

/// The text of a filter without arguments.
pub const NO_FILTERS: &str = "no filters";

/// The filters of a command, with times resolved.
#[derive(Debug, Clone)]
pub struct Filter {
    args: FilterArgs,
    since_ms: Option<i64>,
    until_ms: Option<i64>,
}

impl Filter {
    /// Returns the filter of these arguments. Ages count back from `now_ms`.
    #[must_use]
    pub fn new(args: &FilterArgs, now_ms: i64) -> Self {
        Self {
            since_ms: args.since.as_ref().map(|time| time.resolve_ms(now_ms)),
            until_ms: args.until.as_ref().map(|time| time.resolve_ms(now_ms)),
            args: args.clone(),
        }
    }

    /// Returns the dead-letter topics to read.
    #[must_use]
    pub fn topics(&self) -> Vec<Topic> {
        if self.args.service.is_empty() { dead_letter_topics().collect() } else { self.args.service.clone() }
    }

    /// Returns the position, if the arguments name a single dead letter.
    ///
    /// # Errors
    /// [`Failure::Usage`] if an offset is given with several services.
    pub fn position(&self) -> Result<Option<RecordPosition>, Failure> {
        let (Some(offset), Some(partition)) = (self.args.offset, self.args.partition) else {
            return Ok(None);
        };
        match self.args.service.as_slice() {
            [topic] => Ok(Some(RecordPosition { topic: *topic, partition, offset })),
            _ => Err(Failure::usage(format!("--offset {offset} requires exactly one --service"))),
        }
    }

    /// `true` if the dead letter passes all filters.
    #[must_use]
    pub fn matches(&self, dead_letter: &DeadLetter) -> bool {
        let (args, record) = (&self.args, dead_letter.record());
        (args.class.is_empty() || args.class.contains(&dead_letter.class()))
            && self.since_ms.is_none_or(|since| record.timestamp_ms >= since)
            && self.until_ms.is_none_or(|until| record.timestamp_ms < until)
            && args.key.as_ref().is_none_or(|key| record.key.as_deref().unwrap_or_default() == key.as_bytes())
            && args.topic.is_none_or(|topic| dead_letter.topic_name() == topic.name())
            && args.partition.is_none_or(|partition| record.partition == partition)
            && args.offset.is_none_or(|offset| record.offset == offset)
    }

    /// Returns the filter as text, equal for equal arguments. Services are not part of it, because a group stores its offsets by topic.
    #[must_use]
    pub fn text(&self) -> String {
        let args = &self.args;
        let mut classes = args.class.clone();
        classes.sort_unstable();
        let parts = [
            (!classes.is_empty()).then(|| format!("--class {}", classes.join(","))),
            args.since.as_ref().map(|time| format!("--since {}", time.text())),
            args.until.as_ref().map(|time| format!("--until {}", time.text())),
            args.key.as_ref().map(|key| format!("--key {key}")),
            args.topic.map(|topic| format!("--topic {topic}")),
            args.partition.map(|partition| format!("--partition {partition}")),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        if parts.is_empty() { NO_FILTERS.to_owned() } else { parts.join(" ") }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::{NOW_MS, dead_letter};
    use super::super::time_argument::TimeArgument;
    use super::*;

    fn filter(change: impl FnOnce(&mut FilterArgs)) -> Filter {
        let mut args = FilterArgs::default();
        change(&mut args);
        Filter::new(&args, NOW_MS)
    }

    #[test]
    fn each_filter_selects_by_its_own_property() {
        let dead_letter = dead_letter(|_| {});
        let time = |text: &str| TimeArgument::parse(text).ok();
        type Change<'a> = &'a dyn Fn(&mut FilterArgs);
        let pairs: [(Change<'_>, Change<'_>); 7] = [
            (&|it| it.class = vec!["bad_magic".into(), "x".into()], &|it| it.class = vec!["x".into()]),
            (&|it| it.since = time("1h"), &|it| it.since = time("1s")),
            (&|it| it.until = time("1s"), &|it| it.until = time("1h")),
            (&|it| it.key = Some("AAPL".into()), &|it| it.key = Some("AAP".into())),
            (&|it| it.topic = Some(Topic::AlertRaised), &|it| it.topic = Some(Topic::GapDetected)),
            (&|it| it.partition = Some(3), &|it| it.partition = Some(4)),
            (&|it| it.offset = Some(14), &|it| it.offset = Some(15)),
        ];
        for (i, (matching, other)) in pairs.into_iter().enumerate() {
            assert!(filter(matching).matches(&dead_letter), "{i}");
            assert!(!filter(other).matches(&dead_letter), "{i}");
        }
        assert!(filter(|_| {}).matches(&dead_letter));
    }

    #[test]
    fn text_of_a_filter_identifies_its_arguments() {
        assert_eq!(filter(|_| {}).text(), "no filters");
        let classes =
            |names: &[&str]| filter(|it| it.class = names.iter().map(|s| (*s).into()).collect()).text();
        assert_eq!(classes(&["b", "a"]), classes(&["a", "b"]));
        assert_ne!(classes(&["a"]), classes(&["b"]));
        assert_eq!(filter(|it| it.since = TimeArgument::parse("2h").ok()).text(), "--since 2h");
    }

    #[test]
    fn offset_requires_one_service() {
        let position = |service: Vec<Topic>| {
            filter(|it| (it.service, it.partition, it.offset) = (service, Some(3), Some(14))).position()
        };
        let topic = Topic::FeatureDeadLetter;
        assert_eq!(position(vec![topic]).unwrap(), Some(RecordPosition { topic, partition: 3, offset: 14 }));
        let error = position(vec![topic, Topic::BackfillDeadLetter]).unwrap_err().to_string();
        assert_eq!(error, "--offset 14 requires exactly one --service");
    }
}
