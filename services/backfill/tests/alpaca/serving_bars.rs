//! `GET /v2/stocks/bars` of the simulated server.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use domain::Timestamp;
use serde_json::{Value, json};

use crate::server::{Parameters, Reply, limit_of, symbols_of, time_of};

/// Bars by symbol and the vendor's name of the timeframe, ascending.
pub(crate) type Bars = BTreeMap<(String, String), Vec<Value>>;

/// Returns the response to a request; a page has at most `page_max` bars.
pub(crate) fn bars(held: &Bars, parameters: &Parameters, page_max: Option<usize>) -> Result<Reply, String> {
    let get = |name: &str| parameters.get(name).map(String::as_str);
    let symbols = symbols_of(parameters)?;
    let timeframe = get("timeframe").ok_or("timeframe is required")?;
    if !["1Min", "5Min", "1Hour", "1Day"].contains(&timeframe) {
        return Err(format!("invalid timeframe: {timeframe}"));
    }
    let limit = limit_of(parameters, 1_000, 10_000)?;
    let start = time_of(parameters, "start")?.unwrap_or(Timestamp::from_micros(0));
    let end = time_of(parameters, "end")?.unwrap_or(Timestamp::from_micros(4_000_000_000_000_000));
    let after = get("page_token").map(parse_token).transpose()?;
    let page_max = page_max.map_or(limit, |max| max.min(limit));
    Ok(page(held, (&symbols, timeframe), start..=end, after, page_max))
}

/// Pages are sorted by symbol, then by time; the limit counts the bars of all symbols.
fn page(
    held: &Bars,
    (symbols, timeframe): (&[&str], &str),
    range: RangeInclusive<Timestamp>,
    after: Option<(String, Timestamp)>,
    limit: usize,
) -> Reply {
    let mut page: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
    let (mut count, mut last, mut token) = (0, None, Value::Null);
    'symbols: for symbol in symbols {
        for bar in held.get(&((*symbol).to_owned(), timeframe.to_owned())).into_iter().flatten() {
            let time = bar_time(bar);
            let key = ((*symbol).to_owned(), time);
            if !range.contains(&time) || after.as_ref().is_some_and(|after| key <= *after) {
                continue;
            }
            if count == limit {
                token = last.map_or(Value::Null, |(symbol, time)| make_token(symbol, time));
                break 'symbols;
            }
            count += 1;
            last = Some((*symbol, time));
            page.entry(symbol).or_default().push(bar);
        }
    }
    Reply::json(200, &json!({ "bars": page, "next_page_token": token }))
}

fn bar_time(bar: &Value) -> Timestamp {
    Timestamp::parse(bar["t"].as_str().expect("a text")).expect("a time")
}

/// Opaque to clients. Like those of the vendor, it has characters that an address must escape.
fn make_token(symbol: &str, time: Timestamp) -> Value {
    format!("{symbol}|{}+/==", time.micros()).into()
}

fn parse_token(token: &str) -> Result<(String, Timestamp), String> {
    let parts = token.strip_suffix("+/==").and_then(|token| token.split_once('|'));
    let parts = parts.and_then(|(symbol, micros)| Some((symbol.to_owned(), micros.parse().ok()?)));
    let (symbol, micros) = parts.ok_or_else(|| format!("invalid page_token: {token}"))?;
    Ok((symbol, Timestamp::from_micros(micros)))
}
