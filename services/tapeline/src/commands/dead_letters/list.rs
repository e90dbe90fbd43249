//! `tapeline dead-letters list`: a line a letter, or counts.

use std::collections::BTreeMap;
use std::io::Write;

use kafka_io::KafkaConfig;
use serde_json::json;

use super::args::ListArgs;
use super::filter::Filter;
use super::letter::Letter;
use super::letters::Letters;
use super::now_ms;
use crate::exit::Failure;

/// Characters of an error in a line.
const ERROR_CHARACTERS: usize = 120;

/// Prints the letters, each partition in order. Blocks.
///
/// # Errors
/// When the cluster can't be reached, or a filter doesn't hold together.
pub fn run(args: &ListArgs, kafka: &KafkaConfig, out: &mut dyn Write) -> Result<(), Failure> {
    let filter = Filter::new(&args.filter, now_ms());
    filter.place()?;
    let mut letters = Letters::all(kafka, &filter.topics())?;
    let mut counts = Counts::default();
    while let Some(read) = letters.more()? {
        for letter in read.iter().filter(|letter| filter.matches(letter)) {
            if args.counts {
                counts.add(letter);
                continue;
            }
            let line = if args.json { letter.to_json().to_string() } else { line(letter) };
            // A reader that has gone (`… | head`) is an end, not a fault.
            if writeln!(out, "{line}").is_err() {
                return Ok(());
            }
        }
    }
    for line in counts.lines(args.json) {
        if writeln!(out, "{line}").is_err() {
            break;
        }
    }
    Ok(())
}

/// Where and when it lies, what it was, and why it stopped.
fn line(letter: &Letter) -> String {
    let error: String = letter.error().chars().take(ERROR_CHARACTERS).collect();
    format!(
        "{} {} {} {} by {}, generation {}, key {:?}: {:?}",
        letter.place(),
        letter.time(),
        letter.class(),
        letter.original_place(),
        letter.service(),
        letter.generation(),
        letter.key().unwrap_or_default(),
        error
    )
}

/// How many letters there are by class and original topic.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts(BTreeMap<(String, String), u64>);

impl Counts {
    /// Counts one more.
    pub fn add(&mut self, letter: &Letter) {
        *self.0.entry((letter.class(), letter.topic_name())).or_default() += 1;
    }

    /// How many there are.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.values().sum()
    }

    /// A line each, for people or as JSON.
    #[must_use]
    pub fn lines(&self, as_json: bool) -> Vec<String> {
        let line = |((class, topic), letters): (&(String, String), &u64)| {
            if as_json {
                json!({"class": class, "topic": topic, "letters": letters}).to_string()
            } else {
                format!("{letters:>8}  {class:<22}  {topic}")
            }
        };
        self.0.iter().map(line).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dead_letters::tests::letter;

    #[test]
    fn a_line_says_where_when_what_and_why_and_stays_one_line() {
        let letter = letter(|record| {
            record.key = Some(b"AA\nPL".to_vec());
            let error = record.headers.iter_mut().find(|(name, _)| name == "tapeline.error").unwrap();
            error.1 = "long ".repeat(100).into_bytes();
        });
        let line = line(&letter);
        let start = "scanner-bridge.dead-letter[3]@14 2024-07-10T20:00:00Z bad_magic scanner.alert.raised.v1[3]@99 \
                     by scanner-bridge, generation 1, key \"AA\\nPL\": \"long";
        assert!(line.starts_with(start), "{line}");
        assert!(line.len() < 400 && !line.contains('\n'), "{line}");
    }

    #[test]
    fn counts_are_by_class_and_topic() {
        let mut counts = Counts::default();
        for _ in 0..2 {
            counts.add(&letter(|_| {}));
        }
        assert_eq!(counts.total(), 2);
        assert_eq!(
            counts.lines(true),
            [r#"{"class":"bad_magic","letters":2,"topic":"scanner.alert.raised.v1"}"#]
        );
        assert!(counts.lines(false)[0].contains("2  bad_magic"));
    }
}
