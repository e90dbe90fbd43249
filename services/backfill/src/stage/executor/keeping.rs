//! Keeper of the stage: originates requests for the holes of wanted series.
//!
//! ```text
//!  tables loaded ─► pass over the wanted series ─► holes ─► one emission: requests, coverage with the requested ranges and the
//!                   (each minute, per partition)                 │         sessions that live bars complete
//!                                         requests topic ◄───────┘─► admission, as any other request
//! ```
//! **Exactly once.** A hole is requested because the restored coverage and live bars lack it and no request for it is noted. The emission that requests
//! it notes the request ([`Effect::Originate`]). After a crash the next owner restores both, or neither. Requests that are held, and the bound
//! of open requests, only delay a request. The bound holds over a restart: a pass begins when the requests of the partition have been received, so that all
//! open ones of previous owners are held.

use std::time::Duration;

use contracts::{BackfillTrigger, DataKind, EncodeError, RangeRequest, ids};
use domain::{Interval, IntervalSet, Layer, Priority, Timeframe, Timestamp};
use kafka_io::OutRecord;
use kit::SaturatingFrom;
use pipeline::{Effect, Effects, Epoch, InputPartition, Now};

use super::ExecutorStage;
use super::event_writer::Cause;
use super::keeper_passes::{OPEN_REQUESTS_MAX, Pass, SOURCE};
use super::request::Request;
use crate::rules::attempts::Attempt;
use crate::rules::keeper::{Hole, Keeper, KeptSeries, REQUESTED_MAX, Wanted};
use crate::rules::restated::DayChange;
use crate::rules::series::Series;

/// The time between two passes over the series of a partition.
const PASS_INTERVAL: Duration = Duration::from_secs(60);

/// The wait for the acknowledgement of earlier requests.
const ROOM_INTERVAL: Duration = Duration::from_millis(100);

/// Series that one call of the stage searches in a partition: a few milliseconds.
const SERIES_PER_TICK: usize = 50;

/// Result of the search of one series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Searched {
    Done,
    /// Earlier outputs are not acknowledged.
    NoRoom,
    /// The partition has too many open requests.
    TooManyOpen,
}

impl ExecutorStage {
    /// Requests the holes of wanted series in the partitions whose pass is due.
    pub(super) fn keep(&mut self, now: Now, effects: &mut Effects<OutRecord>) {
        let Some(keeper) = self.settings.keeper else { return };
        self.expire_live_bars(Timestamp::from_micros(now.wall_micros));
        let is_due = |pass: &Pass| pass.is_ready() && pass.due <= now.monotonic;
        let due = self.keeping.partitions.iter().filter(|(_, pass)| is_due(pass));
        let due = due.filter(|(partition, _)| self.has_live_bars(**partition));
        let due: Vec<(i32, Epoch)> =
            due.filter_map(|(partition, pass)| Some((*partition, pass.epoch?))).collect();
        for (partition, epoch) in due {
            if !self.draining.contains(&partition) {
                self.continue_pass(&keeper, (partition, epoch), now, effects);
            }
        }
    }

    fn continue_pass(
        &mut self,
        keeper: &Keeper,
        (partition, epoch): (i32, Epoch),
        now: Now,
        effects: &mut Effects<OutRecord>,
    ) {
        let last = self.keeping.partitions.get(&partition).and_then(|pass| pass.last);
        let next = self.table.kept.after(partition, last, SERIES_PER_TICK);
        let (mut last, mut wait) =
            (last, if next.len() < SERIES_PER_TICK { PASS_INTERVAL } else { Duration::ZERO });
        for series in &next {
            match self.search(keeper, (partition, epoch), series, now, effects) {
                Searched::Done => last = Some(*series),
                Searched::NoRoom => {
                    wait = ROOM_INTERVAL;
                    break;
                }
                Searched::TooManyOpen => {
                    wait = PASS_INTERVAL;
                    break;
                }
            }
        }
        if let Some(pass) = self.keeping.partitions.get_mut(&partition) {
            pass.due = now.monotonic + wait;
            let is_over = next.len() < SERIES_PER_TICK && last == next.last().copied().or(last);
            pass.last = if is_over { None } else { last };
        }
    }

