//! The command line: what can be asked, with help and examples. Nothing happens here.

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use jiff::civil::Date;

use crate::dead_letters::args::DeadLettersCommand;
use crate::lag::LagArgs;
use crate::verify::VerifyArgs;

/// Scanner findings to feature vectors and backfills over Kafka, nothing lost, nothing doubled.
#[derive(Debug, Parser)]
#[command(
    name = "tapeline",
    version,
    after_help = "Examples:
  tapeline dev                                        a synthetic market, everything in one process
  tapeline dev --bars tests/data/bars --speed max --until-end
  tapeline topics apply --brokers kafka:9092
  tapeline tail feature.vector.computed --json --from-start --brokers kafka:9092 --registry http://registry:8081"
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run everything in this process: embedded broker and registry, all four services, a market and a small scanner.
    #[command(after_help = "Examples:
  tapeline dev --seed 7 --speed 20
  tapeline dev --bars tests/data/bars --from 2008-01-02 --to 2008-12-31 --speed max --until-end --report report.json
  tapeline dev --findings findings.ndjson --edge 127.0.0.1:8080 --admin 127.0.0.1:9100 --vectors vectors.ndjson")]
    Dev(DevArgs),
    /// Run the market and the scanner of `dev` against services that already run on a cluster.
    #[command(after_help = "Example:
  tapeline replay --bars tests/data/bars --from 2012-01-03 --to 2012-12-31 --speed max \\
      --brokers 127.0.0.1:9092 --registry http://127.0.0.1:8081 --edge 127.0.0.1:8080 --report report.json")]
    Replay(ReplayArgs),
    /// Work on the topics of the contract.
    Topics {
        /// What to do with them.
        #[command(subcommand)]
        command: TopicsCommand,
    },
    /// Work on the schemas of the contract.
    Schemas {
        /// What to do with them.
        #[command(subcommand)]
        command: SchemasCommand,
    },
    /// Check findings (NDJSON), produce them to Kafka or post them to an edge, and print what became of each.
    #[command(after_help = "Examples:
  tapeline publish findings.ndjson --brokers 127.0.0.1:9092 --registry http://127.0.0.1:8081
  echo '{\"event\":\"scanner.alert.raised\",\"symbol\":\"AAPL\",\"alert_type\":\"volume_spike\",\"score\":0.9,\"message\":\"3x\",\"source_scanner\":\"mine\",\"metadata\":{}}' | tapeline publish - --edge 127.0.0.1:8080")]
    Publish(PublishArgs),
    /// What the services gave up on: look at it, and send it back.
    DeadLetters {
        /// What to do with them.
        #[command(subcommand)]
        command: DeadLettersCommand,
    },
    /// Print the records of an event's topic, decoded.
    #[command(after_help = "Example:
  tapeline tail scanner.alert.raised --json --from-start --brokers 127.0.0.1:9092 --registry http://127.0.0.1:8081")]
    Tail(TailArgs),
    /// Count what the services on a cluster lost, doubled and reordered, from the topics alone, and where groups stand short.
    #[command(
        after_help = "Ends with 0 only when nothing is lost, doubled, reordered or short; with 3 when the cluster or the registry
can't be asked. To be run at rest: what a group has yet to pass counts as lost.

Example:
  tapeline verify --brokers 127.0.0.1:9092 --registry http://127.0.0.1:8081 --json"
    )]
    Verify(VerifyArgs),
    /// Print how far each group is behind, in records and seconds, by partition; 0 at rest.
    #[command(after_help = "Example:
  tapeline lag --group tapeline.feature --brokers 127.0.0.1:9092")]
    Lag(LagArgs),
}

/// `tapeline topics …`
#[derive(Debug, Subcommand)]
pub enum TopicsCommand {
    /// Create what is missing of the topic table, and say what differs from it.
    #[command(after_help = "Example:
  tapeline topics apply --brokers 127.0.0.1:9092 --replication 1")]
    Apply {
        /// The cluster.
        #[command(flatten)]
        cluster: ClusterArgs,
        /// Replicas of each topic; 1 for a single broker.
        #[arg(long, default_value_t = 3)]
        replication: i32,
    },
    /// Compare the topics with the contract, a line for each difference; ends with 1 when there is any.
    #[command(after_help = "Example:
  tapeline topics check --brokers 127.0.0.1:9092 --replication 1")]
    Check {
        /// The cluster.
        #[command(flatten)]
        cluster: ClusterArgs,
        /// Replicas of each topic; 1 for a single broker.
        #[arg(long, default_value_t = 3)]
        replication: i32,
    },
}

/// `tapeline schemas …`
#[derive(Debug, Subcommand)]
pub enum SchemasCommand {
    /// Register every schema of the contract and print its id.
    #[command(after_help = "Example:
  tapeline schemas register --registry http://127.0.0.1:8081")]
    Register {
        /// The cluster.
        #[command(flatten)]
        cluster: ClusterArgs,
    },
    /// Compare what is registered with the contract, a line for each difference; ends with 1 when there is any.
    #[command(after_help = "Example:
  tapeline schemas check --registry http://127.0.0.1:8081")]
    Check {
        /// The cluster.
        #[command(flatten)]
        cluster: ClusterArgs,
    },
}

