use std::borrow::Cow;

use domain::calendar::{Date, date_of, day_open};
use domain::{Bar, FeatureSet, Symbol, Timeframe, Timestamp};

use super::*;
use crate::rules::{Benchmarks, COMPARED, ReasonClass, Status, Window, compute};

const AAPL: Symbol = Symbol::constant("AAPL");

fn july(day: i8) -> Date {
    Date::constant(2024, 7, day)
}

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

fn bar(open_time: Timestamp, price: f64) -> Bar {
    Bar { open_time, open: price, high: price, low: price, close: price, volume: 100.0 }
}

/// Day bars of July 2024 from the first on, at these prices.
fn days(prices: &[f64]) -> Vec<Bar> {
    (1..).zip(prices).map(|(day, price)| bar(day_open(july(day)), *price)).collect()
}

fn closes(bars: &[Bar]) -> Vec<f64> {
    bars.iter().map(|bar| bar.close).collect()
}

fn held(splits: &Splits) -> Vec<(i8, f64)> {
    splits.of(AAPL).iter().map(|split| (date_of(split.from).day(), split.ratio)).collect()
}

#[test]
fn split_counts_from_the_session_of_its_ex_date_on() {
    let splits = [Split::on(july(3), 2.0)];
    let bars = days(&[8.0, 8.0, 4.0, 4.0]);
    for (newest, expected) in [(2, vec![8.0, 8.0]), (3, vec![4.0, 4.0, 4.0]), (4, vec![4.0, 4.0, 4.0, 4.0])] {
        let mut window = bars[..newest].to_vec();
        adjust(&mut window, &splits, bars[newest - 1].open_time);
        assert_eq!(closes(&window), expected, "{newest}");
    }
}

#[test]
fn pre_market_of_the_ex_date_has_new_shares() {
    let splits = [Split::on(july(3), 2.0)];
    let mut bars = [
        bar(at("2024-07-02T23:59:00Z"), 8.0),
        bar(at("2024-07-03T03:59:00Z"), 8.0),
        bar(at("2024-07-03T08:00:00Z"), 4.0),
    ];
    let before = bars;
    adjust(&mut bars[..2], &splits, before[1].open_time);
    assert_eq!(bars, before, "the evening before the ex-date");
    adjust(&mut bars, &splits, before[2].open_time);
    assert_eq!(closes(&bars), [4.0, 4.0, 4.0]);
    assert_eq!(bars.map(|bar| bar.volume), [200.0, 200.0, 100.0]);
}

#[test]
fn split_on_a_closed_day_counts_from_the_next_session_on() {
    // 6 July is a Saturday.
    let splits = [Split::on(july(6), 2.0)];
    let friday = bar(day_open(july(5)), 8.0);
    assert_eq!(closes(&adjusted(&[friday], &splits, friday.open_time)), [8.0]);
    let monday = bar(day_open(july(8)), 4.0);
    assert_eq!(closes(&adjusted(&[friday, monday], &splits, monday.open_time)), [4.0, 4.0]);
}

#[test]
fn several_and_reverse_splits_are_multiplied() {
    let splits = [Split::on(july(2), 4.0), Split::on(july(3), 0.1), Split::on(july(4), 3.0)];
    let mut bars = days(&[12.0, 3.0, 30.0, 10.0]);
    adjust(&mut bars, &splits, day_open(july(4)));
    let product = 4.0 * 0.1 * 3.0;
    assert_eq!(closes(&bars), [12.0 / product, 3.0 / (0.1 * 3.0), 10.0, 10.0]);
    assert_eq!(bars[0].volume, 100.0 * product);
    assert_eq!(bars[3].volume, 100.0);
}

#[test]
fn bars_that_no_split_changes_are_not_copied() {
    let bars = days(&[1.0, 1.0, 1.0]);
    for splits in [vec![], vec![Split::on(july(1), 2.0)], vec![Split::on(july(4), 2.0)]] {
        let kept = adjusted(&bars, &splits, day_open(july(3)));
        assert!(matches!(kept, Cow::Borrowed(_)), "{splits:?}");
    }
}