    fn search(
        &mut self,
        keeper: &Keeper,
        (partition, epoch): (i32, Epoch),
        series: &Series,
        now: Now,
        effects: &mut Effects<OutRecord>,
    ) -> Searched {
        let wall = Timestamp::from_micros(now.wall_micros);
        let Some(timeframe) =
            series.timeframe.filter(|timeframe| self.source.serves(series.data_type, Some(*timeframe)))
        else {
            return Searched::Done;
        };
        // A refetch that has not ended fetches what it has taken out.
        if self.table.refetch_notes.of(partition, series).is_some() {
            return Searched::Done;
        }
        let kept = self.table.kept.of(partition, series);
        let Some(wanted) = keeper.demand(&kept, wall) else { return Searched::Done };
        let before = self.table.coverage.whole(partition, series);
        let (known, sessions) = self.live_coverage((partition, series, timeframe), (wanted, &before), wall);
        let mut holes = keeper.holes(timeframe, &kept, &known, wall);
        if !holes.is_empty() {
            self.remove_held(&mut holes, partition, series);
        }
        self.keeping.found += u64::saturating_from(holes.len());
        if holes.is_empty() && sessions.is_empty() {
            return Searched::Done;
        }
        // The record, and a request for restated sessions.
        let room = effects.room_to_originate(InputPartition { topic: 0, partition });
        let Some(room) = room.checked_sub(2) else { return Searched::NoRoom };
        // Of the day bars, one for restated sessions: the emission decides about them once.
        let may_restate = timeframe == Timeframe::Day1 && keeper.restated_sessions > 0;
        let open = OPEN_REQUESTS_MAX.checked_sub(self.open_requests(partition) + usize::from(may_restate));
        let Some(open) = open else { return Searched::TooManyOpen };
        let mut covered = before.clone();
        sessions.iter().for_each(|session| covered.insert(*session));
        let wanted_count = holes.len();
        holes.truncate(open.min(room));
        let mut requested = Keeper::requested(timeframe, &kept, &covered, &holes, wall);
        while requested.len() > REQUESTED_MAX && holes.pop().is_some() {
            requested = Keeper::requested(timeframe, &kept, &covered, &holes, wall);
        }
        if !holes.is_empty() || !sessions.is_empty() {
            let change =
                DayChange { wanted, kept: &kept, covered: &before, sessions: &sessions, holes: &holes };
            let restated = may_restate.then(|| keeper.restated(&change, wall)).flatten();
            let requests = requests(series, wanted, (&holes, restated), now);
            let kept = KeptSeries { requested, ..kept };
            if let Err(error) =
                self.originate((partition, epoch), series, (kept, covered, &requests), now, effects)
            {
                tracing::error!(symbol = %series.symbol, %error, "failed to request the holes of a series");
                return Searched::Done;
            }
            self.keeping.covered += u64::saturating_from(sessions.len());
        }
        match () {
            () if holes.len() == wanted_count => Searched::Done,
            () if open <= holes.len() => Searched::TooManyOpen,
            () if room <= holes.len() => Searched::NoRoom,
            // The record of the series is full: later passes request the rest.
            () => Searched::Done,
        }
    }

    /// Originates requests, with the coverage record that notes them and contains this coverage.
    fn originate(
        &mut self,
        (partition, epoch): (i32, Epoch),
        series: &Series,
        (kept, covered, requests): (KeptSeries, IntervalSet, &[RangeRequest]),
        now: Now,
        effects: &mut Effects<OutRecord>,
    ) -> Result<(), EncodeError> {
        let mut outputs = Vec::with_capacity(requests.len() + 1);
        let mut sent = Vec::with_capacity(requests.len());
        for request in requests {
            outputs.push(self.wire.write(request, Some(&ids::traceparent(&request.event_id)))?);
            sent.extend(Attempt::named(&request.backfill_id, request.attempt));
        }
        let before = self.table.kept.of(partition, series);
        self.table.kept.set(partition, *series, kept);
        match self.table.record(&self.events, series, &covered, now.wall_micros, &Cause::nothing(partition)) {
            Ok(record) => {
                outputs.push(record);
                self.table.coverage.restore(partition, *series, covered);
            }
            Err(error) => {
                self.table.kept.set(partition, *series, before);
                return Err(error);
            }
        }
        if let Some(pass) = self.keeping.partitions.get_mut(&partition) {
            pass.sent.extend(sent);
        }
        self.keeping.requested += u64::saturating_from(requests.len());
        effects.push(Effect::Originate { input: InputPartition { topic: 0, partition }, epoch, outputs });
        Ok(())
    }

