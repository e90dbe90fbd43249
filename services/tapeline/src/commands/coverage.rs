//! `tapeline coverage`: the history that the topics have of a symbol, and the repair of coverage.
//!
//! [`show`] reads and prints: [`report`] counts by series and by session, [`text`] and [`svg`] draw it. [`rebuild`] writes coverage by held bars.

pub mod args;
pub mod rebuild;
mod report;
mod show;
mod svg;
mod text;

pub use self::args::CoverageArgs;
use self::args::CoverageCommand;
use crate::exit::Failure;

/// Prints the history of a symbol, or runs the subcommand.
///
/// # Errors
/// As for [`show`] and [`rebuild`].
pub async fn run(args: CoverageArgs) -> Result<(), Failure> {
    match (args.command, args.symbol) {
        (Some(CoverageCommand::Rebuild(args)), _) => rebuild::run(args).await,
        (None, Some(symbol)) => show::run(symbol, CoverageArgs { command: None, ..args }).await,
        (None, None) => Err(Failure::usage("no symbol is given")),
    }
}
