//! The command line: assembles the commands.

use clap::{Parser, Subcommand};

use crate::commands::dead_letters::{self, DeadLettersCommand};
use crate::commands::dev::{self, DevArgs};
use crate::commands::lag::{self, LagArgs};
use crate::commands::publish::{self, PublishArgs};
use crate::commands::replay::{self, ReplayArgs};
use crate::commands::schemas::{self, SchemasCommand};
use crate::commands::tail::{self, TailArgs};
use crate::commands::topics::{self, TopicsCommand};
use crate::commands::verify::{self, VerifyArgs};
use crate::exit::Failure;

/// Scanner findings to feature vectors and backfills over Kafka.
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
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run everything in one process: embedded broker and registry, all four services, a market and a small scanner
    Dev(DevArgs),
    /// Run the market and the scanner of `dev` against services on a cluster
    Replay(ReplayArgs),
    /// Create the topics of the contract, or compare them with the cluster
    Topics {
        #[command(subcommand)]
        command: TopicsCommand,
    },
    /// Register the schemas of the contract, or compare them with the registry
    Schemas {
        #[command(subcommand)]
        command: SchemasCommand,
    },
    /// Validate findings (NDJSON), produce them to Kafka or post them to an edge, and print each rejected finding
    Publish(PublishArgs),
    /// List, show and replay dead letters
    DeadLetters {
        #[command(subcommand)]
        command: DeadLettersCommand,
    },
    /// Print the records of an event's topic, decoded
    Tail(TailArgs),
    /// Count lost, doubled and reordered records of each stage from the topics alone, and find committed offsets that do not fit
    Verify(VerifyArgs),
    /// Print the consumer lag of each group, in records and seconds, by partition
    Lag(LagArgs),
}

impl Cli {
    /// Runs the command.
    ///
    /// # Errors
    /// The failure of the command.
    pub async fn run(self) -> Result<(), Failure> {
        match self.command {
            Command::Dev(args) => dev::run(args).await,
            Command::Replay(args) => replay::run(args).await,
            Command::Topics { command } => topics::run(&command).await,
            Command::Schemas { command } => schemas::run(&command).await,
            Command::Publish(args) => publish::run(&args).await,
            Command::DeadLetters { command } => dead_letters::run(command).await,
            Command::Tail(args) => tail::run(args).await,
            Command::Verify(args) => verify::run(args).await,
            Command::Lag(args) => lag::run(args).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn command_line_passes_the_checks_of_clap() {
        Cli::command().debug_assert();
    }
}
