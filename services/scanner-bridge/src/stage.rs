//! The bridge as a stage: an alert is decoded, judged by the rules, and held until the request that answers it is acknowledged.
//!
//! **Order.** Requests leave by priority, then by age: the stage reorders (P8).
//!
//! **Drain.** Batches of partitions that leave are closed and leave while there are tokens for them, for a second; what still waits
//! then is given back, and comes again to the next owner. So a rebalance never waits for the rate limit.

mod restore;

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use contracts::{Alert, FeatureRequest, RequestedSymbol, Topic, ids};
use domain::{AlertType, Priority, Symbol, Timestamp};
use kafka_io::{InRecord, OutRecord, Restore, Wire};
use pipeline::{Effect, Effects, Epoch, InputPartition, Now, Reason, RecordId, Stage, Verdict};

use crate::rules::batch::{Arrival, Batch, BatchKey};
use crate::rules::batcher::{Batcher, Limits};
use crate::rules::dedup::{Asking, Dedup, Judgement};
use crate::rules::limiter::{Limiter, Rate};
use crate::rules::manual::{FEATURE_SETS_KEY, asked_sets};
use crate::rules::mapping::Mapping;
use crate::rules::marks::Written;
use crate::rules::priority::priority;

/// The input topic.
pub const INPUT: Topic = Topic::AlertRaised;

/// What requests name as their source and requester.
const REQUESTER: &str = "scanner-bridge";

/// The alert says nothing that its window hasn't asked for.
const DUPLICATE: Reason = Reason("duplicate");

/// How long batches of partitions that leave wait for their tokens: an eighth of the budget that a drain has by default.
const DRAIN_PATIENCE: Duration = Duration::from_secs(1);

/// How often windows whose time is over are forgotten, traffic or not.
const EXPIRE_EVERY: Duration = Duration::from_secs(60);

/// The class of a manual alert that names sets which don't exist.
const INVALID: &str = "invalid";

/// What an operator may turn.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// The dedup window, both ways, in event time.
    pub window: Duration,
    /// Windows that a partition remembers at most.
    pub partition_windows_max: usize,
    /// When batches close.
    pub limits: Limits,
    /// How fast they may leave.
    pub rate: Rate,
}

/// An alert's record, and the trace that it belongs to.
#[derive(Debug, Clone)]
struct Waiting {
    id: RecordId,
    traceparent: Option<String>,
}

/// The stage.
pub struct BridgeStage {
    wire: Wire,
    mapping: Mapping,
    dedup: Dedup,
    batcher: Batcher<Waiting>,
    limiter: Limiter,
    passed_symbols: u64,
    delayed_batches: u64,
    /// Whether the batch at the head waits for its tokens.
    is_delayed: bool,
    assigned: HashSet<i32>,
    /// Partitions that are about to go, and since when (monotonic).
    leaving: BTreeMap<i32, Duration>,
    restores: [Restore; 2],
    restored: restore::Counts,
}

impl BridgeStage {
    /// A stage that owns nothing yet.
    #[must_use]
    pub fn new(wire: Wire, mapping: Mapping, settings: Settings) -> Self {
        let window_micros = i64::try_from(settings.window.as_micros()).unwrap_or(i64::MAX);
        let dedup = Dedup::new(window_micros, settings.partition_windows_max);
        Self {
            wire,
            mapping,
            restores: restore::topics(dedup.kept()),
            restored: restore::Counts::default(),
            dedup,
            batcher: Batcher::new(settings.limits),
            limiter: Limiter::new(settings.rate, Duration::ZERO),
            passed_symbols: 0,
            delayed_batches: 0,
            is_delayed: false,
            assigned: HashSet::new(),
            leaving: BTreeMap::new(),
        }
    }

    fn share(&mut self, now: Now) {
        let owned = u32::try_from(self.assigned.len()).unwrap_or(u32::MAX);
        let total = u32::try_from(self.wire.partitions()).unwrap_or(1);
        self.limiter.set_share(owned, total, now.monotonic);
    }

    fn take_in(
        &mut self,
        id: RecordId,
        record: &InRecord<'_>,
        now: Now,
    ) -> Result<Verdict<OutRecord>, String> {
        let wall = Timestamp::from_micros(now.wall_micros);
        let alert: Alert = match self.wire.read(record, wall) {
            Ok(alert) => alert,
            Err(refused) => return Ok(refused.into()),
        };
        let symbol = Symbol::parse(&alert.symbol).map_err(|fault| format!("{record:?}: {fault}"))?;
        let row = *self.mapping.row(alert.alert_type);
        let priority = priority(alert.score, row.boost);
        let occurred_at = Timestamp::from_micros(alert.occurred_at);
        let partition = id.input.partition;
        let (sets, window) = if alert.alert_type == AlertType::Manual {
            let named = alert.metadata.get(FEATURE_SETS_KEY).map(String::as_str);
            match asked_sets(named, row.sets) {
                Ok(sets) => (sets, None),
                Err(fault) => {
                    let letter = self.wire.dead_letter(record, INVALID, &fault.to_string());
                    return Ok(Verdict::Reject(letter));
                }
            }
        } else {
            let asking = Asking { symbol, occurred_at, sets: row.sets, priority };
            match self.dedup.process(partition, id.offset, asking, wall) {
                Judgement::Passes { window } => (row.sets, window),
                Judgement::Covered => return Ok(Verdict::Drop(DUPLICATE)),
            }
        };
        let traceparent = record.traceparent.map(str::to_owned);
        let arrival = Arrival {
            id: Waiting { id, traceparent },
            key: BatchKey { partition, priority, timeframe: row.timeframe, sets },
            symbol,
            window,
            offset: id.offset,
            occurred_at,
            correlation_id: alert.correlation_id.unwrap_or(alert.event_id),
            source_scanner: alert.source_scanner,
        };
        self.batcher.add(arrival, now.monotonic);
        Ok(Verdict::Hold)
    }

