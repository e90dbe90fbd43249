//! Bars: the form of their pages, and the checks of each bar.

use std::collections::BTreeMap;

use domain::calendar::{date_of, day_open};
use domain::{Bar, Interval, Symbol, Timeframe, Timestamp};
use serde::Deserialize;

use super::pages::{BySymbol, Content, PageError, empty, nullable, short};

#[derive(Deserialize)]
pub(super) struct PageBody {
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

/// The bars of all pages of a request.
pub(super) struct Bars {
    timeframe: Timeframe,
    range: Interval,
    bars: BySymbol<Bar>,
}

impl Bars {
    pub(super) fn new(symbols: &[Symbol], timeframe: Timeframe, range: Interval) -> Self {
        Self { timeframe, range, bars: empty(symbols) }
    }
}

impl Content for Bars {
    type Body = PageBody;
    type Record = Bar;

    fn add(&mut self, page: PageBody) -> Result<Option<String>, PageError> {
        for (name, rows) in page.bars.unwrap_or_default() {
            let Some((symbol, bars)) = Symbol::parse(&name)
                .ok()
                .and_then(|symbol| self.bars.get_mut(&symbol).map(|bars| (symbol, bars)))
            else {
                return Err(PageError::Symbol(short(&name, 32)));
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
        Ok(page.next_page_token)
    }

    fn into_records(self) -> BySymbol<Bar> {
        self.bars
    }
}

fn checked(
    row: BarBody,
    symbol: Symbol,
    (timeframe, range): (Timeframe, Interval),
) -> Result<Bar, PageError> {
    let open_time = Timestamp::parse(&row.t).map_err(|cause| {
        let text = short(&row.t, 40);
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
