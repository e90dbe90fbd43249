//! Minute bars of many symbols, as a source of market data writes them: the input of a restoring feature service.

use contracts::{ClosedBar, ids};

use crate::error::Error;
use crate::input::{FIRST_MICROS, symbol_of};
use crate::sender::Sender;

const MINUTE_MICROS: i64 = 60_000_000;

/// Produces `records` bars in the order of their time, each minute one of every symbol.
pub(crate) fn fill(brokers: &str, records: u64, symbols: u64, schema_id: u32) -> Result<(), Error> {
    let mut sender = Sender::new(brokers, schema_id)?;
    for number in 0..records {
        sender.send(&bar(number, symbols))?;
    }
    sender.flush()
}

fn bar(number: u64, symbols: u64) -> ClosedBar {
    let minute = i64::try_from(number / symbols).unwrap_or(0);
    // A hash of the number, up to 3.99: prices that repeat would compress too well.
    let cents = |salt: u64| {
        let mixed = (number ^ salt).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 48;
        u16::try_from(mixed % 400).unwrap_or(0)
    };
    let base = 50.0 + f64::from(u16::try_from(number % symbols).unwrap_or(0));
    let price = |salt| base + f64::from(cents(salt)) / 100.0;
    let (open, close) = (price(1), price(2));
    ClosedBar {
        event_id: ids::event_id(),
        occurred_at: FIRST_MICROS + (minute + 1) * MINUTE_MICROS,
        source: "bench".to_owned(),
        correlation_id: None,
        symbol: symbol_of(number % symbols),
        timeframe: "1min".to_owned(),
        open_time: FIRST_MICROS + minute * MINUTE_MICROS,
        open,
        high: open.max(close) + 0.05,
        low: open.min(close) - 0.05,
        close,
        volume: f64::from(cents(3)) * 100.0,
        vwap: None,
        trades: None,
        backfilled: true,
    }
}