/// The cluster. Every command takes both addresses and uses those that it needs.
#[derive(Debug, Clone, Args)]
pub struct ClusterArgs {
    /// Bootstrap servers of Kafka, host:port, comma-separated; without it what the configuration says, or 127.0.0.1:9092.
    #[arg(long)]
    pub brokers: Option<String>,
    /// A file with the section [kafka] of a service: TLS, login and the like. TAPELINE__KAFKA__… in the environment overrides it.
    #[arg(long, value_name = "FILE")]
    pub kafka_config: Option<PathBuf>,
    /// Base address of a Confluent-compatible schema registry; without it TAPELINE__REGISTRY__URL, or http://127.0.0.1:8081.
    #[arg(long)]
    pub registry: Option<String>,
}

/// How fast the market goes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Speed {
    /// At most this many dates a second.
    DatesPerSecond(f64),
    /// No other pause than waiting for what a date set going.
    Max,
}

fn parse_speed(text: &str) -> Result<Speed, String> {
    if text == "max" {
        return Ok(Speed::Max);
    }
    match text.parse::<f64>() {
        Ok(n) if n > 0.0 && n.is_finite() => Ok(Speed::DatesPerSecond(n)),
        _ => Err("must be a number of dates a second above 0, or `max`".to_owned()),
    }
}

/// The first address that `host:port` stands for.
fn resolve(text: &str) -> Result<SocketAddr, String> {
    let mut found = text.to_socket_addrs().map_err(|e| format!("host:port that can be found: {e}"))?;
    found.next().ok_or_else(|| "a host that has an address".to_owned())
}

/// The market, what to post, and what to leave behind: shared by `dev` and `replay`.
#[derive(Debug, Clone, Args)]
pub struct MarketArgs {
    /// Replay day bars from DIR/<SYMBOL>.csv (date,open,high,low,close,volume).
    #[arg(long, value_name = "DIR")]
    pub bars: Option<PathBuf>,
    /// First date of the replay (YYYY-MM-DD); bars before it are history.
    #[arg(long, value_name = "DATE", requires = "bars")]
    pub from: Option<Date>,
    /// Last date of the replay (YYYY-MM-DD).
    #[arg(long, value_name = "DATE", requires = "bars")]
    pub to: Option<Date>,
    /// Dates a second, or `max`.
    #[arg(long, value_name = "N|max", default_value = "5", value_parser = parse_speed)]
    pub speed: Speed,
    /// Post these findings (NDJSON): beside the scanner with --bars, alone without it.
    #[arg(long, value_name = "FILE")]
    pub findings: Option<PathBuf>,
    /// Write every topic to DIR/<topic>.ndjson at the end.
    #[arg(long, value_name = "DIR")]
    pub topics: Option<PathBuf>,
    /// Write feature vectors to FILE, a line each, as they come.
    #[arg(long, value_name = "FILE")]
    pub vectors: Option<PathBuf>,
    /// Write a report (JSON) to FILE at the end.
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// Seed of the synthetic market, which runs when neither --bars nor --findings is given.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
}

/// `tapeline dev`
#[derive(Debug, Args)]
pub struct DevArgs {
    /// The market.
    #[command(flatten)]
    pub market: MarketArgs,
    /// End when everything that the market set going has come to its end, with exit code 0 only if nothing was lost.
    #[arg(long)]
    pub until_end: bool,
    /// Address of the publisher's HTTP edge; port 0 takes a free one.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    pub edge: SocketAddr,
    /// Address of the admin endpoints of all four services; port 0 takes a free one.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    pub admin: SocketAddr,
}

/// `tapeline replay`
#[derive(Debug, Args)]
pub struct ReplayArgs {
    /// The market.
    #[command(flatten)]
    pub market: MarketArgs,
    /// The cluster.
    #[command(flatten)]
    pub cluster: ClusterArgs,
    /// Address of the publisher's HTTP edge, by name or number.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080", value_parser = resolve)]
    pub edge: SocketAddr,
}

/// `tapeline publish`
#[derive(Debug, Args)]
pub struct PublishArgs {
    /// A file of findings, one JSON object a line; `-` reads standard input.
    pub file: PathBuf,
    /// The cluster.
    #[command(flatten)]
    pub cluster: ClusterArgs,
    /// Post to the publisher's HTTP edge at this address instead of producing to Kafka.
    #[arg(long, value_name = "ADDR", value_parser = resolve)]
    pub edge: Option<SocketAddr>,
}

/// `tapeline tail`
#[derive(Debug, Args)]
pub struct TailArgs {
    /// The event, as in `scanner.alert.raised`.
    pub event: String,
    /// A JSON object a line.
    #[arg(long)]
    pub json: bool,
    /// Begin with the oldest record, not with the next one.
    #[arg(long)]
    pub from_start: bool,
    /// The cluster.
    #[command(flatten)]
    pub cluster: ClusterArgs,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn an_edge_has_a_name_or_a_number_and_a_port() {
        assert_eq!(resolve("127.0.0.1:80").unwrap(), SocketAddr::from(([127, 0, 0, 1], 80)));
        assert_eq!(resolve("localhost:80").unwrap().port(), 80);
        assert!(resolve("localhost").is_err());
    }

    #[test]
    fn speed_is_a_positive_number_or_max() {
        assert_eq!(parse_speed("max"), Ok(Speed::Max));
        assert_eq!(parse_speed("2.5"), Ok(Speed::DatesPerSecond(2.5)));
        for wrong in ["0", "-1", "fast", "inf", "NaN"] {
            assert!(parse_speed(wrong).unwrap_err().contains("max"), "{wrong}");
        }
    }
}
