//! Restoration of dedup windows from the bridge's own requests.
//!
//! A request and the offsets of its alerts are committed in one transaction, so the committed requests determine what was requested
//! (ADR 043).

use std::time::Duration;

use contracts::{FeatureRequest, RequestedSymbol, Topic};
use domain::{Priority, Symbol, Timestamp};
use kafka_io::{InRecord, Restore, Unavailable, Wire};
use pipeline::Now;

use super::request::{REQUESTER, WINDOWS};
use crate::rules::dedup::RestoredAlert;
use crate::rules::windows_header;

/// The time by which restoration starts earlier than the windows require: for the difference between the clocks of brokers and
/// services, and for the duration of a transaction.
const MARGIN: Duration = Duration::from_secs(60);

/// The content of a record of the request topics.
pub(super) enum Restored {
    /// The alerts of a request that are in a window.
    Request(Vec<RestoredAlert>),
    /// A request of another requester, which should not write to these topics.
    Foreign,
    /// It cannot be decoded, or its header is invalid.
    Invalid,
}

/// Counts of restored records.
#[derive(Debug, Default)]
pub(super) struct RestoreCounts {
    pub(super) restored: u64,
    pub(super) skipped: u64,
    pub(super) foreign: u64,
}

/// Returns the topics to restore from, for windows that expire `kept` after their first announcement.
///
/// A window that is not expired was announced within that time, but an alert that joined within that time may have joined a window
/// that was announced as long before, and is expired. Restoration starts twice as far back, so that it finds the first announcement
/// of such a window.
pub(super) fn topics(kept: Duration) -> [Restore; 2] {
    [Topic::BatchRequested, Topic::BatchUrgent].map(|topic| Restore { topic, back: kept * 2 + MARGIN })
}

/// Reads a record of the request topics.
///
/// # Errors
/// The schema of the record cannot be fetched now.
pub(super) fn read(wire: &Wire, record: &InRecord<'_>, now: Now) -> Result<Restored, Unavailable> {
    let Some(request) = wire.read_table::<FeatureRequest>(record)? else { return Ok(Restored::Invalid) };
    if request.requester != REQUESTER {
        return Ok(Restored::Foreign);
    }
    let Some(header) = record.headers.get(WINDOWS) else { return Ok(Restored::Request(Vec::new())) };
    let appended_at = Timestamp::from_micros(record.appended_at_micros().unwrap_or(now.wall_micros));
    Ok(alerts(&request, header, appended_at).map_or(Restored::Invalid, Restored::Request))
}

/// Returns the alerts of a request. `None` if the header is invalid.
fn alerts(request: &FeatureRequest, header: &[u8], appended_at: Timestamp) -> Option<Vec<RestoredAlert>> {
    let window = |requested: &RequestedSymbol| {
        Some((Symbol::parse(&requested.symbol).ok()?, Timestamp::from_micros(requested.first_seen)))
    };
    let symbols: Vec<_> = request.symbols.iter().map(window).collect::<Option<_>>()?;
    let alerts = windows_header::parse(std::str::from_utf8(header).ok()?, &symbols)?;
    let (sets, priority) = (request.sets(), Priority::new(request.priority).ok()?);
    Some(alerts.into_iter().map(|alert| RestoredAlert { alert, sets, priority, appended_at }).collect())
}
