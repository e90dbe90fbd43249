//! `tapeline tail`: the records of an event's topic, decoded, as they arrive.

use std::time::Duration;

use clap::Args;
use contracts::{Codec, Topic};
use kafka_io::{Registry, Start, TopicReader};
use kit::secret::redacted_address;

use crate::cluster::{self, ClusterArgs};
use crate::exit::Failure;
use crate::output::{DecodedRecord, print, printable_json};

/// Timeout of one read.
const READ_TIMEOUT: Duration = Duration::from_millis(100);

#[derive(Debug, Args)]
#[command(after_help = "Example:
  tapeline tail scanner.alert.raised --json --from-start --brokers 127.0.0.1:9092 --registry http://127.0.0.1:8081")]
pub struct TailArgs {
    /// Event, for example `scanner.alert.raised`.
    pub event: String,
    /// Print one JSON object per line.
    #[arg(long)]
    pub json: bool,
    /// Start at the earliest record instead of the next one.
    #[arg(long)]
    pub from_start: bool,
    #[command(flatten)]
    pub cluster: ClusterArgs,
}

/// Prints records until the output is closed or the process is interrupted.
///
/// # Errors
/// An unknown event; an unreachable cluster or registry.
pub async fn run(args: TailArgs) -> Result<(), Failure> {
    let topic = topic_of(&args.event)?;
    let registry = cluster::registry(&args.cluster)?;
    let kafka = cluster::kafka(&args.cluster)?;
    let start = if args.from_start { Start::Earliest } else { Start::Latest };
    let reading = tokio::task::spawn_blocking(move || {
        let reader = TopicReader::open(&kafka, &[topic], start).map_err(Failure::query)?;
        print_all(reader, args.json, &registry)
    });
    reading.await.map_err(Failure::not_ok)?
}

fn topic_of(event: &str) -> Result<Topic, Failure> {
    Topic::from_event(event).or_else(|| Topic::from_name(event)).ok_or_else(|| {
        let known: Vec<&str> = Topic::ALL.iter().map(|topic| topic.event()).collect();
        let event = redacted_address(event);
        Failure::usage(format!("unknown event {event:?}: expected one of {}", known.join(", ")))
    })
}

fn print_all(mut reader: TopicReader, as_json: bool, registry: &Registry) -> Result<(), Failure> {
    let codec = Codec::new();
    // A closed pipe (`tapeline tail … | head`) ends the command without an error.
    while !chassis::output::is_closed() {
        let records = reader.read(READ_TIMEOUT).map_err(Failure::query)?;
        for record in &records {
            let decoded = DecodedRecord::of(record, &codec, registry);
            if let Some(cause) = decoded.retryable_error() {
                return Err(Failure::unreachable(cause));
            }
            let line = match as_json {
                true => {
                    let json = serde_json::to_string(&decoded).map_err(Failure::not_ok)?;
                    printable_json(&json).into_owned()
                }
                false => decoded.text(),
            };
            print(&(line + "\n"))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_event_is_rejected_with_the_known_events() {
        let error = topic_of("scanner.alert.lowered").unwrap_err().to_string();
        assert!(error.contains("scanner.alert.lowered") && error.contains("scanner.alert.raised"), "{error}");
        let error = topic_of("http://me:hunter2@registry:8081").unwrap_err().to_string();
        assert!(error.starts_with("unknown event \"http://[redacted]@registry:8081\": "), "{error}");
        assert_eq!(topic_of("scanner.alert.raised").unwrap(), Topic::AlertRaised);
        assert_eq!(topic_of("feature.dead-letter").unwrap(), Topic::FeatureDeadLetter);
    }
}
