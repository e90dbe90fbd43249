//! `tapeline dead-letters list`: a line for each dead letter, or counts.

use std::collections::BTreeMap;

use chassis::{Clock, SystemClock, output};
use kafka_io::KafkaConfig;
use serde_json::json;

use super::args::ListArgs;
use super::dead_letter::DeadLetter;
use super::filter::{Filter, NO_FILTERS};
use super::reader::DeadLetterReader;
use crate::exit::Failure;
use crate::output::{escaped, print, printable_json};

/// Characters of a class, a topic and a service: headers that others may have written.
const NAME_CHARACTERS_MAX: usize = 249;

/// Characters of an error in a line.
const ERROR_CHARACTERS_MAX: usize = 120;

/// Prints the dead letters, each partition in order. Reports on standard error if there is none. Blocks.
///
/// # Errors
/// If the cluster is unreachable or denies access, the filters are inconsistent, or standard output cannot be written.
pub fn run(args: &ListArgs, kafka: &KafkaConfig) -> Result<(), Failure> {
    let filter = Filter::new(&args.filter, SystemClock::new().wall_micros().div_euclid(1_000));
    filter.position()?;
    let mut reader = DeadLetterReader::all(kafka, &filter.topics())?;
    let mut counts = ClassCounts::default();
    while let Some(letters) = reader.next_batch()? {
        let mut text = String::new();
        for dead_letter in letters.iter().filter(|dead_letter| filter.matches(dead_letter)) {
            counts.add(dead_letter);
            if !args.counts {
                text += &if args.json { json_line(dead_letter) } else { line(dead_letter) };
                text.push('\n');
            }
        }
        print(&text)?;
        // With counts nothing is printed before the end.
        if output::is_closed() {
            return Ok(());
        }
    }
    if counts.total() == 0 {
        output::note(&match filter.text().as_str() {
            NO_FILTERS if args.filter.service.is_empty() => "no dead letters".to_owned(),
            NO_FILTERS => "no dead letters of this service".to_owned(),
            filters => format!("no dead letters match {filters}"),
        });
    }
    let lines = if args.counts { counts.lines(args.json) } else { Vec::new() };
    print(&lines.iter().map(|line| format!("{line}\n")).collect::<String>())
}

fn json_line(dead_letter: &DeadLetter) -> String {
    printable_json(&dead_letter.to_json().to_string()).into_owned()
}

/// Position, time, class, original position and error.
fn line(dead_letter: &DeadLetter) -> String {
    let error: String = dead_letter.error().chars().take(ERROR_CHARACTERS_MAX).collect();
    format!(
        "{} {} {} {} by {}, generation {}, key {:?}: {:?}",
        dead_letter.position(),
        dead_letter.time(),
        escaped(&dead_letter.class(), NAME_CHARACTERS_MAX),
        escaped(&dead_letter.original_position(), NAME_CHARACTERS_MAX),
        escaped(&dead_letter.service(), NAME_CHARACTERS_MAX),
        dead_letter.generation(),
        dead_letter.key().unwrap_or_default(),
        error
    )
}

/// Number of dead letters by class and original topic.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClassCounts(BTreeMap<(String, String), u64>);

impl ClassCounts {
    pub fn add(&mut self, dead_letter: &DeadLetter) {
        *self.0.entry((dead_letter.class(), dead_letter.topic_name())).or_default() += 1;
    }

    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.values().sum()
    }

    /// Returns a line for each class and topic, as text or JSON.
    #[must_use]
    pub fn lines(&self, as_json: bool) -> Vec<String> {
        let line = |((class, topic), count): (&(String, String), &u64)| {
            if as_json {
                printable_json(&json!({"class": class, "topic": topic, "letters": count}).to_string())
                    .into_owned()
            } else {
                let [class, topic] = [class, topic].map(|name| escaped(name, NAME_CHARACTERS_MAX));
                format!("{count:>8}  {class:<22}  {topic}")
            }
        };
        self.0.iter().map(line).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::dead_letter;
    use super::*;

    #[test]
    fn line_has_position_time_class_and_error_in_one_line() {
        let dead_letter = dead_letter(|record| {
            record.key = Some("AA\n\u{9b}PL".into());
            let error = record.headers.iter_mut().find(|(name, _)| name == "tapeline.error").unwrap();
            error.1 = "long ".repeat(100).into_bytes();
        });
        assert!(json_line(&dead_letter).contains(r#""key":"AA\n\u009bPL""#), "{}", json_line(&dead_letter));
        let line = line(&dead_letter);
        let start = "scanner-bridge.dead-letter[3]@14 2024-07-10T20:00:00Z bad_magic scanner.alert.raised.v1[3]@99 \
                     by scanner-bridge, generation 1, key \"AA\\n\\u{9b}PL\": \"long";
        assert!(line.starts_with(start), "{line}");
        assert!(line.len() < 400 && !line.contains('\n'), "{line}");
    }

    #[test]
    fn counts_are_by_class_and_topic() {
        let mut counts = ClassCounts::default();
        for _ in 0..2 {
            counts.add(&dead_letter(|_| {}));
        }
        assert_eq!(counts.total(), 2);
        assert_eq!(
            counts.lines(true),
            [r#"{"class":"bad_magic","letters":2,"topic":"scanner.alert.raised.v1"}"#]
        );
        assert!(counts.lines(false)[0].contains("2  bad_magic"));
        let foreign = |record: &mut kafka_io::OwnedRecord| record.headers[0].1 = "\u{9b}2J".into();
        counts.add(&dead_letter(foreign));
        assert!(counts.lines(true).iter().any(|line| line.contains(r#""topic":"\u009b2J""#)), "{counts:?}");
    }
}