    /// Lets ready batches leave while there are tokens for them.
    fn release(&mut self, now: Now, effects: &mut Effects<OutRecord>) {
        while let Some(symbols) = self.batcher.head() {
            if !self.limiter.take(symbols, now.monotonic) {
                self.delayed_batches += u64::from(!self.is_delayed);
                self.is_delayed = true;
                return;
            }
            self.passed_symbols += symbols as u64;
            self.is_delayed = false;
            let Some(batch) = self.batcher.take() else { return };
            self.emit(batch, now, effects);
        }
    }

    fn emit(&mut self, batch: Batch<Waiting>, now: Now, effects: &mut Effects<OutRecord>) {
        let at = Timestamp::from_micros(now.wall_micros);
        for mark in &batch.marks {
            self.dedup.announced(batch.key.partition, mark.symbol, mark.window.first_seen, at);
        }
        let traceparent = batch.ids.first().and_then(|waiting| waiting.traceparent.clone());
        let request = request_of(&batch, now);
        let ids = batch.ids.iter().map(|waiting| waiting.id).collect();
        match self.wire.write(&request, traceparent.as_deref()) {
            Ok(mut record) => {
                if !batch.marks.is_empty() {
                    let marks = Written { members: &batch.members, marks: &batch.marks };
                    record = record.with_header(restore::MARKS, marks.to_string());
                }
                // A batch has many causes; the first gives the trace, the others are linked beside it.
                let links = batch.ids.iter().skip(1).filter_map(|waiting| waiting.traceparent.clone());
                let links: Vec<String> = links.take(LINKS_MAX).collect();
                if !links.is_empty() {
                    record = record.with_header(LINKS, links.join(","));
                }
                effects.push(Effect::Emit {
                    ids,
                    outputs: vec![record],
                    urgent: batch.key.priority.is_urgent(),
                });
            }
            Err(fault) => {
                for Waiting { id, .. } in &batch.ids {
                    effects.push(self.wire.reject_unwritable(INPUT, *id, &fault));
                }
            }
        }
    }
}

/// The header that carries the traces of a batch's other causes.
const LINKS: &str = "tapeline.trace-links";

/// Traces linked at most: 55 bytes each, as no other header is a trace to `kafka_io`.
const LINKS_MAX: usize = 32;

fn request_of(batch: &Batch<Waiting>, now: Now) -> FeatureRequest {
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

impl Stage for BridgeStage {
    type Record<'a> = InRecord<'a>;
    type Output = OutRecord;
    type Completion = ();

    fn assigned(&mut self, source: InputPartition, _epoch: Epoch, now: Now) {
        self.assigned.insert(source.partition);
        self.share(now);
    }

    fn unassigned(&mut self, source: InputPartition) {
        self.assigned.remove(&source.partition);
        self.leaving.remove(&source.partition);
        self.dedup.released(source.partition);
        self.batcher.forget(source.partition);
    }

    fn process(
        &mut self,
        id: RecordId,
        record: InRecord<'_>,
        now: Now,
        _effects: &mut Effects<OutRecord>,
    ) -> Verdict<OutRecord> {
        self.take_in(id, &record, now).unwrap_or_else(Verdict::Fail)
    }

    fn completed(&mut self, (): (), _now: Now, _effects: &mut Effects<OutRecord>) {}

    fn tick(&mut self, now: Now, effects: &mut Effects<OutRecord>) {
        self.share(now);
        self.dedup.expire(Timestamp::from_micros(now.wall_micros));
        self.batcher.tick(now.monotonic);
        self.release(now, effects);
    }

    fn drain(&mut self, sources: &[InputPartition], now: Now, effects: &mut Effects<OutRecord>) {
        for source in sources {
            self.leaving.entry(source.partition).or_insert(now.monotonic);
        }
        self.batcher.close(|partition| self.leaving.contains_key(&partition));
        self.release(now, effects);
        for source in sources {
            let since = self.leaving.get(&source.partition).copied().unwrap_or_default();
            if now.monotonic.saturating_sub(since) >= DRAIN_PATIENCE {
                let waiting = self.batcher.forget(source.partition);
                let ids: Vec<RecordId> = waiting.into_iter().map(|waiting| waiting.id).collect();
                if !ids.is_empty() {
                    effects.push(Effect::Release { ids });
                }
            }
        }
    }

    fn is_full(&self, _topic: u16) -> bool {
        self.batcher.is_full()
    }

    fn next_wake(&self, now: Now) -> Option<Duration> {
        let ready = self.batcher.head().and_then(|symbols| self.limiter.wait(symbols, now.monotonic));
        let closing = self.batcher.next_wake(now.monotonic);
        let expiry = (self.dedup.held() > 0).then_some(EXPIRE_EVERY);
        [ready, closing, expiry].into_iter().flatten().min()
    }
}

#[cfg(test)]
mod tests;
