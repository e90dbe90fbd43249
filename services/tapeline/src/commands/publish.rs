//! `tapeline publish`: findings from a file or standard input, produced to Kafka by the edge's rules or posted to an edge.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use chassis::SystemClock;
use chassis::telemetry::Scope;
use clap::Args;
use contracts::Topic;
use kafka_io::{BatchProducer, ProducerLimits, cluster as kafka_cluster};
use publisher::edge::{Edge, EdgeCounts, EdgeLimits, response_body};

use crate::cluster::{self, ClusterArgs, parse_socket_address};
use crate::exit::{Cause, Failure};
use crate::market::{EdgeClient, ItemResult};
use crate::output::print;

/// Findings in a batch: enough to amortize the round trip, few enough to stay below the edge's body limit.
const BATCH_ITEMS: usize = 500;

/// The topics that findings are written to.
const TOPICS: [Topic; 3] = [Topic::AlertRaised, Topic::GapDetected, Topic::SymbolProposed];

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tapeline publish findings.ndjson --brokers 127.0.0.1:9092 --registry http://127.0.0.1:8081
  echo '{\"event\":\"scanner.alert.raised\",\"symbol\":\"AAPL\",\"alert_type\":\"volume_spike\",\"score\":0.9,\"message\":\"3x\",\"source_scanner\":\"custom\",\"metadata\":{}}' | tapeline publish - --edge 127.0.0.1:8080")]
pub struct PublishArgs {
    /// File of findings, one JSON object per line; `-` reads standard input.
    pub file: PathBuf,
    #[command(flatten)]
    pub cluster: ClusterArgs,
    /// Post to the publisher's HTTP edge at this address instead of producing to Kafka.
    #[arg(long, value_name = "ADDR", value_parser = parse_socket_address)]
    pub edge: Option<SocketAddr>,
}

/// Publishes every line and prints a line for each finding that was not accepted.
///
/// # Errors
/// An unreadable file; an unreachable edge, cluster or registry; [`Failure::NotOk`] if a finding was not accepted.
pub async fn run(args: &PublishArgs) -> Result<(), Failure> {
    let input: Box<dyn Read> = if args.file.as_os_str() == "-" {
        Box::new(std::io::stdin())
    } else {
        let file = std::fs::File::open(&args.file);
        Box::new(file.map_err(|error| Failure::file("open", &args.file, error))?)
    };
    let destination = Destination::open(args).await?;
    let mut lines = BufReader::new(input).lines().enumerate();
    let (mut accepted, mut other) = (0_u64, 0_u64);
    loop {
        let batch = next_batch(&mut lines, &args.file.display().to_string())?;
        if batch.is_empty() {
            break;
        }
        let texts: Vec<String> = batch.iter().map(|(_, text)| text.clone()).collect();
        for (result, (number, _)) in destination.publish(&texts).await?.iter().zip(&batch) {
            if result.is_accepted() {
                accepted += 1;
                continue;
            }
            other += 1;
            let text = |field: &Option<String>| field.clone().unwrap_or_default();
            print(&format!(
                "line {number}: {}: {} {}\n",
                result.outcome,
                text(&result.path),
                text(&result.cause)
            ));
        }
    }
    print(&format!("{accepted} accepted, {other} not accepted\n"));
    if other > 0 {
        return Err(Failure::not_ok(format!("{other} findings not accepted")));
    }
    Ok(())
}

/// Where findings go.
enum Destination {
    /// A running edge.
    Edge(EdgeClient),
    /// Kafka, through an edge in this process without a socket.
    Kafka(Box<Edge<BatchProducer>>),
}

impl Destination {
    async fn open(args: &PublishArgs) -> Result<Self, Failure> {
        if let Some(edge) = args.edge {
            return Ok(Self::Edge(EdgeClient::new(edge).map_err(Failure::unreachable)?));
        }
        let kafka = cluster::kafka(&args.cluster)?;
        tokio::task::block_in_place(|| kafka_cluster::check(&kafka, &TOPICS)).map_err(Failure::query)?;
        let registry = cluster::registry(&args.cluster)?;
        let wire = cluster::wire(&registry, &TOPICS, kafka.partitions).await?;
        let producer = BatchProducer::new(&kafka, ProducerLimits::default()).map_err(Failure::unreachable)?;
        let limits = EdgeLimits { body_max_bytes: usize::MAX, items_max: BATCH_ITEMS };
        let (counts, clock) = (EdgeCounts::new(&Scope::nowhere()), Arc::new(SystemClock::new()));
        Ok(Self::Kafka(Box::new(Edge::new(wire, producer, limits, counts, clock))))
    }

    /// Returns a result for each line, in order.
    async fn publish(&self, lines: &[String]) -> Result<Vec<ItemResult>, Failure> {
        match self {
            Self::Edge(client) => client.post(lines).await.map_err(Failure::unreachable),
            Self::Kafka(edge) => {
                let body = lines.join("\n");
                let outcomes = edge.ingest(body.as_bytes(), true, None).await.map_err(Failure::usage)?;
                let results = response_body(&outcomes)["results"].take();
                serde_json::from_value(results).map_err(Failure::not_ok)
            }
        }
    }
}

type NumberedLines<'a> = dyn Iterator<Item = (usize, std::io::Result<String>)> + 'a;

/// Returns the next non-blank lines with their numbers.
fn next_batch(lines: &mut NumberedLines<'_>, name: &str) -> Result<Vec<(usize, String)>, Failure> {
    let mut batch = Vec::new();
    for (i, line) in lines {
        let unreadable =
            |error| Failure::Usage(Cause::new(format!("failed to read {name}:{}", i + 1), error));
        let line = line.map_err(unreadable)?;
        if !line.trim().is_empty() {
            batch.push((i + 1, line));
        }
        if batch.len() == BATCH_ITEMS {
            break;
        }
    }
    Ok(batch)
}
