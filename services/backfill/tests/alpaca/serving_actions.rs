//! `GET /v1/corporate-actions` of the simulated server.

use std::collections::BTreeMap;

use domain::calendar::Date;
use serde_json::{Value, json};

use crate::server::{Parameters, Reply, limit_of, symbols_of};

/// A dividend of 0.25 with this ex-date, which is processed 20 days later.
pub(crate) fn dividend(id: u32, symbol: &str, ex_date: &str) -> (&'static str, Value) {
    let date: Date = ex_date.parse().expect("a date");
    let process_date = date.saturating_add(jiff::Span::new().days(20)).to_string();
    let body = json!({
        "id": uuid(id), "symbol": symbol, "cusip": "037833100", "rate": 0.25, "special": false, "foreign": false,
        "ex_date": ex_date, "process_date": process_date, "payable_date": process_date, "record_date": ex_date,
    });
    ("cash_dividends", body)
}

pub(crate) fn split(id: u32, symbol: &str, ex_date: &str, (new, old): (u32, u32)) -> (&'static str, Value) {
    let list = if new > old { "forward_splits" } else { "reverse_splits" };
    let mut body = json!({
        "id": uuid(id), "symbol": symbol, "new_rate": new, "old_rate": old, "ex_date": ex_date,
        "process_date": ex_date,
    });
    if new > old {
        body["cusip"] = "037833100".into();
    } else {
        body["old_cusip"] = "037833100".into();
        body["new_cusip"] = "037833200".into();
    }
    (list, body)
}

pub(crate) fn spin_off(id: u32, source: &str, new: &str, ex_date: &str) -> (&'static str, Value) {
    let body = json!({
        "id": uuid(id), "source_symbol": source, "source_cusip": "037833100", "source_rate": 19.35,
        "new_symbol": new, "new_cusip": "037833200", "new_rate": 1, "ex_date": ex_date, "process_date": ex_date,
    });
    ("spin_offs", body)
}

pub(crate) fn uuid(id: u32) -> String {
    format!("60bf91c2-0746-4d9b-8c9e-{id:012}")
}

/// Returns the response to a request: actions are selected by their process date, and sorted by symbol, process date and id; the limit
/// counts those of all types.
pub(crate) fn actions(
    held: &[(&'static str, Value)],
    parameters: &Parameters,
    page_max: Option<usize>,
) -> Result<Reply, String> {
    let symbols = symbols_of(parameters)?;
    let limit = limit_of(parameters, 100, 1_000)?;
    let date = |name: &str| match parameters.get(name) {
        None => Err(format!("{name} is required here")),
        Some(text) if text.parse::<Date>().is_ok_and(|date| date.to_string() == *text) => Ok(text.as_str()),
        Some(text) => Err(format!("invalid {name}: {text}")),
    };
    let (start, end) = (date("start")?, date("end")?);
    let after = parameters.get("page_token").map(|token| parse_token(token)).transpose()?;
    let mut found: Vec<&(&'static str, Value)> = held
        .iter()
        .filter(|(_, action)| {
            let processed = action["process_date"].as_str().expect("a date");
            let names = action.as_object().expect("an object").iter();
            let mut names = names.filter(|(field, _)| field.ends_with("symbol")).map(|(_, name)| name);
            (start..=end).contains(&processed)
                && after.as_ref().is_none_or(|after| key(action) > *after)
                && names.any(|name| symbols.contains(&name.as_str().expect("a name")))
        })
        .collect();
    found.sort_by_key(|(_, action)| key(action));
    let count = page_max.map_or(limit, |max| max.min(limit));
    let token = found.get(count).map(|_| make_token(&key(&found[count - 1].1)));
    found.truncate(count);
    let mut lists: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
    for (list, action) in found {
        lists.entry(list).or_default().push(action);
    }
    Ok(Reply::json(200, &json!({ "corporate_actions": lists, "next_page_token": token })))
}

type Key = [String; 3];

fn key(action: &Value) -> Key {
    let symbol = action.get("symbol").or(action.get("source_symbol")).expect("a symbol");
    [symbol, &action["process_date"], &action["id"]].map(|text| text.as_str().expect("a text").to_owned())
}

fn make_token(key: &Key) -> Value {
    format!("{}+/==", key.join("|")).into()
}

fn parse_token(token: &str) -> Result<Key, String> {
    let parts =
        token.strip_suffix("+/==").map(|token| token.split('|').map(str::to_owned).collect::<Vec<_>>());
    parts.and_then(|parts| parts.try_into().ok()).ok_or_else(|| format!("invalid page_token: {token}"))
}
