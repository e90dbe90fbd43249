//! `tapeline publish`: findings from a file or standard input, to Kafka by the edge's own rules, or through an edge.

use std::io::{BufRead, BufReader, Read};
use std::sync::Arc;

use chassis::SystemClock;
use chassis::telemetry::Scope;
use contracts::Topic;
use kafka_io::{BatchProducer, ProducerLimits, cluster as kafka_cluster};
use publisher::edge::{Edge, EdgeCounts, EdgeLimits, response_body};

use crate::cli::PublishArgs;
use crate::cluster;
use crate::edge_client::{EdgeClient, ItemResult};
use crate::exit::Failure;

/// Findings a batch: enough that the round trip doesn't matter, few enough to stay far below the edge's body limit.
const BATCH_ITEMS: usize = 500;

/// What a finding may become.
const TOPICS: [Topic; 3] = [Topic::AlertRaised, Topic::GapDetected, Topic::SymbolProposed];

/// Publishes every line and prints a line for each that wasn't accepted.
///
/// # Errors
/// An unreadable file, an edge, cluster or registry that can't be reached, or [`Failure::NotOk`] when anything wasn't accepted.
pub async fn run(args: &PublishArgs) -> Result<(), Failure> {
    let input: Box<dyn Read> = if args.file.as_os_str() == "-" {
        Box::new(std::io::stdin())
    } else {
        let file = std::fs::File::open(&args.file)
            .map_err(|e| Failure::Usage(format!("{}: {e}", args.file.display())))?;
        Box::new(file)
    };
    let way = Way::open(args).await?;
    let mut lines = BufReader::new(input).lines().enumerate();
    let (mut accepted, mut other) = (0_u64, 0_u64);
    loop {
        let batch = next_batch(&mut lines, &args.file.display().to_string())?;
        if batch.is_empty() {
            break;
        }
        let texts: Vec<String> = batch.iter().map(|(_, text)| text.clone()).collect();
        for (result, (number, _)) in way.publish(&texts).await?.iter().zip(&batch) {
            if result.is_accepted() {
                accepted += 1;
                continue;
            }
            other += 1;
            let text = |field: &Option<String>| field.clone().unwrap_or_default();
            println!("line {number}: {}: {} {}", result.outcome, text(&result.path), text(&result.cause));
        }
    }
    println!("{accepted} accepted, {other} not");
    if other > 0 {
        return Err(Failure::NotOk(format!("{other} findings were not accepted")));
    }
    Ok(())
}

/// How findings get to Kafka.
enum Way {
    /// Through an edge that runs.
    Posted(EdgeClient),
    /// By an edge of our own, without its socket.
    Produced(Box<Edge<BatchProducer>>),
}

impl Way {
    async fn open(args: &PublishArgs) -> Result<Self, Failure> {
        if let Some(edge) = args.edge {
            let client = EdgeClient::new(edge).map_err(|e| Failure::Unreachable(e.to_string()))?;
            return Ok(Self::Posted(client));
        }
        let kafka = cluster::kafka(&args.cluster)?;
        tokio::task::block_in_place(|| kafka_cluster::check(&kafka, &TOPICS)).map_err(Failure::of)?;
        let registry = cluster::registry(&args.cluster)?;
        let wire = cluster::wire(&registry, &TOPICS, kafka.partitions).await?;
        let producer = BatchProducer::new(&kafka, ProducerLimits::default())
            .map_err(|e| Failure::Unreachable(kafka_io::ErrorChain(&e).to_string()))?;
        let limits = EdgeLimits { body_max_bytes: usize::MAX, items_max: BATCH_ITEMS };
        let (counts, clock) = (EdgeCounts::new(&Scope::nowhere()), Arc::new(SystemClock::new()));
        Ok(Self::Produced(Box::new(Edge::new(wire, producer, limits, counts, clock))))
    }

    /// A result for each line, in order.
    async fn publish(&self, lines: &[String]) -> Result<Vec<ItemResult>, Failure> {
        match self {
            Self::Posted(client) => client.post(lines).await.map_err(|e| Failure::Unreachable(e.to_string())),
            Self::Produced(edge) => {
                let body = lines.join("\n");
                let outcomes = edge
                    .ingest(body.as_bytes(), true, None)
                    .await
                    .map_err(|fault| Failure::Usage(fault.to_string()))?;
                let results = response_body(&outcomes)["results"].take();
                serde_json::from_value(results).map_err(|e| Failure::NotOk(e.to_string()))
            }
        }
    }
}

type Lines<'a> = dyn Iterator<Item = (usize, std::io::Result<String>)> + 'a;

/// The next lines that aren't blank, with their numbers.
fn next_batch(lines: &mut Lines<'_>, name: &str) -> Result<Vec<(usize, String)>, Failure> {
    let mut batch = Vec::new();
    for (i, line) in lines {
        let line = line.map_err(|e| Failure::Usage(format!("{name}:{}: {e}", i + 1)))?;
        if !line.trim().is_empty() {
            batch.push((i + 1, line));
        }
        if batch.len() == BATCH_ITEMS {
            break;
        }
    }
    Ok(batch)
}
