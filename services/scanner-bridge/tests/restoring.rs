//! A bridge that ends at any moment is followed by one that judges as it would have: not one request more, not one less.

use std::collections::BTreeMap;
use std::time::Duration;

use domain::{FeatureSet, FeatureSets, Priority, Symbol, Timeframe, Timestamp};
use proptest::prelude::*;
use scanner_bridge::rules::batch::{Arrival, Batch, BatchKey};
use scanner_bridge::rules::batcher::{Batcher, Limits};
use scanner_bridge::rules::dedup::{Asking, Dedup, Judgement, Told};
use scanner_bridge::rules::marks::{self, Window, Written};

const WINDOW_MICROS: i64 = 60_000_000;

/// How long a window is kept: five minutes more.
const KEPT_SECONDS: i64 = 360;

fn micros(seconds: i64) -> Timestamp {
    Timestamp::from_micros(seconds * 1_000_000)
}

#[derive(Debug, Clone)]
enum Step {
    /// An alert comes; `second` is relative to the clock.
    Alert { symbol: usize, second: i64, sets: Vec<usize>, priority: i64 },
    /// The alerts that ask for the same as one of those that wait leave in one request.
    Leave { pick: usize },
    /// Time passes.
    Pass { seconds: i64 },
    /// The bridge ends, and another takes its place; where it reads from each topic first, its bits say.
    Crash { interleaving: u64 },
}

fn any_step() -> impl Strategy<Value = Step> {
    let sets = prop::collection::vec(0..3_usize, 1..3);
    prop_oneof![
        6 => (0..2_usize, -400..60_i64, sets, 4..=9_i64)
            .prop_map(|(symbol, second, sets, priority)| Step::Alert { symbol, second, sets, priority }),
        3 => (0..8_usize).prop_map(|pick| Step::Leave { pick }),
        1 => (0..20_i64).prop_map(|seconds| Step::Pass { seconds }),
        1 => (300..370_i64).prop_map(|seconds| Step::Pass { seconds }),
        2 => any::<u64>().prop_map(|interleaving| Step::Crash { interleaving }),
    ]
}

/// A request as it lies in its topic.
#[derive(Debug, Clone)]
struct Request {
    symbols: Vec<(Symbol, Timestamp)>,
    marks: String,
    key: BatchKey,
    appended_at: Timestamp,
}

impl Request {
    fn of(batch: &Batch<i64>, appended_at: Timestamp) -> Self {
        Self {
            symbols: batch.members.iter().map(|member| (member.symbol, member.first_seen())).collect(),
            marks: Written { members: &batch.members, marks: &batch.marks }.to_string(),
            key: batch.key,
            appended_at,
        }
    }

    fn restore(&self, dedup: &mut Dedup) {
        if self.marks.is_empty() {
            return;
        }
        for mark in marks::read(&self.marks, &self.symbols).expect("what was written") {
            let (sets, priority) = (self.key.sets, self.key.priority);
            dedup.restore(0, Told { mark, sets, priority, appended_at: self.appended_at });
        }
    }
}

/// A bridge's windows, and the windows of the alerts that wait in it, by their offsets.
struct Bridge {
    dedup: Dedup,
    waiting: BTreeMap<i64, Option<Window>>,
}

impl Bridge {
    fn new() -> Self {
        Self { dedup: Dedup::new(WINDOW_MICROS, 1_000), waiting: BTreeMap::new() }
    }

    /// Whether an alert passes; if so it waits.
    fn process(&mut self, offset: i64, asking: Asking, now: i64) -> bool {
        match self.dedup.process(0, offset, asking, micros(now)) {
            Judgement::Covered => false,
            Judgement::Passes { window } => {
                self.waiting.insert(offset, window);
                true
            }
        }
    }

    /// These alerts leave, of one key.
    fn leave(&mut self, offsets: &[i64], alerts: &BTreeMap<i64, Asking>, now: i64) -> Batch<i64> {
        let mut batcher = Batcher::new(Limits::default());
        for offset in offsets {
            let Asking { symbol, occurred_at, sets, priority } = alerts[offset];
            let arrival = Arrival {
                id: *offset,
                key: BatchKey { partition: 0, priority, timeframe: Timeframe::Day1, sets },
                symbol,
                window: self.waiting.remove(offset).expect("it waits"),
                offset: *offset,
                occurred_at,
                correlation_id: String::new(),
                source_scanner: String::new(),
            };
            batcher.add(arrival, Duration::ZERO);
        }
        batcher.close(|_| true);
        let batch = batcher.take().expect("alerts of one key");
        for mark in &batch.marks {
            self.dedup.announced(0, mark.symbol, mark.window.first_seen, micros(now));
        }
        batch
    }
}

