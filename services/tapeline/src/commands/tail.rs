//! `tapeline tail`: an event's records, decoded, as they come.

use std::io::Write;
use std::time::Duration;

use contracts::{Codec, Topic};
use kafka_io::{Registry, Start, TopicReader};

use crate::cli::TailArgs;
use crate::cluster;
use crate::decoded::DecodedRecord;
use crate::exit::Failure;

/// How long one read waits.
const READ_WAIT: Duration = Duration::from_millis(100);

/// Prints records until the output is closed or the process is interrupted.
///
/// # Errors
/// An unknown event, an unreachable cluster or registry.
pub async fn run(args: TailArgs) -> Result<(), Failure> {
    let topic = topic_of(&args.event)?;
    let registry = cluster::registry(&args.cluster)?;
    let kafka = cluster::kafka(&args.cluster)?;
    let start = if args.from_start { Start::Earliest } else { Start::Latest };
    let reading = tokio::task::spawn_blocking(move || {
        let reader = TopicReader::open(&kafka, &[topic], start).map_err(Failure::of)?;
        print_all(reader, args.json, &registry)
    });
    reading.await.map_err(|e| Failure::NotOk(e.to_string()))?
}

fn topic_of(event: &str) -> Result<Topic, Failure> {
    Topic::from_event(event).or_else(|| Topic::from_name(event)).ok_or_else(|| {
        let known: Vec<&str> = Topic::ALL.iter().map(|topic| topic.event()).collect();
        Failure::Usage(format!("no event is called {event:?}; there are {}", known.join(", ")))
    })
}

fn print_all(mut reader: TopicReader, as_json: bool, registry: &Registry) -> Result<(), Failure> {
    let codec = Codec::new();
    let mut out = std::io::stdout().lock();
    loop {
        let records = reader.read(READ_WAIT).map_err(Failure::of)?;
        for record in &records {
            let decoded = DecodedRecord::of(record, &codec, registry);
            if let Some(cause) = decoded.unknown() {
                return Err(Failure::Unreachable(cause.to_owned()));
            }
            let line = if as_json {
                serde_json::to_string(&decoded).map_err(|e| Failure::NotOk(e.to_string()))?
            } else {
                decoded.for_people()
            };
            // A reader that has gone (`tapeline tail … | head`) is an end, not a fault.
            if writeln!(out, "{line}").is_err() {
                return Ok(());
            }
        }
        if out.flush().is_err() {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_event_is_named_with_those_that_there_are() {
        let fault = topic_of("scanner.alert.lowered").unwrap_err().to_string();
        assert!(fault.contains("scanner.alert.lowered") && fault.contains("scanner.alert.raised"), "{fault}");
        assert_eq!(topic_of("scanner.alert.raised").unwrap(), Topic::AlertRaised);
        assert_eq!(topic_of("feature.dead-letter").unwrap(), Topic::FeatureDeadLetter);
    }
}
