//! Names of things that the wire needs unique: random where they only have to differ, computed where they have to be found again.

use domain::{DataType, Layer, Symbol, Timestamp};
use uuid::Uuid;

use crate::wire::BackfillTrigger;

/// The namespace of backfill ids: drawn once, never to change.
const BACKFILLS: Uuid = Uuid::from_u128(0x6f1c_2b5a_93d7_4e08_a1f4_7d20_c95b_38e6);

/// A W3C trace context (`traceparent`) that begins with this event: its id, a UUID, is the trace's; the second half of it the span's.
#[must_use]
pub fn traceparent(event_id: &str) -> String {
    let hex: String = event_id.chars().filter(char::is_ascii_hexdigit).collect();
    let span = hex.get(16..).unwrap_or_default();
    format!("00-{hex}-{span}-01")
}

/// A new event id: UUID v7, so that ids sort by the time they were made.
#[must_use]
pub fn event_id() -> String {
    Uuid::now_v7().to_string()
}

/// The id of a backfill: UUID v5 of all that it is about, so that a fact that is delivered twice names the same backfill.
///
/// `end` is the last instant, as on the wire; neither order nor repetition of the data types matters.
#[must_use]
pub fn backfill_id(
    symbol: Symbol,
    layer: Layer,
    data_types: &[DataType],
    start: Timestamp,
    end: Timestamp,
    trigger: BackfillTrigger,
) -> String {
    let mut names: Vec<&str> = data_types.iter().map(|data_type| data_type.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    let identity =
        format!("{symbol}|{layer}|{}|{}|{}|{trigger}", names.join(","), start.micros(), end.micros());
    Uuid::new_v5(&BACKFILLS, identity.as_bytes()).to_string()
}
