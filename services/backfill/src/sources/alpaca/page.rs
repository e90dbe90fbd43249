//! Pages of bars: their JSON form, and the checks of each bar.

use std::collections::{BTreeMap, BTreeSet};

use domain::calendar::{date_of, day_open};
use domain::{Bar, BarError, Interval, Symbol, Timeframe, Timestamp};
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};

/// The body of a response with bars. Both keys are required: another response has no bars.
#[derive(Deserialize)]
struct PageBody {
    /// By symbol. `null` if there are none.
    #[serde(deserialize_with = "nullable")]
    bars: Option<BTreeMap<String, Vec<BarBody>>>,
    /// `null` on the last page.
    #[serde(deserialize_with = "nullable")]
    next_page_token: Option<String>,
}

#[derive(Deserialize)]
struct BarBody {
    t: String,
    o: f64,
    h: f64,
    l: f64,
    c: f64,
    v: f64,
}

/// The maximum length of a page token. The tokens of a call are kept, to notice one that repeats.
const TOKEN_BYTES_MAX: usize = 1_024;

/// Requires the key, unlike the default for an `Option`.
fn nullable<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    Option::deserialize(deserializer)
}

/// Error of the content of a page.
#[derive(Debug, thiserror::Error)]
pub(super) enum PageError {
    #[error("invalid JSON")]
    Json(#[source] serde_json::Error),
    #[error("bars of symbol {0:?}, which was not requested")]
    Symbol(String),
    #[error("invalid time {text:?} of a bar of {symbol}")]
    Time {
        symbol: Symbol,
        text: String,
        #[source]
        cause: domain::TimestampError,
    },
    #[error("bar of {symbol} at {open_time} is outside of the requested range")]
    OutOfRange { symbol: Symbol, open_time: Timestamp },
    #[error("bar of {symbol} at {open_time} is not aligned to {timeframe}")]
    Unaligned { symbol: Symbol, open_time: Timestamp, timeframe: Timeframe },
    #[error("bar of {symbol} at {open_time} follows one of {previous}")]
    Unsorted { symbol: Symbol, open_time: Timestamp, previous: Timestamp },
    #[error("invalid bar of {symbol} at {open_time}")]
    Bar {
        symbol: Symbol,
        open_time: Timestamp,
        #[source]
        cause: BarError,
    },
    #[error("page token {0:?} repeats")]
    Token(String),
    #[error("page token has {0} bytes, more than {TOKEN_BYTES_MAX}")]
    LongToken(usize),
}

impl PageError {
    /// Returns `true` if the body is not JSON: cut off, or from another server.
    pub(super) fn is_no_json(&self) -> bool {
        matches!(self, Self::Json(error) if !error.is_data())
    }

    /// Returns `true` for JSON of another form.
    pub(super) fn is_other_form(&self) -> bool {
        matches!(self, Self::Json(error) if error.is_data())
    }
}

/// The bars of all pages of a request.
pub(super) struct Pages {
    timeframe: Timeframe,
    range: Interval,
    bars: BTreeMap<Symbol, Vec<Bar>>,
    tokens: BTreeSet<String>,
}

impl Pages {
    /// Returns the pages of a request for these symbols, without a page.
    pub(super) fn new(symbols: &[Symbol], timeframe: Timeframe, range: Interval) -> Self {
        let bars = symbols.iter().map(|symbol| (*symbol, Vec::new())).collect();
        Self { timeframe, range, bars, tokens: BTreeSet::new() }
    }

    /// Adds the page with this body, and returns the token of the next one.
    ///
    /// # Errors
    /// Anything that does not belong to the request, in the order of the page.
    pub(super) fn add(&mut self, body: &[u8]) -> Result<Option<String>, PageError> {
        let page: PageBody = serde_json::from_slice(body).map_err(|error| {
            // A body that is cut off or damaged may have another form before that position.
            let syntax = serde_json::from_slice::<IgnoredAny>(body).err();
            PageError::Json(syntax.unwrap_or(error))
        })?;
        for (name, rows) in page.bars.unwrap_or_default() {
            let Some((symbol, bars)) = Symbol::parse(&name)
                .ok()
                .and_then(|symbol| self.bars.get_mut(&symbol).map(|bars| (symbol, bars)))
            else {
                return Err(PageError::Symbol(name.chars().take(32).collect()));
            };
            for row in rows {
                let bar = checked(row, symbol, (self.timeframe, self.range))?;
                if let Some(last) = bars.last().filter(|last| last.open_time >= bar.open_time) {
                    let previous = last.open_time;
                    return Err(PageError::Unsorted { symbol, open_time: bar.open_time, previous });
                }
                bars.push(bar);
            }
        }
        let token_bytes = page.next_page_token.as_ref().map_or(0, String::len);
        if token_bytes > TOKEN_BYTES_MAX {
            return Err(PageError::LongToken(token_bytes));
        }
        if let Some(token) = &page.next_page_token
            && !self.tokens.insert(token.clone())
        {
            return Err(PageError::Token(token.chars().take(64).collect()));
        }
        Ok(page.next_page_token)
    }

    /// Returns the bars by symbol, also of symbols without bars.
    pub(super) fn into_bars(self) -> BTreeMap<Symbol, Vec<Bar>> {
        self.bars
    }
}

fn checked(
    row: BarBody,
    symbol: Symbol,
    (timeframe, range): (Timeframe, Interval),
) -> Result<Bar, PageError> {
    let open_time = Timestamp::parse(&row.t).map_err(|cause| {
        let text = row.t.chars().take(40).collect();
        PageError::Time { symbol, text, cause }
    })?;
    if !range.contains(open_time) {
        return Err(PageError::OutOfRange { symbol, open_time });
    }
    let is_aligned = match timeframe.minutes() {
        Some(minutes) => open_time.micros() % (minutes * 60_000_000) == 0,
        None => day_open(date_of(open_time)) == open_time,
    };
    if !is_aligned {
        return Err(PageError::Unaligned { symbol, open_time, timeframe });
    }
    let BarBody { o: open, h: high, l: low, c: close, v: volume, .. } = row;
    let bar = Bar { open_time, open, high, low, close, volume };
    bar.validate().map_err(|cause| PageError::Bar { symbol, open_time, cause })?;
    Ok(bar)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn page_token_above_its_bound_is_an_error() {
        let range = Interval::new(Timestamp::from_micros(0), Timestamp::from_micros(1)).unwrap();
        let symbols = [Symbol::constant("AAPL")];
        let add = |bytes| {
            let body = format!(r#"{{"bars": null, "next_page_token": "{}"}}"#, "t".repeat(bytes));
            Pages::new(&symbols, Timeframe::Day1, range).add(body.as_bytes())
        };
        assert_eq!(add(TOKEN_BYTES_MAX).unwrap().map(|token| token.len()), Some(TOKEN_BYTES_MAX));
        assert!(matches!(add(TOKEN_BYTES_MAX + 1), Err(PageError::LongToken(_))));
    }
}