#[test]
fn last_written_split_of_an_ex_date_counts() {
    let mut splits = Splits::new(10);
    for (day, ratio) in [(5, 3.0), (2, 2.0), (2, 4.0), (9, 5.0), (9, 1.0)] {
        splits.insert(AAPL, Split::on(july(day), ratio));
    }
    assert_eq!(held(&splits), [(2, 4.0), (5, 3.0)]);
    // A split that is moved is withdrawn at its old ex-date, in any order.
    splits.insert(AAPL, Split::on(july(8), 3.0));
    splits.insert(AAPL, Split::on(july(5), 1.0));
    assert_eq!((held(&splits), splits.len()), (vec![(2, 4.0), (8, 3.0)], 2));
    splits.insert(AAPL, Split::on(july(9), 5.0));
    assert_eq!(held(&splits), [(2, 4.0), (8, 3.0), (9, 5.0)]);
}

#[test]
fn split_with_the_oldest_ex_date_is_evicted() {
    let mut splits = Splits::new(3);
    let other = Symbol::constant("GOOG");
    for (symbol, day) in [(AAPL, 5), (other, 4), (AAPL, 6), (AAPL, 3), (other, 9)] {
        splits.insert(symbol, Split::on(july(day), 2.0));
    }
    assert_eq!((held(&splits), splits.of(other).len()), (vec![(5, 2.0), (6, 2.0)], 1));
    assert_eq!((splits.len(), splits.evictions()), (3, 2));
    splits.remove(|symbol| symbol == AAPL);
    assert_eq!((splits.len(), splits.of(AAPL).len(), splits.of(other).len()), (1, 0, 1));
    splits.remove(|_| true);
    assert!(splits.is_empty());
}

/// The mismatch of two neighbouring day bars.
fn mismatch(close: f64, open: f64, splits: &[Split]) -> Option<String> {
    let mismatches = Mismatches::of(&days(&[close, open]), splits);
    mismatches.newest.map(|newest| newest.to_string())
}

#[test]
fn price_that_moves_like_an_unknown_split_is_a_mismatch() {
    for factor in [1.0 / 1.5, 0.5, 0.52, 1.0 / 3.0, 0.25, 0.1, 1.0 / 18.2, 2.0, 10.0, 37.0] {
        let text = format!(
            "price moves like a split on 2024-07-02 (factor {factor:.4}), and no such split is known"
        );
        assert_eq!(mismatch(100.0, 100.0 * factor, &[]), Some(text));
    }
    // The largest overnight moves of the bars in tests/data, and a crash that no split ratio is near to.
    for factor in [0.527, 0.8606, 1.2374, 0.4, 1.45, 0.69] {
        assert_eq!(mismatch(100.0, 100.0 * factor, &[]), None, "{factor}");
    }
    for (close, open) in [(0.0, 1.0), (1.0, 0.0), (-1.0, 1.0), (f64::MIN_POSITIVE, f64::MAX)] {
        assert_eq!(mismatch(close, open, &[]), None, "{close} {open}");
    }
}

#[test]
fn price_that_does_not_move_with_a_known_split_is_a_mismatch() {
    let text = |ratio| Some(format!("price does not move with the split of {ratio} on 2024-07-02"));
    for (ratio, moved, unmoved) in [(2.0, 0.7, 0.72), (0.1, 4.2, 3.1), (1.5, 0.8, 0.85)] {
        let splits = [Split::on(july(2), ratio)];
        assert_eq!(mismatch(100.0, 100.0 * moved, &splits), None, "{ratio}");
        assert_eq!(mismatch(100.0, 100.0 * unmoved, &splits), text(ratio));
    }
    // An ordinary move exceeds half of a small split.
    assert_eq!(mismatch(100.0, 101.0, &[Split::on(july(2), 1.05)]), None);
    // The split of another ratio.
    let text = "price moves like a split on 2024-07-02 (factor 0.5000), and no such split is known";
    assert_eq!(mismatch(100.0, 25.0, &[Split::on(july(2), 2.0)]).as_deref(), Some(text));
}

