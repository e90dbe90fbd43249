//! Restoration of dedup windows: a restarted bridge decides every alert as one that never stopped.

use std::collections::BTreeMap;
use std::time::Duration;

use domain::{FeatureSet, FeatureSets, Priority, Symbol, Timeframe, Timestamp};
use proptest::prelude::*;
use scanner_bridge::rules::batch::{Arrival, Batch, BatchKey};
use scanner_bridge::rules::batcher::{Batcher, Limits};
use scanner_bridge::rules::dedup::{Decision, Dedup, Occurrence, RestoredAlert};
use scanner_bridge::rules::windows::Window;
use scanner_bridge::rules::windows_header::{self, WindowsHeader};

const WINDOW_MICROS: i64 = 60_000_000;

/// The time after its first request at which a window expires: the window and 5 min.
const KEPT_SECONDS: i64 = 360;

fn micros(seconds: i64) -> Timestamp {
    Timestamp::from_micros(seconds * 1_000_000)
}

#[derive(Debug, Clone)]
enum Step {
    /// An alert arrives; `second` is relative to the clock.
    Alert {
        symbol: usize,
        second: i64,
        sets: Vec<usize>,
        priority: i64,
    },
    /// The alerts of the same key as one of the held alerts are emitted in one request.
    Emit {
        pick: usize,
    },
    Wait {
        seconds: i64,
    },
    /// The bridge stops, and another restores its windows. The bits determine the order in which it reads the two topics.
    Crash {
        interleaving: u64,
    },
}

fn any_step() -> impl Strategy<Value = Step> {
    let sets = prop::collection::vec(0..3_usize, 1..3);
    prop_oneof![
        6 => (0..2_usize, -400..60_i64, sets, 4..=9_i64)
            .prop_map(|(symbol, second, sets, priority)| Step::Alert { symbol, second, sets, priority }),
        3 => (0..8_usize).prop_map(|pick| Step::Emit { pick }),
        1 => (0..20_i64).prop_map(|seconds| Step::Wait { seconds }),
        1 => (300..370_i64).prop_map(|seconds| Step::Wait { seconds }),
        2 => any::<u64>().prop_map(|interleaving| Step::Crash { interleaving }),
    ]
}

/// A committed request.
#[derive(Debug, Clone)]
struct Request {
    symbols: Vec<(Symbol, Timestamp)>,
    header: String,
    key: BatchKey,
    appended_at: Timestamp,
}

impl Request {
    fn of(batch: &Batch<i64>, appended_at: Timestamp) -> Self {
        Self {
            symbols: batch.members.iter().map(|member| (member.symbol, member.first_seen())).collect(),
            header: WindowsHeader { members: &batch.members, windowed: &batch.windowed }.to_string(),
            key: batch.key,
            appended_at,
        }
    }

    fn restore(&self, dedup: &mut Dedup) {
        if self.header.is_empty() {
            return;
        }
        for alert in windows_header::parse(&self.header, &self.symbols).expect("a valid header") {
            let (sets, priority) = (self.key.sets, self.key.priority);
            dedup.restore(0, RestoredAlert { alert, sets, priority, appended_at: self.appended_at });
        }
    }
}

/// The windows of a bridge, and those of its held alerts by offset.
struct Bridge {
    dedup: Dedup,
    held: BTreeMap<i64, Option<Window>>,
}

impl Bridge {
    fn new() -> Self {
        Self { dedup: Dedup::new(WINDOW_MICROS, 1_000), held: BTreeMap::new() }
    }

    /// Returns `true` if the alert passes; then it is held.
    fn process(&mut self, offset: i64, occurrence: Occurrence, now: i64) -> bool {
        match self.dedup.process(0, offset, occurrence, micros(now)) {
            Decision::Duplicate => false,
            Decision::Pass { window } => {
                self.held.insert(offset, window);
                true
            }
        }
    }

    /// Emits these alerts of one key.
    fn emit(&mut self, offsets: &[i64], alerts: &BTreeMap<i64, Occurrence>, now: i64) -> Batch<i64> {
        let mut batcher = Batcher::new(Limits::default());
        for offset in offsets {
            let Occurrence { symbol, occurred_at, sets, priority } = alerts[offset];
            let arrival = Arrival {
                id: *offset,
                key: BatchKey { partition: 0, priority, timeframe: Timeframe::Day1, sets },
                symbol,
                window: self.held.remove(offset).expect("the alert is held"),
                offset: *offset,
                occurred_at,
                correlation_id: String::new(),
                source_scanner: String::new(),
            };
            batcher.add(arrival, Duration::ZERO);
        }
        batcher.close(|_| true, Duration::ZERO);
        let batch = batcher.take().expect("alerts of one key");
        for alert in &batch.windowed {
            self.dedup.announced(0, alert.symbol, alert.window.first_seen, micros(now));
        }
        batch
    }
}

