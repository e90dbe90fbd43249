//! Bridge as a stage: decodes alerts, applies the rules, and holds each alert until its request is acknowledged.
//!
//! **Order.** Requests are emitted by priority, then by age: the stage reorders (law P8).
//!
//! **Drain.** Batches of draining partitions are closed, and emitted while there are tokens, for one second. Then the remaining alerts
//! are released, to be redelivered to the next owner. So a rebalance never waits for the rate limit.

mod request;
mod restore;

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use chassis::telemetry::Scope;
use contracts::{Alert, Topic};
use domain::{AlertType, Symbol, SymbolError, Timestamp};
use hosting::Latency;
use kafka_io::{Bound, InRecord, KafkaStage, Note, OutRecord, Restore, Unavailable, Wire};
use kit::SaturatingFrom;
use metrics::Histogram;
use pipeline::{Effect, Effects, Epoch, InputPartition, Now, Reason, RecordId, Stage, Verdict};

use self::request::HeldAlert;
use self::restore::{RestoreCounts, Restored};
use crate::metric_names as names;
use crate::rules::batch::{Arrival, Batch, BatchKey};
use crate::rules::batcher::{Batcher, Limits};
use crate::rules::dedup::{Decision, Dedup, Occurrence};
use crate::rules::limiter::{Limiter, Rate};
use crate::rules::mapping::Mapping;
use crate::rules::priority::priority;
use crate::rules::requested_sets::{FEATURE_SETS_KEY, requested_sets};

/// The input topic.
pub const INPUT: Topic = Topic::AlertRaised;

/// The drop reason of an alert that adds nothing to its dedup window.
const DUPLICATE: Reason = Reason("duplicate");

/// The time that batches of draining partitions wait for tokens: an eighth of the default drain timeout.
const DRAIN_WAIT_MAX: Duration = Duration::from_secs(1);

/// The interval at which expired windows are evicted when there are no records.
const EXPIRE_EVERY: Duration = Duration::from_secs(60);

/// The error class of a manual alert with an unknown feature set.
const INVALID: &str = "invalid";

/// Settings of the stage.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// The dedup window before and after its first alert, in event time.
    pub window: Duration,
    /// Maximum number of dedup windows per partition.
    pub partition_windows_max: usize,
    /// Limits of batches.
    pub limits: Limits,
    /// Rate limit of requests.
    pub rate: Rate,
}

/// The stage.
pub struct BridgeStage {
    wire: Wire,
    mapping: Mapping,
    dedup: Dedup,
    batcher: Batcher<HeldAlert>,
    limiter: Limiter,
    passed_symbols: u64,
    delayed_batches: u64,
    rejected_batches: u64,
    /// The time for which each requested batch was ready, in seconds.
    limiter_delay: Histogram,
    /// The monotonic time of the last tick, for which the tokens are exported.
    ticked: Duration,
    /// `true` while the next batch waits for tokens.
    is_delayed: bool,
    assigned: HashSet<i32>,
    /// The draining partitions, with the monotonic time at which their drain started.
    draining: BTreeMap<i32, Duration>,
    restores: [Restore; 2],
    restore_counts: RestoreCounts,
    latency: Latency,
}

impl BridgeStage {
    /// Creates a stage without partitions.
    #[must_use]
    pub fn new(wire: Wire, mapping: Mapping, settings: Settings) -> Self {
        let window_micros = i64::saturating_from(settings.window.as_micros());
        let dedup = Dedup::new(window_micros, settings.partition_windows_max);
        Self {
            wire,
            mapping,
            restores: restore::topics(dedup.kept()),
            restore_counts: RestoreCounts::default(),
            dedup,
            batcher: Batcher::new(settings.limits),
            limiter: Limiter::new(settings.rate, Duration::ZERO),
            passed_symbols: 0,
            delayed_batches: 0,
            rejected_batches: 0,
            limiter_delay: Histogram::noop(),
            ticked: Duration::ZERO,
            is_delayed: false,
            assigned: HashSet::new(),
            draining: BTreeMap::new(),
            latency: Latency::new(&Scope::nowhere(), &names::ALERT_TO_REQUEST),
        }
    }

