//! Pages with an error in their content.

use serde_json::{Value, json};

use crate::failures::Failure;
use crate::server::Parameters;

/// Corrupts the page of any endpoint.
pub(crate) fn corrupt(failure: Failure, page: &mut Value, parameters: &Parameters) {
    let symbol = parameters["symbols"].split(',').next().expect("a symbol").to_owned();
    match failure {
        Failure::NoToken => {
            page.as_object_mut().expect("an object").remove("next_page_token");
        }
        Failure::RepeatedToken => page["next_page_token"] = parameters["page_token"].clone().into(),
        Failure::EndlessPages => {
            let number = parameters.get("page_token").map_or(0, |token| token.len()) + 1;
            *page = json!({ "bars": {}, "next_page_token": "x".repeat(number) });
        }
        _ if page.get("news").is_some() => corrupt_news(failure, &mut page["news"]),
        _ if page.get("corporate_actions").is_some() => {
            corrupt_actions(failure, &mut page["corporate_actions"]["cash_dividends"]);
        }
        Failure::OtherSymbol => page["bars"]["MSFT"] = page["bars"][&symbol].clone(),
        _ => corrupt_bars(failure, &mut page["bars"][&symbol]),
    }
}

/// Returns the items, and the index of the last one.
fn items(list: &mut Value) -> (&mut Vec<Value>, usize) {
    let items = list.as_array_mut().expect("a list");
    let last = items.len() - 1;
    (items, last)
}

fn corrupt_bars(failure: Failure, list: &mut Value) {
    let (bars, last) = items(list);
    match failure {
        Failure::OutOfOrder => bars.swap(last - 1, last),
        Failure::Duplicate => bars.push(bars[last].clone()),
        Failure::OutOfRange => bars[last]["t"] = "2031-01-02T05:00:00Z".into(),
        Failure::Unaligned => bars[0]["t"] = "2024-01-02T05:00:01Z".into(),
        Failure::InvalidTime => bars[last]["t"] = "yesterday".into(),
        Failure::ZeroPrice => bars[last]["l"] = 0.into(),
        Failure::HighBelowLow => bars[last]["h"] = 1.into(),
        Failure::NegativeVolume => bars[last]["v"] = (-1).into(),
        Failure::TextAsPrice => bars[last]["o"] = "101.5".into(),
        other => panic!("{other:?} does not corrupt a bar"),
    }
}

fn corrupt_news(failure: Failure, list: &mut Value) {
    let (news, last) = items(list);
    match failure {
        Failure::OutOfOrder => news.swap(last - 1, last),
        Failure::Duplicate => news.push(news[last].clone()),
        Failure::OtherSymbol => news[last]["symbols"] = json!(["MSFT", "$BTC"]),
        Failure::OutOfRange => {
            news[last]["created_at"] = "2031-01-02T05:00:00Z".into();
            news[last]["updated_at"] = "2031-01-02T05:00:00Z".into();
        }
        Failure::InvalidTime => news[last]["updated_at"] = "yesterday".into(),
        Failure::UpdatedBeforeCreated => news[last]["created_at"] = "2031-01-02T05:00:00Z".into(),
        Failure::TextAsId => news[last]["id"] = "seven".into(),
        Failure::EmptyHeadline => news[last]["headline"] = " ".into(),
        Failure::LongHeadline => news[last]["headline"] = "é".repeat(2_049).into(),
        Failure::MissingField => {
            news[last].as_object_mut().expect("an object").remove("created_at");
        }
        other => panic!("{other:?} does not corrupt an article"),
    }
}

fn corrupt_actions(failure: Failure, list: &mut Value) {
    let (actions, last) = items(list);
    match failure {
        Failure::Duplicate => actions.push(actions[last].clone()),
        Failure::OtherSymbol => actions[last]["symbol"] = "MSFT".into(),
        Failure::OutOfRange => {
            actions[last]["ex_date"] = "2031-01-02".into();
            actions[last]["process_date"] = "2031-01-02".into();
        }
        Failure::InvalidTime => actions[last]["ex_date"] = "2024-02-30".into(),
        Failure::TextAsPrice => actions[last]["rate"] = "0.25".into(),
        Failure::NegativeRate => actions[last]["rate"] = (-0.25).into(),
        Failure::MissingField => {
            actions[last].as_object_mut().expect("an object").remove("ex_date");
        }
        other => panic!("{other:?} does not corrupt an action"),
    }
}