/// A bridge that never stops, and one that is restarted, with the requests of the latter.
struct Pair {
    now: i64,
    alerts: BTreeMap<i64, Occurrence>,
    steady: Bridge,
    restarted: Bridge,
    log: Vec<Request>,
    /// The time of the first request of each window.
    announced: BTreeMap<(Symbol, Timestamp), i64>,
}

impl Pair {
    fn alert(&mut self, occurrence: Occurrence) -> Result<(), TestCaseError> {
        let offset = self.alerts.last_key_value().map_or(0, |(last, _)| last + 1);
        self.alerts.insert(offset, occurrence);
        let passes = self.steady.process(offset, occurrence, self.now);
        prop_assert_eq!(self.restarted.process(offset, occurrence, self.now), passes, "alert {}", offset);
        Ok(())
    }

    /// Emits all held alerts of one key; index 0 selects the highest priority.
    fn emit(&mut self, pick: usize) {
        let key = |offset: &i64| {
            let Occurrence { sets, priority, .. } = self.alerts[offset];
            (priority, sets)
        };
        let mut held: Vec<i64> = self.steady.held.keys().copied().collect();
        held.sort_by_key(|offset| std::cmp::Reverse(key(offset).0));
        let Some(picked) = held.get(pick).map(key) else { return };
        let mut together: Vec<i64> = held.iter().filter(|offset| key(offset) == picked).copied().collect();
        together.sort_unstable();
        let batch = self.steady.emit(&together, &self.alerts, self.now);
        for alert in &batch.windowed {
            self.announced.entry((alert.symbol, alert.window.first_seen)).or_insert(self.now);
        }
        let batch = self.restarted.emit(&together, &self.alerts, self.now);
        self.log.push(Request::of(&batch, micros(self.now)));
    }

    fn emit_all(&mut self) {
        while !self.steady.held.is_empty() {
            self.emit(0);
        }
    }

    fn crash(&mut self, interleaving: u64) -> Result<(), TestCaseError> {
        let (urgent, ordinary): (Vec<_>, Vec<_>) =
            self.log.iter().cloned().partition(|request| request.key.priority.is_urgent());
        let held = std::mem::replace(&mut self.restarted, Bridge::new()).held;
        let (mut urgent, mut ordinary) = (urgent.iter(), ordinary.iter());
        for step in 0.. {
            let (this, other) = if interleaving >> (step % 64) & 1 == 0 {
                (&mut urgent, &mut ordinary)
            } else {
                (&mut ordinary, &mut urgent)
            };
            let Some(request) = this.next().or_else(|| other.next()) else { break };
            if request.appended_at >= micros(self.now - 2 * KEPT_SECONDS) {
                request.restore(&mut self.restarted.dedup);
            }
        }
        for offset in held.into_keys() {
            let alert = self.alerts[&offset];
            prop_assert!(self.restarted.process(offset, alert, self.now), "alert {} passed before", offset);
        }
        Ok(())
    }

    /// Returns `true` if a window has expired that contains a held alert, or that is newer than one: a restarted bridge may decide
    /// that alert differently.
    fn holds_alert_of_an_expired_window(&self) -> bool {
        self.steady.held.iter().any(|(offset, window)| {
            let symbol = self.alerts[offset].symbol;
            let counts = |first_seen: Timestamp| window.is_none_or(|window| window.first_seen == first_seen);
            self.announced.iter().any(|((of, first_seen), announced)| {
                *of == symbol && counts(*first_seen) && self.now - announced >= KEPT_SECONDS
            })
        })
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]
    #[test]
    fn restarted_bridge_decides_as_one_that_never_stopped(
        steps in prop::collection::vec(any_step(), 1..120),
    ) {
        let mut pair = Pair {
            now: 1_000,
            alerts: BTreeMap::new(),
            steady: Bridge::new(),
            restarted: Bridge::new(),
            log: Vec::new(),
            announced: BTreeMap::new(),
        };
        for step in steps {
            match step {
                Step::Alert { symbol, second, sets, priority } => pair.alert(Occurrence {
                    symbol: Symbol::parse(["AAPL", "MSFT"][symbol]).unwrap(),
                    occurred_at: micros(pair.now + second),
                    sets: sets.into_iter().map(|index| FeatureSet::ALL[index]).collect::<FeatureSets>(),
                    priority: Priority::clamped(priority),
                })?,
                Step::Emit { pick } => pair.emit(pick),
                Step::Wait { seconds } => {
                    if seconds > 20 {
                        pair.emit_all();
                    }
                    pair.now += seconds;
                }
                Step::Crash { interleaving } => {
                    if pair.holds_alert_of_an_expired_window() {
                        pair.emit_all();
                    }
                    pair.crash(interleaving)?;
                }
            }
        }
    }
}
