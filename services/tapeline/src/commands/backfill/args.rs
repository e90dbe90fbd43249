//! Arguments of `tapeline backfill`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use domain::calendar::{Date, day_open};
use domain::{DataType, Layer, Timestamp};

use crate::cluster::ClusterArgs;

#[derive(Debug, Subcommand)]
pub enum BackfillCommand {
    /// Request the history of symbols; with --wait, show the progress and the result.
    #[command(
        after_help = "Each symbol is one request, named by a backfill_id that follows from symbol, layer, types, range and --refetch: the same request
again is another attempt at the same backfill. What is covered is not fetched again, unless --refetch.

Exit code with --wait: 0 if all requests succeeded (one that the service fetched within the last hour counts), 9 if some were served in
part, 1 if any failed or did not end in time. Without --wait: 0 once all requests are written.

Examples:
  tapeline backfill request AAPL --from 2020-01-01 --to 2020-12-31 --wait
  tapeline backfill request AAPL MSFT --from 2024-01-02T14:30:00Z --to 2024-01-02T21:00:00Z --layer 2
  tapeline backfill request --symbols-file symbols.txt --from 2023-01-01 --to 2023-12-31 --wait"
    )]
    Request(RequestArgs),
    /// List open and recent requests with their states.
    #[command(after_help = "Examples:
  tapeline backfill status AAPL
  tapeline backfill status 6c0c61cf-20f1-5f2b-8f6a-0a4f2c6f1f10 --json")]
    Status(StatusArgs),
    /// Cancel an open request. What is written stays.
    #[command(after_help = "Example:
  tapeline backfill cancel 6c0c61cf-20f1-5f2b-8f6a-0a4f2c6f1f10")]
    Cancel(CancelArgs),
}

#[derive(Debug, Args)]
pub struct RequestArgs {
    /// Ticker symbols, for example AAPL BRK.B.
    #[arg(required_unless_present = "symbols_file", value_name = "SYMBOL")]
    pub symbols: Vec<String>,
    /// File with a symbol in each line, `-` for standard input. Empty lines and lines that start with # are skipped.
    #[arg(long, value_name = "FILE")]
    pub symbols_file: Option<PathBuf>,
    /// First instant: a date in New York, or an instant such as 2024-01-02T14:30:00Z.
    #[arg(long, value_name = "TIME", value_parser = RangeBound::parse)]
    pub from: RangeBound,
    /// Last instant: a date in New York, which is included, or an instant.
    #[arg(long, value_name = "TIME", value_parser = RangeBound::parse)]
    pub to: RangeBound,
    /// Data types: market_data, news, corporate_actions, fundamentals, options.
    #[arg(long, value_name = "TYPE,…", value_delimiter = ',', default_value = "market_data", value_parser = data_type)]
    pub types: Vec<DataType>,
    /// Layer whose timeframes are requested: 0 day bars; 1 also hours and 5 minutes; 2 and 3 also minutes.
    #[arg(long, default_value = "1", value_parser = layer)]
    pub layer: Layer,
    /// Fetch covered ranges again.
    #[arg(long)]
    pub refetch: bool,
    /// Wait until all requests have ended.
    #[arg(long)]
    pub wait: bool,
    /// Time limit of --wait, seconds.
    #[arg(long, value_name = "S", default_value_t = 3_600)]
    pub timeout_s: u64,
    /// Your name, the source of the requests [default: the variable USER, else `operator`].
    #[arg(long, value_name = "NAME")]
    pub operator: Option<String>,
    #[command(flatten)]
    pub cluster: ClusterArgs,
}

#[derive(Debug, Args)]
pub struct StatusArgs {
    /// Symbol or backfill_id [default: all].
    #[arg(value_name = "SYMBOL|ID")]
    pub target: Option<String>,
    /// Maximum number of open and of ended requests, the newest first.
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub limit: usize,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub cluster: ClusterArgs,
}

#[derive(Debug, Args)]
pub struct CancelArgs {
    /// The backfill_id of the request.
    #[arg(value_name = "ID")]
    pub id: uuid::Uuid,
    /// Your name, the source of the request [default: the variable USER, else `operator`].
    #[arg(long, value_name = "NAME")]
    pub operator: Option<String>,
    #[command(flatten)]
    pub cluster: ClusterArgs,
}

/// The first or the last instant of a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RangeBound {
    /// A date in New York.
    Date(Date),
    At(Timestamp),
}

/// The text is neither a date nor an instant.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a date such as 2024-01-02, or an instant such as 2024-01-02T14:30:00Z")]
pub struct InvalidBound;

impl RangeBound {
    /// Parses a date or an ISO-8601 instant with an offset.
    ///
    /// # Errors
    /// [`InvalidBound`] for any other text.
    pub fn parse(text: &str) -> Result<Self, InvalidBound> {
        let is_date = text.len() == "2024-01-02".len();
        let date = || text.parse().ok().filter(|_| is_date).map(Self::Date);
        Timestamp::parse(text).ok().map(Self::At).or_else(date).ok_or(InvalidBound)
    }

    /// Returns the first instant.
    #[must_use]
    pub fn first(self) -> Timestamp {
        match self {
            Self::Date(date) => day_open(date),
            Self::At(at) => at,
        }
    }

    /// Returns the last instant.
    #[must_use]
    pub fn last(self) -> Timestamp {
        match self {
            Self::Date(date) => day_open(date.tomorrow().unwrap_or(date)).saturating_add_micros(-1),
            Self::At(at) => at,
        }
    }
}

fn data_type(name: &str) -> Result<DataType, String> {
    let known = DataType::ALL.map(DataType::as_str).join(", ");
    DataType::from_name(name).ok_or_else(|| format!("expected one of {known}"))
}

fn layer(text: &str) -> Result<Layer, String> {
    let number = text.parse().ok().and_then(|number| Layer::from_number(number).ok());
    number.ok_or_else(|| "expected 0, 1, 2 or 3".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_whole_days_in_new_york() {
        let date = RangeBound::parse("2024-01-02").unwrap();
        assert_eq!(date.first().to_string(), "2024-01-02T05:00:00Z");
        assert_eq!(date.last().to_string(), "2024-01-03T04:59:59.999999Z");
        let at = RangeBound::parse("2024-01-02T14:30:00+01:00").unwrap();
        assert_eq!((at.first(), at.last()), (at.last(), at.first()));
        for invalid in ["", "2024-13-01", "2024-1-2", "yesterday", "2024-01-02T14:30:00"] {
            assert_eq!(RangeBound::parse(invalid), Err(InvalidBound), "{invalid}");
        }
    }
}
