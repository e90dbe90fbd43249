//! The command line: assembles the commands.

use chassis::{Shutdown, descriptors, signals};
use clap::{Parser, Subcommand};
use tokio::runtime::Handle;

use crate::commands::backfill::{self, BackfillCommand};
use crate::commands::coverage::{self, CoverageArgs};
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
use crate::version::VERSION;

/// Scanner findings to feature vectors and backfills over Kafka.
#[derive(Debug, Parser)]
#[command(
    name = "tapeline",
    version = VERSION.details(),
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
    /// Request history, list requests and cancel them
    Backfill {
        #[command(subcommand)]
        command: BackfillCommand,
    },
    /// Print the history that the topics have of a symbol: held, covered, requested and missing
    Coverage(CoverageArgs),
    /// Print the consumer lag of each group, in records and seconds, by partition
    Lag(LagArgs),
}

impl Cli {
    /// Checks the limits of the process that the command needs.
    ///
    /// # Errors
    /// [`Failure::Usage`] if one is too low.
    pub fn check_limits(&self) -> Result<(), Failure> {
        match &self.command {
            Command::Dev(args) => dev::require_descriptors(args),
            _ => descriptors::require_for_command().map_err(Failure::usage),
        }
    }

    /// Runs the command.
    ///
    /// # Errors
    /// The failure of the command; [`Failure::NotOk`] if a signal ended it, unless it runs until a signal.
    pub async fn run(self) -> Result<(), Failure> {
        let interrupted = Err(Failure::not_ok("interrupted by a signal"));
        match self.command {
            // These report at a signal what they did.
            Command::Dev(args) => dev::run(args).await,
            Command::Replay(args) => replay::run(args).await,
            Command::Publish(args) => publish::run(&args).await,
            Command::DeadLetters { command: command @ DeadLettersCommand::Replay(_) } => {
                dead_letters::run(command).await
            }
            Command::DeadLetters { command } => until_signal(dead_letters::run(command), interrupted).await,
            Command::Topics { command } => {
                until_signal(async move { topics::run(&command).await }, interrupted).await
            }
            Command::Schemas { command } => {
                until_signal(async move { schemas::run(&command).await }, interrupted).await
            }
            Command::Tail(args) => until_signal(tail::run(args), Ok(())).await,
            Command::Verify(args) => until_signal(verify::run(args), interrupted).await,
            Command::Backfill { command } => until_signal(backfill::run(command), interrupted).await,
            Command::Coverage(args) => until_signal(coverage::run(args), interrupted).await,
            Command::Lag(args) => until_signal(lag::run(args), interrupted).await,
        }
    }
}

/// Runs a command until it ends or a signal arrives. It is a task of its own: if it blocks, that does not delay the end.
async fn until_signal(
    command: impl Future<Output = Result<(), Failure>> + Send + 'static,
    on_signal: Result<(), Failure>,
) -> Result<(), Failure> {
    let shutdown = Shutdown::new();
    signals::listen(&shutdown).map_err(|error| Failure::start("signal handlers", error))?;
    // Not supervised: its end is awaited here.
    let running = Handle::current().spawn(command);
    tokio::select! {
        result = running => result.map_err(Failure::not_ok)?,
        () = shutdown.begun() => on_signal,
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
