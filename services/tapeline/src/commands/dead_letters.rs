//! `tapeline dead-letters`: lists, shows and replays dead letters.
//!
//! [`dead_letter`] reads the headers of a dead letter, [`filter`] selects, [`reader`] reads the topics; [`replay_plan`] decides about
//! one dead letter of a replay, [`replay`] sends it.

pub mod args;
pub mod dead_letter;
pub mod filter;
pub mod list;
mod rate_limiter;
pub mod reader;
pub mod replay;
pub mod replay_plan;
mod replay_progress;
pub mod show;
pub mod time_argument;

#[cfg(test)]
mod fixtures;

use crate::cluster;
use crate::exit::Failure;
use crate::output::print;

pub use self::args::DeadLettersCommand;

/// Runs the subcommand.
///
/// # Errors
/// The failure of the subcommand.
pub async fn run(command: DeadLettersCommand) -> Result<(), Failure> {
    match command {
        DeadLettersCommand::List(args) => {
            let kafka = cluster::kafka(&args.cluster)?;
            tokio::task::block_in_place(|| list::run(&args, &kafka))
        }
        DeadLettersCommand::Show(args) => {
            let kafka = cluster::kafka(&args.cluster)?;
            let registry = cluster::registry(&args.cluster)?;
            print(&tokio::task::block_in_place(|| show::run(&args, &kafka, &registry))?)
        }
        DeadLettersCommand::Replay(args) => replay::run(&args).await,
    }
}
