//! The keeper's holes against an oracle that walks through each minute of each day.
//!
//! `KEEPER_SYMBOLS` sets the number of symbols; 500 over ten years is the long form.
#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use backfill::rules::finality::final_before;
use backfill::rules::keeper::{Keeper, KeptSeries, RequestedRange, Wanted};
use backfill::rules::live_bars::{LiveBars, LiveLimits};
use backfill::rules::live_sessions::complete_sessions;
use domain::calendar::{Date, date_of, day_open, is_half_day, is_session};
use domain::{Interval, IntervalSet, Layer, Symbol, Timeframe, Timestamp};
use rand_core::{RngCore, SeedableRng};
use rand_pcg::Pcg64Mcg;

const MINUTE: i64 = 60_000_000;
const DAY: i64 = 1_440 * MINUTE;
const KEEPER: Keeper = Keeper {
    keep: Duration::from_secs(30 * 86_400),
    hole_bars: 3,
    settle: Duration::from_secs(900),
    restated_sessions: 0,
};

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

/// All slots in a range, by the wall clock of each day.
fn all_slots(timeframe: Timeframe, within: Interval) -> Vec<Timestamp> {
    let mut all = Vec::new();
    let mut date: Date = date_of(within.start());
    while day_open(date) < within.end() {
        let midnight = day_open(date);
        let close = if is_half_day(date) { 13 * 60 } else { 16 * 60 };
        for minute in 0..1_440 {
            let opens = match timeframe {
                Timeframe::Day1 => minute == 0,
                Timeframe::Hour1 => minute % 60 == 0 && (540..close).contains(&minute),
                Timeframe::Minute5 => minute % 5 == 0 && (570..close).contains(&minute),
                Timeframe::Minute1 => (570..close).contains(&minute),
            };
            let slot = midnight.saturating_add_micros(minute * MINUTE);
            if is_session(date) && opens && within.contains(slot) {
                all.push(slot);
            }
        }
        date = date.tomorrow().unwrap();
    }
    all
}

/// The slots of all holes, slot by slot.
fn oracle(
    timeframe: Timeframe,
    all: &[Timestamp],
    series: &KeptSeries,
    covered: &IntervalSet,
    now: Timestamp,
) -> BTreeSet<Timestamp> {
    let minutes = timeframe.minutes().unwrap_or(1_440);
    let is_missing: Vec<bool> = all.iter().map(|slot| !covered.contains(*slot)).collect();
    let newest_from = is_missing.iter().rposition(|missing| !missing).map_or(0, |last| last + 1);
    let is_open = |index: usize| {
        let wait = if index >= newest_from { 2 * minutes * MINUTE } else { DAY };
        let recent = series
            .requested
            .iter()
            .any(|requested| requested.range.contains(all[index]) && now.micros_since(requested.at) < wait);
        is_missing[index] && !recent
    };
    let bars_min = if timeframe == Timeframe::Day1 { 1 } else { 3 };
    let (mut holes, mut run) = (BTreeSet::new(), Vec::new());
    for index in 0..=all.len() {
        if index < all.len() && is_open(index) {
            run.push(all[index]);
            continue;
        }
        if run.len() >= bars_min {
            holes.extend(run.iter().copied());
        }
        run.clear();
    }
    holes
}

/// The whole range without halts within sessions, missing sessions, weeks, and a part of the end.
fn coverage(rng: &mut Pcg64Mcg, all: &[Timestamp], within: Interval) -> IntervalSet {
    let mut cuts = IntervalSet::new();
    let below = |rng: &mut Pcg64Mcg, bound: usize| rng.next_u32() as usize % bound.max(1);
    for _ in 0..below(rng, 40) {
        let first = below(rng, all.len());
        let count = match below(rng, 4) {
            0 => 1,
            1 => 1 + below(rng, 4),
            2 => 1 + below(rng, 400),
            _ => 1 + below(rng, 7),
        };
        let last = (first + count).min(all.len()) - 1;
        // Some cuts begin and end between two slots.
        let margin = i64::try_from(below(rng, 3)).unwrap() * 20_000_000;
        let start = all[first].saturating_add_micros(-margin);
        cuts.insert(Interval::from_inclusive(start, all[last].saturating_add_micros(margin)).unwrap());
    }
    if below(rng, 3) > 0 {
        let from = all[all.len() - 1 - below(rng, 10).min(all.len() - 1)];
        cuts.insert(Interval::new(from, within.end()).unwrap());
    }
    cuts.missing(within).into_iter().collect()
}

fn requested(rng: &mut Pcg64Mcg, all: &[Timestamp], now: Timestamp) -> Vec<RequestedRange> {
    let mut some = Vec::new();
    for number in 0..rng.next_u32() % 6 {
        let first = rng.next_u32() as usize % all.len();
        let first = if number == 0 { all.len() - 1 - first.min(5) } else { first };
        let last = (first + rng.next_u32() as usize % 50).min(all.len() - 1);
        let range = Interval::from_inclusive(all[first], all[last]).unwrap();
        let age = i64::from(rng.next_u32() % 60) * 60 * MINUTE;
        some.push(RequestedRange { range, at: now.saturating_add_micros(-age), attempt: 1 });
    }
    some
}