#[test]
fn move_within_a_date_is_no_split() {
    let open = at("2024-07-02T13:30:00Z");
    let within = [bar(open, 100.0), bar(open.saturating_add_micros(60_000_000), 50.0)];
    assert_eq!(Mismatches::of(&within, &[]), Mismatches::default());
    let evening = bar(at("2024-07-01T23:00:00Z"), 100.0);
    assert_eq!(Mismatches::of(&[evening, within[1]], &[]).count, 1);
}

#[test]
fn mismatches_are_of_the_steps_of_the_window() {
    let bars = days(&[100.0, 50.0, 50.0, 200.0, 100.0]);
    let splits = [Split::on(july(1), 3.0), Split::on(july(3), 2.0), Split::on(july(5), 2.0)];
    let found = Mismatches::of(&bars, &splits);
    assert_eq!(found.count, 3);
    let cause = MismatchCause::Unannounced { factor: 4.0 };
    assert_eq!(found.newest, Some(Mismatch { at: day_open(july(4)), cause }));
    assert_eq!(Mismatches::of(&[], &splits), Mismatches::default());
}

#[test]
fn sets_of_prices_are_marked_before_other_reasons() {
    let bars = days(&[100.0, 50.0, 50.0, 25.0]);
    let window = Window::new(Timeframe::Day1, &bars).with_mismatches(Mismatches::of(&bars, &[]));
    let marked = compute(FeatureSet::ReturnsFeatures, &window);
    let reason = "price moves like a split on 2024-07-04 (factor 0.5000), and no such split is known (and 1 earlier); \
                  61 bars needed, 4 held";
    assert_eq!((marked.reason.as_deref(), marked.status), (Some(reason), Status::Computed));
    assert_eq!(marked.class, ReasonClass::UnannouncedSplit);
    let times = compute(FeatureSet::TimeFeatures, &window);
    assert!(!times.reason.unwrap_or_default().contains("split"));
    // No value is in doubt.
    let unavailable = compute(FeatureSet::TailRiskFeatures, &window);
    assert_eq!(unavailable.reason.as_deref(), Some("253 bars needed, 4 held"));
}

/// 70 bars of the symbol and of SPY, which has a split of 2 on the newest date.
fn compared_with_spy(splits: &Splits) -> (Vec<Bar>, Benchmarks) {
    let price = |day: u16| 100.0 + f64::from(day % 7);
    let open_time = |day: u16| day_open(july(1)).saturating_add_micros(i64::from(day) * 86_400_000_000);
    let own: Vec<Bar> = (0..70).map(|day| bar(open_time(day), price(day * 3))).collect();
    let spy = (0..70).map(|day| bar(open_time(day), price(day) / if day == 69 { 2.0 } else { 1.0 }));
    let series = vec![(COMPARED[0], spy.collect())];
    (own, Benchmarks::with_splits(300, COMPARED.to_vec(), series, splits))
}

#[test]
fn benchmark_is_adjusted_by_its_own_splits() {
    let mut splits = Splits::new(10);
    let (own, raw) = compared_with_spy(&splits);
    splits.insert(COMPARED[0], Split { from: own[69].open_time, ratio: 2.0 });
    let (_, adjusted) = compared_with_spy(&splits);
    let value = |bars: &[Bar], benchmarks: &Benchmarks| {
        compute(FeatureSet::RelativeStrength, &Window::new(Timeframe::Day1, bars).with_benchmarks(benchmarks))
    };
    let (marked, clean) = (value(&own, &raw), value(&own, &adjusted));
    let reason = "SPY: price moves like a split on 2024-09-08";
    assert!(marked.reason.as_deref().unwrap_or_default().starts_with(reason), "{marked:?}");
    assert_eq!((marked.class, clean.class), (ReasonClass::UnannouncedSplit, ReasonClass::BenchmarkBars));
    let of =
        |set: &crate::rules::SetResult| set.values.iter().find(|(name, _)| name == "rs_spy_20").unwrap().1;
    assert!((of(&marked) / of(&clean)).abs() > 1.5, "{marked:?} {clean:?}");
    // The split is not in force for an earlier vector.
    assert_eq!(value(&own[..69], &raw), value(&own[..69], &adjusted));
}
