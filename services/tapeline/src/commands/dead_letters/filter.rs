//! Which letters a command is about.

use contracts::Topic;

use super::args::{FilterArgs, dead_letter_topics};
use super::letter::Letter;
use crate::exit::Failure;

/// Which letters, with times resolved.
#[derive(Debug, Clone)]
pub struct Filter {
    args: FilterArgs,
    since_ms: Option<i64>,
    until_ms: Option<i64>,
}

/// Where one letter lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The dead-letter topic.
    pub topic: Topic,
    /// The partition.
    pub partition: i32,
    /// The offset.
    pub offset: i64,
}

impl Filter {
    /// The filter of these arguments, seen from `now_ms`.
    #[must_use]
    pub fn new(args: &FilterArgs, now_ms: i64) -> Self {
        Self {
            since_ms: args.since.as_ref().map(|when| when.resolve_ms(now_ms)),
            until_ms: args.until.as_ref().map(|when| when.resolve_ms(now_ms)),
            args: args.clone(),
        }
    }

    /// The dead-letter topics to read.
    #[must_use]
    pub fn topics(&self) -> Vec<Topic> {
        if self.args.service.is_empty() { dead_letter_topics().collect() } else { self.args.service.clone() }
    }

    /// The one letter that is named by its place, if one is.
    ///
    /// # Errors
    /// When an offset stands beside several services.
    pub fn place(&self) -> Result<Option<Place>, Failure> {
        let (Some(offset), Some(partition)) = (self.args.offset, self.args.partition) else {
            return Ok(None);
        };
        match self.args.service.as_slice() {
            [topic] => Ok(Some(Place { topic: *topic, partition, offset })),
            _ => Err(Failure::Usage(format!(
                "offset {offset} names a letter of one service: give one --service"
            ))),
        }
    }

    /// Whether the letter is one of those.
    #[must_use]
    pub fn matches(&self, letter: &Letter) -> bool {
        let (args, record) = (&self.args, letter.record());
        (args.class.is_empty() || args.class.contains(&letter.class()))
            && self.since_ms.is_none_or(|since| record.timestamp_ms >= since)
            && self.until_ms.is_none_or(|until| record.timestamp_ms < until)
            && args.key.as_ref().is_none_or(|key| record.key.as_deref().unwrap_or_default() == key.as_bytes())
            && args.topic.is_none_or(|topic| letter.topic_name() == topic.name())
            && args.partition.is_none_or(|partition| record.partition == partition)
            && args.offset.is_none_or(|offset| record.offset == offset)
    }

    /// The filter in words, the same for the same arguments; which services are read is no part of it, since a group keeps its
    /// offsets by topic.
    #[must_use]
    pub fn text(&self) -> String {
        let args = &self.args;
        let mut classes = args.class.clone();
        classes.sort_unstable();
        let parts = [
            (!classes.is_empty()).then(|| format!("--class {}", classes.join(","))),
            args.since.as_ref().map(|when| format!("--since {}", when.text())),
            args.until.as_ref().map(|when| format!("--until {}", when.text())),
            args.key.as_ref().map(|key| format!("--key {key}")),
            args.topic.map(|topic| format!("--topic {topic}")),
            args.partition.map(|partition| format!("--partition {partition}")),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        if parts.is_empty() { "no filters".to_owned() } else { parts.join(" ") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dead_letters::tests::{NOW_MS, letter};
    use crate::dead_letters::when::When;

    fn filter(change: impl FnOnce(&mut FilterArgs)) -> Filter {
        let mut args = FilterArgs::default();
        change(&mut args);
        Filter::new(&args, NOW_MS)
    }

    #[test]
    fn each_filter_takes_its_letter_and_leaves_the_others() {
        let one = letter(|_| {});
        type Change = fn(&mut FilterArgs);
        let pairs: [(Change, Change); 7] = [
            (|it| it.class = vec!["bad_magic".into(), "x".into()], |it| it.class = vec!["x".into()]),
            (|it| it.since = When::parse("1h").ok(), |it| it.since = When::parse("1s").ok()),
            (|it| it.until = When::parse("1s").ok(), |it| it.until = When::parse("1h").ok()),
            (|it| it.key = Some("AAPL".into()), |it| it.key = Some("AAP".into())),
            (|it| it.topic = Some(Topic::AlertRaised), |it| it.topic = Some(Topic::GapDetected)),
            (|it| it.partition = Some(3), |it| it.partition = Some(4)),
            (|it| it.offset = Some(14), |it| it.offset = Some(15)),
        ];
        for (i, (takes, leaves)) in pairs.into_iter().enumerate() {
            assert!(filter(takes).matches(&one), "{i}");
            assert!(!filter(leaves).matches(&one), "{i}");
        }
        assert!(filter(|_| {}).matches(&one));
    }

    #[test]
    fn the_words_of_a_filter_tell_one_set_from_another() {
        assert_eq!(filter(|_| {}).text(), "no filters");
        let classes =
            |names: &[&str]| filter(|it| it.class = names.iter().map(|s| (*s).into()).collect()).text();
        assert_eq!(classes(&["b", "a"]), classes(&["a", "b"]));
        assert_ne!(classes(&["a"]), classes(&["b"]));
        assert_eq!(filter(|it| it.since = When::parse("2h").ok()).text(), "--since 2h");
    }

    #[test]
    fn an_offset_needs_one_service() {
        let place = |service: Vec<Topic>| {
            filter(|it| (it.service, it.partition, it.offset) = (service, Some(3), Some(14))).place()
        };
        let topic = Topic::FeatureDeadLetter;
        assert_eq!(place(vec![topic]).unwrap(), Some(Place { topic, partition: 3, offset: 14 }));
        assert!(place(vec![topic, Topic::BackfillDeadLetter]).unwrap_err().to_string().contains("14"));
    }
}
