//! Windows are found again in the bridge's own requests: a request and the offsets of its alerts leave in one transaction, so the
//! requests say what was asked. (ADR 043)

use std::time::Duration;

use contracts::{FeatureRequest, RequestedSymbol, Topic};
use domain::{Priority, Symbol, Timestamp};
use kafka_io::{InRecord, KafkaStage, Note, Restore, Unavailable};
use pipeline::Now;

use super::{BridgeStage, REQUESTER};
use crate::metric_names as names;
use crate::rules::dedup::Told;
use crate::rules::marks;

/// The header that carries a request's marks; a request without it has no alert that lies in a window.
pub(super) const MARKS: &str = "tapeline.windows";

/// Clocks of brokers and of ours don't agree, and a transaction takes its time: read so much further back than has to be.
const MARGIN: Duration = Duration::from_secs(60);

/// What came of reading requests again.
#[derive(Debug, Default)]
pub(super) struct Counts {
    /// Requests whose marks were taken.
    read: u64,
    /// Requests that can't be read.
    skipped: u64,
    /// Requests of somebody else, who should not write here.
    foreign: u64,
}

/// The topics that are read again, when a window is forgotten so long after its first announcement. A window that is held was first
/// announced within that time; but who joined it within that time may have joined one that was announced as long before, and is
/// over. Read twice as far, its first announcement is found and says so.
pub(super) fn topics(kept: Duration) -> [Restore; 2] {
    [Topic::BatchRequested, Topic::BatchUrgent].map(|topic| Restore { topic, back: kept * 2 + MARGIN })
}

impl KafkaStage for BridgeStage {
    fn restores(&self) -> &[Restore] {
        &self.restores
    }

    fn restore_record(&mut self, record: &InRecord<'_>, now: Now) -> Result<(), Unavailable> {
        let request = self.wire.read_table::<FeatureRequest>(record)?;
        if request.as_ref().is_some_and(|request| request.requester != REQUESTER) {
            self.restored.foreign += 1;
            return Ok(());
        }
        let appended_at = Timestamp::from_micros(record.appended_at_micros().unwrap_or(now.wall_micros));
        let told = match (request, record.headers.get(MARKS)) {
            (Some(request), Some(marks)) => told(&request, marks, appended_at),
            (Some(_), None) => Some(Vec::new()),
            (None, _) => None,
        };
        let Some(told) = told else {
            self.restored.skipped += 1;
            return Ok(());
        };
        for told in told {
            self.dedup.restore(record.partition, told);
        }
        self.restored.read += 1;
        Ok(())
    }

    fn restore_abandoned(&mut self, partition: i32) {
        self.dedup.released(partition);
    }

    fn notes(&self) -> Vec<Note> {
        vec![
            Note { name: names::DEDUP_WINDOWS.name, value: self.dedup.held() as u64 },
            Note { name: names::DEDUP_WINDOW_EVICTIONS.name, value: self.dedup.forgotten_by_bound() },
            Note { name: names::WAITING_ALERTS.name, value: self.batcher.waiting() as u64 },
            Note { name: names::LIMITER_CAPACITY.name, value: self.limiter.capacity_symbols().into() },
            Note { name: names::LIMITER_PASSED.name, value: self.passed_symbols },
            Note { name: names::LIMITER_DELAYED.name, value: self.delayed_batches },
            Note { name: names::RESTORE_APPLIED.name, value: self.restored.read },
            Note { name: names::RESTORE_SKIPPED.name, value: self.restored.skipped },
            Note { name: names::RESTORE_FOREIGN.name, value: self.restored.foreign },
        ]
    }
}

/// What a request and its marks tell; none when the marks are none.
fn told(request: &FeatureRequest, marks: &[u8], appended_at: Timestamp) -> Option<Vec<Told>> {
    let named = |asked: &RequestedSymbol| {
        Some((Symbol::parse(&asked.symbol).ok()?, Timestamp::from_micros(asked.first_seen)))
    };
    let symbols: Vec<_> = request.symbols.iter().map(named).collect::<Option<_>>()?;
    let marks = marks::read(std::str::from_utf8(marks).ok()?, &symbols)?;
    let (sets, priority) = (request.sets(), Priority::new(request.priority).ok()?);
    Some(marks.into_iter().map(|mark| Told { mark, sets, priority, appended_at }).collect())
}
