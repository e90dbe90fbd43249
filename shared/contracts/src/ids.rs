//! Ids of events, traces and backfills.

use domain::{DataType, Layer, Symbol, Timestamp};
use uuid::Uuid;

use crate::wire::BackfillTrigger;

/// UUID namespace of backfill ids. It must never change.
const BACKFILLS: Uuid = Uuid::from_u128(0x6f1c_2b5a_93d7_4e08_a1f4_7d20_c95b_38e6);

/// UUID namespace of news items. It must never change.
const NEWS: Uuid = Uuid::from_u128(0x2f0e_58c1_74ab_4d39_9b60_e3d1_5a8c_04f7);

/// UUID namespace of corporate actions. It must never change.
const ACTIONS: Uuid = Uuid::from_u128(0xc81d_4b76_0e2f_4a95_8d13_6f70_b2ca_97e4);

/// Returns a W3C trace context (`traceparent`) that starts with an event: the event id, a UUID, is the trace id, its second half
/// the span id.
#[must_use]
pub fn traceparent(event_id: &str) -> String {
    let hex: String = event_id.chars().filter(char::is_ascii_hexdigit).collect();
    let span = hex.get(16..).unwrap_or_default();
    format!("00-{hex}-{span}-01")
}

/// Returns a new event id: a UUID v7, so ids sort by their time of creation.
#[must_use]
pub fn event_id() -> String {
    Uuid::now_v7().to_string()
}

/// Returns the id of a backfill: a UUID v5 of its identity, so a redelivered event leads to the same backfill.
///
/// `end` is the last instant, as on the wire. Order and repetition of the data types have no effect. A range that is fetched again
/// although it is covered (`refetch`) is another backfill.
#[must_use]
pub fn backfill_id(
    symbol: Symbol,
    layer: Layer,
    data_types: &[DataType],
    (start, end): (Timestamp, Timestamp),
    trigger: BackfillTrigger,
    refetch: bool,
) -> String {
    let mut names: Vec<&str> = data_types.iter().map(|data_type| data_type.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    let refetch = if refetch { "|refetch" } else { "" };
    let (names, start, end) = (names.join(","), start.micros(), end.micros());
    let identity = format!("{symbol}|{layer}|{names}|{start}|{end}|{trigger}{refetch}");
    Uuid::new_v5(&BACKFILLS, identity.as_bytes()).to_string()
}

/// Returns the event id of a news item: a UUID v5 of the source, its article id and the symbol, so that an item that is fetched again is
/// the same event. The name of the source has no `|`.
#[must_use]
pub fn news_id(source: &str, symbol: Symbol, article_id: &str) -> String {
    Uuid::new_v5(&NEWS, format!("{source}|{symbol}|{article_id}").as_bytes()).to_string()
}

/// Returns the event id of a corporate action: a UUID v5 of the source and its action id. The name of the source has no `|`.
#[must_use]
pub fn action_id(source: &str, action_id: &str) -> String {
    Uuid::new_v5(&ACTIONS, format!("{source}|{action_id}").as_bytes()).to_string()
}
