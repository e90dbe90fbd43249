//! Ids of events, traces and backfills.

use domain::{DataType, Layer, Symbol, Timestamp};
use uuid::Uuid;

use crate::wire::BackfillTrigger;

/// UUID namespace of backfill ids. It must never change.
const BACKFILLS: Uuid = Uuid::from_u128(0x6f1c_2b5a_93d7_4e08_a1f4_7d20_c95b_38e6);

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