/// Returns the number of slots in holes, of false ones and of missed ones.
fn compare(timeframe: Timeframe, seed: u64, from: Timestamp, now: Timestamp) -> (usize, usize, usize) {
    let mut rng = Pcg64Mcg::seed_from_u64(seed);
    let within = Interval::new(from, final_before(timeframe, KEEPER.settle, now)).unwrap();
    let all = all_slots(timeframe, within);
    let covered = coverage(&mut rng, &all, within);
    let wanted = Some(Wanted { layer: Layer::Active, from, at: now });
    let series = KeptSeries { wanted, requested: requested(&mut rng, &all, now) };
    let expected = oracle(timeframe, &all, &series, &covered, now);
    let mut found = BTreeSet::new();
    for hole in KEEPER.holes(timeframe, &series, &covered, now) {
        let first = all.partition_point(|slot| *slot < hole.range.start());
        let after = all.partition_point(|slot| *slot < hole.range.end());
        assert_eq!(i64::try_from(after - first), Ok(hole.slots), "{timeframe} of seed {seed}: {hole:?}");
        found.extend(all[first..after].iter().copied());
    }
    (expected.len(), found.difference(&expected).count(), expected.difference(&found).count())
}

/// The dates of which all slots are covered or in `bars` and not all are covered, slot by slot.
fn complete_dates(all: &[Timestamp], covered: &IntervalSet, bars: &BTreeSet<Timestamp>) -> BTreeSet<Date> {
    let mut dates: BTreeMap<Date, (bool, bool)> = BTreeMap::new();
    for slot in all {
        let (is_complete, is_covered) = dates.entry(date_of(*slot)).or_insert((true, true));
        *is_complete &= covered.contains(*slot) || bars.contains(slot);
        *is_covered &= covered.contains(*slot);
    }
    dates.into_iter().filter(|(_, (complete, covered))| *complete && !covered).map(|(date, _)| date).collect()
}

#[test]
fn completed_sessions_are_those_of_the_oracle() {
    let symbol = Symbol::parse("AAPL").unwrap();
    let mut found = [0; 4];
    for seed in 0..60 {
        let mut rng = Pcg64Mcg::seed_from_u64(seed);
        let from = at("2024-07-01T04:00:00Z").saturating_add_micros(i64::try_from(seed).unwrap() * DAY);
        let now = from.saturating_add_micros(9 * DAY + 12 * 60 * MINUTE);
        for (index, timeframe) in Timeframe::ALL.into_iter().enumerate() {
            let within = Interval::new(from, final_before(Timeframe::Day1, KEEPER.settle, now)).unwrap();
            let all = all_slots(timeframe, within);
            let covered = coverage(&mut rng, &all, within);
            let mut live =
                LiveBars::new(LiveLimits { back: Duration::from_secs(15 * 86_400), sessions_max: 20 });
            let mut bars = BTreeSet::new();
            let missing_one_in = 1 + rng.next_u32() % 800;
            for slot in all.iter().filter(|_| missing_one_in == 1 || rng.next_u32() % missing_one_in > 0) {
                bars.insert(*slot);
                live.add(0, symbol, timeframe, *slot);
            }
            let held = live.of(0, symbol, timeframe);
            let mut known = covered.clone();
            known.union(&held);
            let ranges = complete_sessions(timeframe, live.dates(0), (&covered, &known), (from, now));
            let dates: BTreeSet<Date> = ranges.iter().map(|range| date_of(range.last())).collect();
            let expected = complete_dates(&all, &covered, &bars);
            // A date without any bar is not listed: its slots are all covered, or it is not complete.
            assert_eq!(dates, expected, "{timeframe} of seed {seed}");
            found[index] += dates.len();
            let slots: usize = ranges.iter().map(|range| all_slots(timeframe, *range).len()).sum();
            let of_dates = all.iter().filter(|slot| dates.contains(&date_of(**slot))).count();
            assert_eq!(slots, of_dates, "{timeframe} of seed {seed}: only the slots of these sessions");
        }
    }
    assert!(found.iter().all(|dates| *dates > 10), "{found:?}");
}

#[expect(clippy::disallowed_methods, reason = "a test has no configuration")]
#[test]
fn holes_of_ten_years_are_those_of_the_oracle() {
    let symbols = std::env::var("KEEPER_SYMBOLS").ok().map_or(20, |text| text.parse::<u64>().unwrap());
    let (mut slots, mut sum) = ([0; 4], (0, 0));
    for symbol in 0..symbols {
        // A morning, a session, an evening; each on another day.
        let hour = [8, 15, 22][usize::try_from(symbol % 3).unwrap()];
        let now = at("2024-07-10T00:30:00Z").saturating_add_micros(i64::try_from(symbol).unwrap() * DAY);
        let now = now.saturating_add_micros(hour * 60 * MINUTE);
        let from = now.saturating_add_micros(-3_653 * DAY);
        for (index, timeframe) in Timeframe::ALL.into_iter().enumerate() {
            let is_short = timeframe.minutes().is_some_and(|minutes| minutes < 60);
            if is_short && symbols < 100 && symbol % 10 > 0 {
                continue;
            }
            let (expected, wrong, missed) = compare(timeframe, symbol, from, now);
            slots[index] += expected;
            sum = (sum.0 + wrong, sum.1 + missed);
        }
    }
    assert_eq!(sum, (0, 0), "false and missed slots, over {slots:?} slots of holes of {symbols} symbols");
    assert!(slots.iter().all(|slots| *slots > 100), "{slots:?}");
}
