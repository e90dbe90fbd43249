//! `tapeline backfill`: requests history, lists requests, and cancels them. It needs the topics only.
//!
//! [`range_request`] makes the events, [`symbol_list`] reads the symbols, [`request_writer`] writes. [`request`] follows the ends by [`tracking`], which
//! [`progress`] shows. [`status`] and [`cancel`] read the requests of [`crate::history::RequestLog`].

pub mod args;
mod cancel;
mod progress;
mod range_request;
mod request;
mod request_writer;
mod status;
mod symbol_list;
mod tracking;

pub use self::args::BackfillCommand;
pub use self::range_request::operator;
use crate::exit::Failure;

/// Runs the subcommand.
///
/// # Errors
/// The failure of the subcommand.
pub async fn run(command: BackfillCommand) -> Result<(), Failure> {
    match command {
        BackfillCommand::Request(args) => request::run(args).await,
        BackfillCommand::Status(args) => status::run(args).await,
        BackfillCommand::Cancel(args) => cancel::run(args).await,
    }
}
