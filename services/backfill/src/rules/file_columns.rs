//! Columns of files.

/// Those of day bars. The first column of a format has the time.
pub const DAY_BARS: [&str; 6] = ["date", "open", "high", "low", "close", "volume"];

/// Those of other bars.
pub const BARS: [&str; 6] = ["time", "open", "high", "low", "close", "volume"];

pub const NEWS: [&str; 2] = ["time", "headline"];
pub const NEWS_OPTIONAL: [&str; 3] = ["id", "url", "sentiment"];

pub const ACTIONS: [&str; 2] = ["ex_date", "kind"];
pub const ACTIONS_OPTIONAL: [&str; 4] = ["id", "time", "ratio", "amount"];

/// The column of files with several symbols.
pub const SYMBOL: &str = "symbol";

/// Returns `true` if files have a column of this name.
#[must_use]
pub fn is_column(name: &str) -> bool {
    let formats: [&[&str]; 6] = [&DAY_BARS, &BARS, &NEWS, &NEWS_OPTIONAL, &ACTIONS, &ACTIONS_OPTIONAL];
    name == SYMBOL || formats.iter().any(|columns| columns.contains(&name))
}
