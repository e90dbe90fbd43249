//! Restoration of the announcer's windows from its own announcements.
//!
//! An announcement and the offset of its proposal are committed in one transaction, so the committed announcements determine the
//! windows (ADR 043).

use std::time::Duration;

use contracts::{Event, Promotion, Qualification, Topic};
use domain::{Layer, Symbol, Timestamp};
use kafka_io::{InRecord, OutRecord, Restore, Unavailable, Wire};

use crate::rules::announce::Announcement;

/// The header of an announcement that opened no window, because its occurrence is older than the existing window.
const OPENS: &str = "tapeline.window";

/// The value of [`OPENS`].
const NONE: &[u8] = b"none";

/// The time by which restoration starts earlier than the windows require: for the difference between the clocks of brokers and
/// services, and for the duration of a transaction.
const MARGIN: Duration = Duration::from_secs(60);

/// The content of an announcement.
pub(super) enum Restored {
    Window {
        announcement: Announcement,
        occurred_at: Timestamp,
    },
    /// It opened no window.
    NoWindow,
    /// It cannot be decoded.
    Invalid,
}

/// Returns the topics to restore from, for windows that are kept for this duration.
pub(super) fn topics(kept: Duration) -> [Restore; 2] {
    [Topic::SymbolQualified, Topic::SymbolPromoted].map(|topic| Restore { topic, back: kept + MARGIN })
}

/// Marks an announcement that opened no window.
pub(super) fn opens_none(output: OutRecord) -> OutRecord {
    output.with_header(OPENS, NONE)
}

/// Reads an announcement.
///
/// # Errors
/// The schema of the record cannot be fetched now.
pub(super) fn read(wire: &Wire, record: &InRecord<'_>) -> Result<Restored, Unavailable> {
    if record.headers.get(OPENS) == Some(NONE) {
        return Ok(Restored::NoWindow);
    }
    let restored = match record.topic {
        Topic::SymbolQualified => {
            let event: Option<Qualification> = wire.read_table(record)?;
            event.and_then(|event| window(&event, None, event.layer))
        }
        Topic::SymbolPromoted => {
            let event: Option<Promotion> = wire.read_table(record)?;
            event.and_then(|event| window(&event, Some(event.from_layer), event.to_layer))
        }
        _ => None,
    };
    Ok(restored.unwrap_or(Restored::Invalid))
}

fn window(event: &impl Event, from: Option<i32>, to: i32) -> Option<Restored> {
    let symbol = Symbol::parse(event.symbol()).ok()?;
    let from = from.map(Layer::from_number).transpose().ok()?;
    let announcement = Announcement::of(symbol, from, Layer::from_number(to).ok()?);
    Some(Restored::Window { announcement, occurred_at: Timestamp::from_micros(event.envelope().occurred_at) })
}