    /// Records the delay of each batch by the limiter with this handle; without it, delays are not recorded.
    #[must_use]
    pub fn with_limiter_delay(mut self, limiter_delay: Histogram) -> Self {
        self.limiter_delay = limiter_delay;
        self
    }

    /// Records the latency of requests with `latency`.
    #[must_use]
    pub fn with_latency(self, latency: Latency) -> Self {
        Self { latency, ..self }
    }

    fn update_share(&mut self, now: Now) {
        let owned = u32::saturating_from(self.assigned.len());
        let total = u32::try_from(self.wire.partitions()).unwrap_or(1);
        self.limiter.set_share(owned, total, now.monotonic);
    }

    fn process_alert(
        &mut self,
        id: RecordId,
        record: &InRecord<'_>,
        now: Now,
    ) -> Result<Verdict<OutRecord>, SymbolError> {
        let wall = Timestamp::from_micros(now.wall_micros);
        let alert: Alert = match self.wire.read(record, wall) {
            Ok(alert) => alert,
            Err(failure) => return Ok(failure.into()),
        };
        let symbol = Symbol::parse(&alert.symbol)?;
        let row = *self.mapping.row(alert.alert_type);
        let priority = priority(alert.score, row.boost);
        let occurred_at = Timestamp::from_micros(alert.occurred_at);
        let partition = id.input.partition;
        let (sets, window) = if alert.alert_type == AlertType::Manual {
            let listed = alert.metadata.get(FEATURE_SETS_KEY).map(String::as_str);
            match requested_sets(listed, row.sets) {
                Ok(sets) => (sets, None),
                Err(error) => {
                    let dead_letter = self.wire.dead_letter(record, INVALID, &error.to_string());
                    return Ok(Verdict::Reject(dead_letter));
                }
            }
        } else {
            let occurrence = Occurrence { symbol, occurred_at, sets: row.sets, priority };
            match self.dedup.process(partition, id.offset, occurrence, wall) {
                Decision::Pass { window } => (row.sets, window),
                Decision::Duplicate => return Ok(Verdict::Drop(DUPLICATE)),
            }
        };
        let traceparent = record.traceparent.map(str::to_owned);
        let arrival = Arrival {
            id: HeldAlert { id, appended_micros: record.appended_at_micros(), traceparent },
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

    /// Emits ready batches while there are tokens.
    fn emit_ready(&mut self, now: Now, effects: &mut Effects<OutRecord>) {
        while let Some(symbols) = self.batcher.head() {
            if !self.limiter.take(symbols, now.monotonic) {
                self.rejected_batches += 1;
                self.delayed_batches += u64::from(!self.is_delayed);
                self.is_delayed = true;
                return;
            }
            self.passed_symbols += symbols as u64;
            self.is_delayed = false;
            let ready = self.batcher.head_ready().unwrap_or(now.monotonic);
            let Some(batch) = self.batcher.take() else { return };
            self.limiter_delay.record(now.monotonic.saturating_sub(ready).as_secs_f64());
            self.emit(&batch, now, effects);
        }
    }

    fn emit(&mut self, batch: &Batch<HeldAlert>, now: Now, effects: &mut Effects<OutRecord>) {
        let at = Timestamp::from_micros(now.wall_micros);
        for alert in &batch.windowed {
            self.dedup.announced(batch.key.partition, alert.symbol, alert.window.first_seen, at);
        }
        let ids = batch.ids.iter().map(|alert| alert.id);
        match request::write(&self.wire, batch, now) {
            Ok(record) => {
                let urgent = batch.key.priority.is_urgent();
                let oldest = batch.ids.iter().filter_map(|alert| alert.appended_micros).min();
                self.latency.record(oldest, now.wall_micros, urgent);
                effects.push(Effect::Emit { ids: ids.collect(), outputs: vec![record], urgent });
            }
            Err(error) => ids.for_each(|id| effects.push(self.wire.reject_unwritable(INPUT, id, &error))),
        }
    }
}

impl Stage for BridgeStage {
    type Record<'a> = InRecord<'a>;
    type Output = OutRecord;
    type Completion = ();

    fn assigned(&mut self, input: InputPartition, _epoch: Epoch, now: Now) {
        self.assigned.insert(input.partition);
        self.update_share(now);
    }

    fn unassigned(&mut self, input: InputPartition) {
        self.assigned.remove(&input.partition);
        self.draining.remove(&input.partition);
        self.dedup.unassigned(input.partition);
        self.batcher.remove_partition(input.partition);
    }

    fn process(
        &mut self,
        id: RecordId,
        record: InRecord<'_>,
        now: Now,
        _effects: &mut Effects<OutRecord>,
    ) -> Verdict<OutRecord> {
        // The contract has the same rule for symbols, so decoding fails first.
        let verdict = self.process_alert(id, &record, now);
        verdict.unwrap_or_else(|error| Verdict::Fail(format!("invalid alert {record:?}: {error}")))
    }

    fn completed(&mut self, (): (), _now: Now, _effects: &mut Effects<OutRecord>) {}

    fn tick(&mut self, now: Now, effects: &mut Effects<OutRecord>) {
        self.ticked = now.monotonic;
        self.update_share(now);
        self.dedup.expire(Timestamp::from_micros(now.wall_micros));
        self.batcher.tick(now.monotonic);
        self.emit_ready(now, effects);
    }

    fn drain(&mut self, inputs: &[InputPartition], now: Now, effects: &mut Effects<OutRecord>) {
        for input in inputs {
            self.draining.entry(input.partition).or_insert(now.monotonic);
        }
        self.batcher.close(|partition| self.draining.contains_key(&partition), now.monotonic);
        self.emit_ready(now, effects);
        for input in inputs {
            let since = self.draining.get(&input.partition).copied().unwrap_or_default();
            if now.monotonic.saturating_sub(since) >= DRAIN_WAIT_MAX {
                let alerts = self.batcher.remove_partition(input.partition);
                let ids: Vec<RecordId> = alerts.into_iter().map(|alert| alert.id).collect();
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
        let expiry = (!self.dedup.is_empty()).then_some(EXPIRE_EVERY);
        [ready, closing, expiry].into_iter().flatten().min()
    }
}

impl KafkaStage for BridgeStage {
    fn restores(&self) -> &[Restore] {
        &self.restores
    }

    fn restore_record(&mut self, record: &InRecord<'_>, now: Now) -> Result<(), Unavailable> {
        match restore::read(&self.wire, record, now)? {
            Restored::Request(alerts) => {
                for alert in alerts {
                    self.dedup.restore(record.partition, alert);
                }
                self.restore_counts.restored += 1;
            }
            Restored::Foreign => self.restore_counts.foreign += 1,
            Restored::Invalid => self.restore_counts.skipped += 1,
        }
        Ok(())
    }

    fn restore_abandoned(&mut self, partition: i32) {
        self.dedup.unassigned(partition);
    }

    fn bounds(&self) -> Vec<Bound> {
        let bound = |name, used, limit| Bound { name, used: used as u64, limit: limit as u64 };
        vec![
            bound("dedup_windows", self.dedup.held(), self.dedup.held_max()),
            bound("waiting_alerts", self.batcher.waiting(), self.batcher.waiting_max()),
        ]
    }

    fn notes(&self) -> Vec<Note> {
        vec![
            Note { name: names::DEDUP_WINDOWS.name, value: self.dedup.held() as u64 },
            Note { name: names::DEDUP_WINDOW_EVICTIONS.name, value: self.dedup.evicted_by_bound() },
            Note { name: names::WAITING_ALERTS.name, value: self.batcher.waiting() as u64 },
            Note { name: names::LIMITER_TOKENS.name, value: self.limiter.available(self.ticked).into() },
            Note { name: names::LIMITER_CAPACITY.name, value: self.limiter.capacity_symbols().into() },
            Note { name: names::LIMITER_PASSED.name, value: self.passed_symbols },
            Note { name: names::LIMITER_DELAYED.name, value: self.delayed_batches },
            Note { name: names::LIMITER_WAITING.name, value: self.batcher.ready_alerts() as u64 },
            Note { name: names::LIMITER_REJECTED.name, value: self.rejected_batches },
            Note { name: names::RESTORE_APPLIED.name, value: self.restore_counts.restored },
            Note { name: names::RESTORE_SKIPPED.name, value: self.restore_counts.skipped },
            Note { name: names::RESTORE_FOREIGN.name, value: self.restore_counts.foreign },
        ]
    }
}

#[cfg(test)]
mod tests;