    /// Removes the holes of which a held request fetches a part.
    fn remove_held(&self, holes: &mut Vec<Hole>, partition: i32, series: &Series) {
        let part = (series.data_type, series.timeframe);
        // Once for all holes: there may be thousands of requests, few of each symbol.
        let of_series =
            |request: &&Request| request.id.input.partition == partition && request.symbol == series.symbol;
        let held: Vec<&Request> = self.requests.values().filter(of_series).collect();
        holes.retain(|hole| held.iter().all(|request| request.shares_of(part, &[hole.range]).is_empty()));
    }

    /// Returns the number of the keeper's requests in a partition that have not ended, as far as they have been read.
    fn open_requests(&self, partition: i32) -> usize {
        let held = self
            .requests
            .values()
            .filter(|request| request.id.input.partition == partition && request.event.source == SOURCE);
        let sent = self.keeping.partitions.get(&partition).map_or(0, |pass| pass.sent.len());
        held.count() + sent
    }

    /// Returns the number of the keeper's requests in all partitions that have not ended.
    pub(super) fn all_open_requests(&self) -> usize {
        self.requests.values().filter(|request| request.event.source == SOURCE).count() + self.keeping.sent()
    }

    /// Notes that a qualification or a promotion wants the series of a request that has ended, and returns the changed records.
    pub(super) fn want(&mut self, request: &Request, occurred_at: i64) -> Vec<OutRecord> {
        let partition = request.id.input.partition;
        let is_demand =
            matches!(request.event.trigger, BackfillTrigger::Qualified | BackfillTrigger::Promoted);
        // Before it is restored, the coverage is not complete.
        if !is_demand || !self.table.gate.is_restored(partition) {
            return Vec::new();
        }
        let Ok(layer) = Layer::from_number(request.event.layer) else { return Vec::new() };
        let wanted = Wanted {
            layer,
            from: request.range.start(),
            at: Timestamp::from_micros(request.event.occurred_at),
        };
        let mut outputs = Vec::new();
        for (data_type, timeframes) in &request.served {
            for timeframe in timeframes.iter().flatten() {
                let series =
                    Series { symbol: request.symbol, data_type: *data_type, timeframe: Some(*timeframe) };
                outputs.extend(self.want_series(series, wanted, occurred_at, request));
            }
        }
        outputs
    }

    fn want_series(
        &mut self,
        series: Series,
        wanted: Wanted,
        occurred_at: i64,
        request: &Request,
    ) -> Option<OutRecord> {
        let partition = request.id.input.partition;
        let before = self.table.kept.of(partition, &series);
        if before.wanted.is_some_and(|before| before == wanted || before.at > wanted.at) {
            return None;
        }
        let covered = self.table.coverage.whole(partition, &series);
        self.table.kept.set(partition, series, KeptSeries { wanted: Some(wanted), ..before.clone() });
        match self.table.record(&self.events, &series, &covered, occurred_at, &Cause::of(request)) {
            Ok(record) => Some(record),
            Err(error) => {
                self.table.kept.set(partition, series, before);
                tracing::error!(symbol = %series.symbol, %error, "failed to note a wanted series in its coverage");
                None
            }
        }
    }
}

/// Returns the requests for holes, and for a range that is fetched again.
fn requests(
    series: &Series,
    wanted: Wanted,
    (holes, restated): (&[Hole], Option<Interval>),
    now: Now,
) -> Vec<RangeRequest> {
    let of_holes = holes.iter().map(|hole| (hole.range, hole.attempt, false));
    let all = of_holes.chain(restated.map(|range| (range, 1, true)));
    all.map(|requested| request(series, wanted, requested, now)).collect()
}

fn request(
    series: &Series,
    wanted: Wanted,
    (range, attempt, refetch): (Interval, i32, bool),
    now: Now,
) -> RangeRequest {
    let (start, end) = (range.start(), range.last());
    let trigger = BackfillTrigger::Gap;
    let data_types = [series.data_type];
    RangeRequest {
        event_id: ids::event_id(),
        occurred_at: now.wall_micros,
        source: SOURCE.to_owned(),
        correlation_id: None,
        backfill_id: ids::backfill_id(
            series.symbol,
            wanted.layer,
            &data_types,
            (start, end),
            trigger,
            refetch,
        ),
        attempt,
        symbol: series.symbol.to_string(),
        layer: wanted.layer.number(),
        data_types: data_types.map(DataKind::from).to_vec(),
        start: start.micros(),
        end: end.micros(),
        priority: i32::from(Priority::LOW.get()),
        trigger,
        refetch,
        cancel: false,
    }
}
