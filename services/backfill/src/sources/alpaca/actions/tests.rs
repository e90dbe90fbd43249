use domain::Timestamp;
use serde_json::{Value, json};

use super::*;

fn symbol(name: &str) -> Symbol {
    Symbol::parse(name).unwrap()
}

fn day(text: &str) -> Date {
    text.parse().unwrap()
}

fn dates() -> ActionDates {
    ActionDates { first: day("2023-01-01"), last: day("2024-12-31") }
}

/// Returns the actions of a page for this symbol.
fn read(name: &str, unknown: &UnknownTypes, page: &Value) -> Result<Vec<Action>, PageError> {
    let mut actions = Actions::new(&[symbol(name)], dates(), unknown);
    let body = json!({ "corporate_actions": page, "next_page_token": null });
    actions.add(serde_json::from_str(&body.to_string()).unwrap())?;
    Ok(actions.into_records().remove(&symbol(name)).unwrap())
}

#[test]
fn requested_dates_have_the_process_dates_of_dividends() {
    let at = |text| Timestamp::parse(text).unwrap();
    let range = Interval::new(at("2024-06-03T04:00:00Z"), at("2024-06-05T04:00:00Z")).unwrap();
    let expected = ActionDates { first: day("2024-05-04"), last: day("2025-07-09") };
    assert_eq!(ActionDates::of(range), expected);
}

#[test]
fn each_type_has_its_symbol_date_and_terms() {
    let date = "2023-08-22";
    let cases = [
        ("forward_splits", json!({"symbol": "A", "ex_date": date, "new_rate": 3, "old_rate": 2})),
        ("reverse_splits", json!({"symbol": "A", "ex_date": date, "new_rate": 1, "old_rate": 50})),
        ("stock_dividends", json!({"symbol": "A", "ex_date": date, "rate": 0.05})),
        ("cash_dividends", json!({"symbol": "A", "ex_date": date, "rate": 0.125, "special": false})),
        ("spin_offs", json!({"source_symbol": "A", "new_symbol": "B", "ex_date": date, "new_rate": 1})),
        (
            "rights_distributions",
            json!({"source_symbol": "A", "new_symbol": "B", "ex_date": date, "rate": 1}),
        ),
        ("unit_splits", json!({"old_symbol": "A", "new_symbol": "B", "effective_date": date, "new_rate": 1})),
        ("stock_mergers", json!({"acquiree_symbol": "A", "acquirer_symbol": "B", "effective_date": date})),
        ("cash_mergers", json!({"acquiree_symbol": "A", "effective_date": date, "rate": 5.37})),
        ("stock_and_cash_mergers", json!({"acquiree_symbol": "A", "effective_date": date, "cash_rate": 7.8})),
        ("redemptions", json!({"symbol": "A", "rate": 0.25})),
        ("name_changes", json!({"old_symbol": "A", "new_symbol": "B"})),
        ("worthless_removals", json!({"symbol": "A"})),
    ];
    let (split, dividend, other) = (ActionKind::Split, ActionKind::Dividend, ActionKind::Other);
    let expected = [
        (split, Some(1.5), None),
        (split, Some(0.02), None),
        (split, Some(1.05), None),
        (dividend, None, Some(0.125)),
        (other, None, None),
        (other, None, None),
        (other, None, None),
        (other, None, None),
        (other, None, Some(5.37)),
        (other, None, Some(7.8)),
        (other, None, Some(0.25)),
        (other, None, None),
        (other, None, None),
    ];
    assert_eq!(cases.len(), TYPES.len());
    for ((list, mut item), (kind, ratio, amount)) in cases.into_iter().zip(expected) {
        item["id"] = "X".into();
        // Of types without an ex-date or effective date, this is the date.
        let is_dated = item.get("ex_date").or(item.get("effective_date")).is_some();
        item["process_date"] = if is_dated { "2023-09-30" } else { date }.into();
        let unknown = UnknownTypes::default();
        let action = Action { id: "X".to_owned(), kind, ex_date: day(date), announced: None, ratio, amount };
        assert_eq!(read("A", &unknown, &json!({ list: [item] })).unwrap(), [action], "{list}");
        // The action of A alone.
        if item_names(&item, "B") {
            assert_eq!(read("B", &unknown, &json!({ list: [item] })).unwrap(), [], "{list}");
        }
    }
}

fn item_names(item: &Value, name: &str) -> bool {
    item.as_object().unwrap().values().any(|value| value == name)
}

#[test]
fn unknown_types_are_noted_once_and_not_read() {
    let unknown = UnknownTypes::default();
    for _ in 0..2 {
        let page = json!({ "tender_offers": [{ "id": 1 }, { "id": 2 }] });
        assert_eq!(read("A", &unknown, &page).unwrap(), []);
    }
    assert_eq!(*unknown.0.lock().unwrap(), BTreeSet::from(["tender_offers".to_owned()]));
}

#[test]
fn invalid_terms_and_dates_are_errors_of_their_item() {
    let valid = json!({
        "id": "X", "symbol": "A", "ex_date": "2023-08-22", "process_date": "2023-08-22",
        "new_rate": 2, "old_rate": 1,
    });
    let changes = [
        ("id", json!(""), "id is empty"),
        ("id", json!("x".repeat(257)), "id has 257 bytes"),
        ("symbol", json!("B"), "no requested symbol"),
        ("ex_date", Value::Null, "no ex_date"),
        ("ex_date", json!("yesterday"), "invalid ex_date"),
        ("process_date", json!("2023-13-01"), "invalid process_date"),
        ("new_rate", json!(0), "new_rate 0 is not above 0"),
        ("new_rate", json!(20_000), "new_rate / old_rate 20000 is not above 0, to 10000"),
        ("old_rate", json!(-1), "old_rate -1 is not above 0"),
        ("old_rate", json!("1"), "not of the documented form"),
    ];
    for (field, value, expected) in changes {
        let (first, mut item) = (valid.clone(), valid.clone());
        item["id"] = "Y".into();
        item[field] = value;
        let error = read("A", &UnknownTypes::default(), &json!({ "forward_splits": [first, item] }));
        let text = kit::ErrorChain(&error.unwrap_err()).to_string();
        assert!(text.starts_with("item 2 of forward_splits: ") && text.contains(expected), "{field}: {text}");
    }
    let error = read("A", &UnknownTypes::default(), &json!({ "forward_splits": [valid, valid] }));
    assert!(kit::ErrorChain(&error.unwrap_err()).to_string().ends_with("id \"X\" repeats"));
}