/// One bridge that never ends, and one that does, with what the latter has written.
struct Pair {
    now: i64,
    alerts: BTreeMap<i64, Asking>,
    steady: Bridge,
    mortal: Bridge,
    log: Vec<Request>,
    /// When each window was first told of.
    announced: BTreeMap<(Symbol, Timestamp), i64>,
}

impl Pair {
    fn alert(&mut self, asking: Asking) -> Result<(), TestCaseError> {
        let offset = self.alerts.last_key_value().map_or(0, |(last, _)| last + 1);
        self.alerts.insert(offset, asking);
        let passes = self.steady.process(offset, asking, self.now);
        prop_assert_eq!(self.mortal.process(offset, asking, self.now), passes, "alert {}", offset);
        Ok(())
    }

    /// The most urgent go first, all that wait and ask for the same together.
    fn leave(&mut self, pick: usize) {
        let key = |offset: &i64| {
            let Asking { sets, priority, .. } = self.alerts[offset];
            (priority, sets)
        };
        let mut waiting: Vec<i64> = self.steady.waiting.keys().copied().collect();
        waiting.sort_by_key(|offset| std::cmp::Reverse(key(offset).0));
        let Some(picked) = waiting.get(pick).map(key) else { return };
        let mut together: Vec<i64> = waiting.iter().filter(|offset| key(offset) == picked).copied().collect();
        together.sort_unstable();
        let batch = self.steady.leave(&together, &self.alerts, self.now);
        for mark in &batch.marks {
            self.announced.entry((mark.symbol, mark.window.first_seen)).or_insert(self.now);
        }
        let batch = self.mortal.leave(&together, &self.alerts, self.now);
        self.log.push(Request::of(&batch, micros(self.now)));
    }

    fn leave_all(&mut self) {
        while !self.steady.waiting.is_empty() {
            self.leave(0);
        }
    }

    fn crash(&mut self, interleaving: u64) -> Result<(), TestCaseError> {
        let (urgent, ordinary): (Vec<_>, Vec<_>) =
            self.log.iter().cloned().partition(|request| request.key.priority.is_urgent());
        let held = std::mem::replace(&mut self.mortal, Bridge::new()).waiting;
        let (mut urgent, mut ordinary) = (urgent.iter(), ordinary.iter());
        for turn in 0.. {
            let (this, other) = if interleaving >> (turn % 64) & 1 == 0 {
                (&mut urgent, &mut ordinary)
            } else {
                (&mut ordinary, &mut urgent)
            };
            let Some(request) = this.next().or_else(|| other.next()) else { break };
            if request.appended_at >= micros(self.now - 2 * KEPT_SECONDS) {
                request.restore(&mut self.mortal.dedup);
            }
        }
        for offset in held.into_keys() {
            let alert = self.alerts[&offset];
            prop_assert!(self.mortal.process(offset, alert, self.now), "alert {} passed before", offset);
        }
        Ok(())
    }

    /// Whether the time of a window ended for which an alert still waits, or than which one that waits is older: that alert is
    /// judged anew.
    fn waits_for_what_is_over(&self) -> bool {
        self.steady.waiting.iter().any(|(offset, window)| {
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
    fn a_bridge_that_ended_is_followed_by_one_that_judges_as_it_would_have(
        steps in prop::collection::vec(any_step(), 1..120),
    ) {
        let mut pair = Pair {
            now: 1_000,
            alerts: BTreeMap::new(),
            steady: Bridge::new(),
            mortal: Bridge::new(),
            log: Vec::new(),
            announced: BTreeMap::new(),
        };
        for step in steps {
            match step {
                Step::Alert { symbol, second, sets, priority } => pair.alert(Asking {
                    symbol: Symbol::parse(["AAPL", "MSFT"][symbol]).unwrap(),
                    occurred_at: micros(pair.now + second),
                    sets: sets.into_iter().map(|place| FeatureSet::ALL[place]).collect::<FeatureSets>(),
                    priority: Priority::clamped(priority),
                })?,
                Step::Leave { pick } => pair.leave(pick),
                Step::Pass { seconds } => {
                    if seconds > 20 {
                        pair.leave_all();
                    }
                    pair.now += seconds;
                }
                Step::Crash { interleaving } => {
                    if pair.waits_for_what_is_over() {
                        pair.leave_all();
                    }
                    pair.crash(interleaving)?;
                }
            }
        }
    }
}
