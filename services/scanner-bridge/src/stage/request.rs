//! Request of a batch: the event and its headers.

use contracts::{EncodeError, FeatureRequest, RequestedSymbol, ids};
use domain::{Priority, Timestamp};
use kafka_io::{OutRecord, Wire};
use pipeline::{Now, RecordId};

use crate::rules::batch::Batch;
use crate::rules::windows_header::WindowsHeader;

/// The source and requester of all requests of the bridge.
pub(super) const REQUESTER: &str = "scanner-bridge";

/// The header with the dedup windows of a request's alerts. A request without it has no alert in a window.
pub(super) const WINDOWS: &str = "tapeline.windows";

/// The header with the traces of all alerts of a batch but the first.
const LINKS: &str = "tapeline.trace-links";

/// Maximum number of linked traces: 55 bytes each. `kafka_io` reads a trace only from `traceparent`.
const LINKS_MAX: usize = 32;

/// The record of a held alert, its append time and its trace.
#[derive(Debug, Clone)]
pub(super) struct HeldAlert {
    pub(super) id: RecordId,
    pub(super) appended_micros: Option<i64>,
    pub(super) traceparent: Option<String>,
}

/// Returns the record of a batch's request. Its trace is that of the first alert; the other traces are linked.
///
/// # Errors
/// The request cannot be encoded.
pub(super) fn write(wire: &Wire, batch: &Batch<HeldAlert>, now: Now) -> Result<OutRecord, EncodeError> {
    let traceparent = batch.ids.first().and_then(|alert| alert.traceparent.as_deref());
    let mut record = wire.write(&event(batch, now), traceparent)?;
    if !batch.windowed.is_empty() {
        let header = WindowsHeader { members: &batch.members, windowed: &batch.windowed };
        record = record.with_header(WINDOWS, header.to_string());
    }
    let links = batch.ids.iter().skip(1).filter_map(|alert| alert.traceparent.as_deref());
    let links: Vec<&str> = links.take(LINKS_MAX).collect();
    if !links.is_empty() {
        record = record.with_header(LINKS, links.join(","));
    }
    Ok(record)
}

fn event(batch: &Batch<HeldAlert>, now: Now) -> FeatureRequest {
    let newest = batch.members.iter().map(|member| member.occurred_at).max();
    let symbols = batch.members.iter().map(|member| RequestedSymbol {
        symbol: member.symbol.to_string(),
        first_seen: member.first_seen().micros(),
        occurred_at: member.occurred_at.micros(),
    });
    FeatureRequest {
        event_id: ids::event_id(),
        occurred_at: newest.map_or(now.wall_micros, Timestamp::micros),
        source: REQUESTER.to_owned(),
        correlation_id: batch.correlation_ids.first().cloned(),
        request_id: ids::event_id(),
        symbols: symbols.collect(),
        feature_sets: batch.key.sets.iter().map(|set| set.as_str().to_owned()).collect(),
        timeframe: batch.key.timeframe.as_str().to_owned(),
        priority: i32::from(Priority::get(batch.key.priority)),
        requester: REQUESTER.to_owned(),
        source_scanners: batch.source_scanners.clone(),
        correlation_ids: batch.correlation_ids.clone(),
        requested_at: now.wall_micros,
    }
}
