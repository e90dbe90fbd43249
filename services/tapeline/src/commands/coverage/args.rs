//! Arguments of `tapeline coverage`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use domain::Symbol;
use domain::calendar::Date;

use crate::cluster::ClusterArgs;

#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    after_help = "A series is a data type and a timeframe. Its slots are the times at which the exchange's calendar expects a bar, from the first
to the last date of which the series has anything, or from --from to --to. Each slot is one of:
  held             a bar in market.bar.closed; `uncovered` are those that no backfill fetched, such as live bars
  confirmed empty  covered by a backfill, and the source has no bar
  pending          in the range of an open request
  missing          none of these
The verdict of a session is `available` (every slot of every series is held or covered, and each series has bars), `pending`
(a slot is pending), `missing` (nothing is held or covered), or `degraded` (anything else).

Exit code 0 if anything is held, covered or requested, 1 if nothing is.

Examples:
  tapeline coverage AAPL --brokers 127.0.0.1:9092 --registry http://127.0.0.1:8081
  tapeline coverage AAPL --from 2024-01-01 --json
  tapeline coverage BRK.B --out coverage.svg
  tapeline coverage rebuild --dry-run"
)]
pub struct CoverageArgs {
    #[command(subcommand)]
    pub command: Option<CoverageCommand>,
    /// Ticker symbol, for example AAPL or BRK.B.
    #[arg(required = true, value_parser = Symbol::parse)]
    pub symbol: Option<Symbol>,
    /// First date in New York [default: the first date that is known of each series].
    #[arg(long, value_name = "DATE")]
    pub from: Option<Date>,
    /// Last date in New York [default: the last date that is known of each series].
    #[arg(long, value_name = "DATE")]
    pub to: Option<Date>,
    /// Print one JSON object, with a verdict for each session.
    #[arg(long)]
    pub json: bool,
    /// Also write a drawing (SVG) to this file.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    #[command(flatten)]
    pub cluster: ClusterArgs,
}

#[derive(Debug, Subcommand)]
pub enum CoverageCommand {
    /// Write the coverage of each series by its held bars, while no backfill service runs
    #[command(
        after_help = "Afterwards a session is covered if it was and has a bar, or if each of its slots has one. Empty sessions are fetched again by
the next request: earlier versions covered them, whatever the source had. News and other data without timeframes stay as they
are. Stop all backfill services before: the command is rejected (exit code 1) while their consumer group has members.

Examples:
  tapeline coverage rebuild --dry-run
  tapeline coverage rebuild --symbol AAPL"
    )]
    Rebuild(RebuildArgs),
}

#[derive(Debug, Args)]
pub struct RebuildArgs {
    /// Only this symbol [default: all].
    #[arg(long, value_parser = Symbol::parse)]
    pub symbol: Option<Symbol>,
    /// Print the changes, and write nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Your name, the source of the records [default: the variable USER, else `operator`].
    #[arg(long, value_name = "NAME")]
    pub operator: Option<String>,
    #[command(flatten)]
    pub cluster: ClusterArgs,
}
