//! Laws of the synthetic market.

use chassis::ManualClock;
use domain::calendar::{date_of, day_open};
use kit::{ErrorChain, Millis};
use proptest::prelude::*;

use super::random::{below, dated};
use super::splits::divided;
use super::*;

mod page;

/// Friday, 2024-06-28, after the session.
const NOW: &str = "2024-06-29T00:00:00Z";

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

fn symbol(name: &str) -> Symbol {
    Symbol::parse(name).unwrap()
}

fn everything() -> SyntheticSection {
    SyntheticSection {
        intraday: true,
        splits_per_decade: 20,
        halts_per_year: 120,
        news_per_month: 40,
        restated_per_year: 120,
        restated_after_ms: Millis::new(86_400_000),
    }
}

fn market(settings: SyntheticSection, now: &str) -> SyntheticMarket {
    SyntheticMarket::with(7, settings, Arc::new(ManualClock::at(at(now).micros())))
}

fn days(first: Date, last: Date) -> Interval {
    Interval::new(day_open(first), day_open(last.tomorrow().unwrap())).unwrap()
}

fn bars(market: &SyntheticMarket, name: &str, timeframe: Timeframe, range: Interval) -> Vec<Bar> {
    market
        .bars(symbol(name), timeframe, range)
        .unwrap_or_else(|error| panic!("{}", ErrorChain(&error)))
        .records
}

#[test]
fn bars_are_valid_and_independent_of_the_last_date() {
    for market in [SyntheticMarket::new(7), market(everything(), NOW)] {
        for symbol in synthetic_symbols() {
            let short = market.day_bars(symbol, date(2012, 6, 29));
            let long = market.day_bars(symbol, date(2014, 6, 30));
            assert_eq!(short, long[..short.len()]);
            for bar in &long {
                bar.validate().unwrap();
            }
        }
    }
}

#[test]
fn markets_differ_by_seed_and_symbol() {
    let last = date(2010, 2, 1);
    let of = |seed, name| SyntheticMarket::new(seed).day_bars(symbol(name), last);
    assert_ne!(of(1, "SPY"), of(2, "SPY"));
    assert_ne!(of(1, "SPY"), of(1, "QQQ"));
    assert_eq!(of(1, "SPY")[0].open_time, calendar::day_open(FIRST_DATE));
}

#[test]
fn settings_without_splits_do_not_change_day_bars() {
    let settings = SyntheticSection { splits_per_decade: 0, ..everything() };
    let (plain, changed) = (SyntheticMarket::new(7), market(settings, NOW));
    for name in ["SPY", "ALFA"] {
        let last = date(2024, 6, 27);
        assert_eq!(plain.day_bars(symbol(name), last), changed.day_bars(symbol(name), last));
    }
    let default = market(SyntheticSection::default(), NOW);
    for timeframe in Timeframe::ALL {
        let is_served = timeframe == Timeframe::Day1;
        assert_eq!(default.serves(DataType::MarketData, Some(timeframe)), is_served, "{timeframe}");
    }
    assert!(!default.serves(DataType::News, None) && !default.serves(DataType::CorporateActions, None));
}

#[test]
fn minutes_add_up_to_hours_and_days() {
    // With the half day after Thanksgiving, both changes of clocks, and restated sessions.
    let ranges = [
        days(date(2023, 11, 1), date(2023, 11, 30)),
        days(date(2024, 3, 7), date(2024, 3, 13)),
        days(date(2024, 6, 20), date(2024, 6, 28)),
    ];
    let market = market(everything(), NOW);
    for (range, name) in ranges.into_iter().flat_map(|range| [(range, "SPY"), (range, "BRAVO")]) {
        let minutes = bars(&market, name, Timeframe::Minute1, range);
        assert!(minutes.iter().all(|bar| bar.validate().is_ok()));
        assert!(minutes.is_sorted_by(|a, b| a.open_time < b.open_time));
        for timeframe in [Timeframe::Minute5, Timeframe::Hour1, Timeframe::Day1] {
            let longer = bars(&market, name, timeframe, range);
            assert_eq!(aggregated(&minutes, timeframe), longer, "{name} {timeframe}");
            assert!(longer.len() > 4);
        }
        let hours = bars(&market, name, Timeframe::Hour1, range);
        assert_eq!(aggregated(&hours, Timeframe::Day1), bars(&market, name, Timeframe::Day1, range));
    }
}

#[test]
fn session_has_its_minutes_without_those_of_a_halt() {
    let count = |halts_per_year, day: Date| {
        let settings = SyntheticSection { halts_per_year, ..everything() };
        let minutes = bars(&market(settings, NOW), "SPY", Timeframe::Minute1, days(day, day));
        let times: Vec<i64> = minutes.iter().map(|bar| bar.open_time.micros() / 60_000_000).collect();
        let gaps: Vec<i64> =
            times.windows(2).map(|pair| pair[1] - pair[0] - 1).filter(|gap| *gap > 0).collect();
        (times[times.len() - 1] - times[0] + 1, times.len(), gaps)
    };
    assert_eq!(count(0, date(2023, 11, 22)), (390, 390, vec![]));
    assert_eq!(count(0, date(2023, 11, 24)), (210, 210, vec![]), "a half day");
    for day in [date(2023, 11, 22), date(2023, 11, 24)] {
        let (all, traded, gaps) = count(252, day);
        let halted = all - i64::saturating_from(traded);
        assert!((5..=30).contains(&halted) && gaps == [halted], "{day}: {gaps:?}");
    }
}

#[test]
fn raw_bars_jump_by_the_ratio_of_a_split() {
    let settings = SyntheticSection { splits_per_decade: 20, ..SyntheticSection::default() };
    let (plain, split) = (SyntheticMarket::new(7), market(settings, NOW));
    let (range, mut reverse, mut forward) = (days(FIRST_DATE, date(2024, 6, 28)), 0, 0);
    for symbol in synthetic_symbols() {
        let actions = split.actions(symbol, range).unwrap().records;
        assert!(actions.is_sorted_by(|a, b| a.ex_date < b.ex_date));
        let raw = split.day_bars(symbol, date(2024, 6, 28));
        for (plain, raw) in plain.day_bars(symbol, date(2024, 6, 28)).into_iter().zip(raw) {
            let earlier = actions.iter().filter(|action| action.ex_date <= date_of(raw.open_time));
            let factor: f64 = earlier.filter_map(|action| action.ratio).product();
            assert_eq!(raw, divided(plain, factor), "{symbol}");
            assert!(
                (raw.close * factor - plain.close).abs() <= 0.0051 * factor || raw.close <= 0.01,
                "{symbol}"
            );
        }
        reverse += actions.iter().filter(|action| action.ratio < Some(1.0)).count();
        forward += actions.iter().filter(|action| action.ratio > Some(1.0)).count();
        assert!(actions.iter().all(|action| action.kind == ActionKind::Split), "{symbol}");
    }
    assert!(forward > 20 && reverse > 0, "{forward} {reverse}");
}

#[test]
fn restated_bar_is_corrected_at_its_time() {
    let settings = SyntheticSection { restated_per_year: 252, ..everything() };
    let day = days(date(2024, 6, 27), date(2024, 6, 27));
    let close = at("2024-06-27T20:00:00Z").micros();
    let (before, after) = (close + 86_400_000_000 - 1, close + 86_400_000_000);
    for timeframe in Timeframe::ALL {
        let read = |micros| {
            let clock = Arc::new(ManualClock::at(micros));
            bars(&SyntheticMarket::with(7, settings.clone(), clock), "SPY", timeframe, day)
        };
        let (first, again, corrected) = (read(before - 1_000), read(before), read(after));
        assert_eq!(first, again, "{timeframe}");
        let changed: Vec<_> = again.iter().zip(&corrected).filter(|(a, b)| a != b).collect();
        let [(first, last)] = changed[..] else { panic!("{timeframe}: {changed:?}") };
        assert!(first.high > last.high && first.volume == last.volume + 100.0, "{first:?} {last:?}");
        assert_eq!(Bar { high: last.high, volume: last.volume, ..*first }, *last);
        let plain = SyntheticSection { restated_per_year: 0, ..settings.clone() };
        assert_eq!(corrected, bars(&market(plain, NOW), "SPY", timeframe, day), "{timeframe}");
    }
}

#[test]
fn news_are_as_many_as_configured() {
    let range = days(date(2023, 1, 1), date(2023, 12, 31));
    for (per_month, expected) in [(0, 0..=0), (2, 14..=34), (42, 480..=520)] {
        let market = market(SyntheticSection { news_per_month: per_month, ..everything() }, NOW);
        let news = market.news(symbol("SPY"), range).unwrap().records;
        assert!(expected.contains(&news.len()), "{per_month}: {}", news.len());
        let ids: std::collections::BTreeSet<&str> = news.iter().map(|item| item.id.as_str()).collect();
        assert_eq!(ids.len(), news.len());
        assert!(news.iter().all(|item| (-1.0..=1.0).contains(&item.sentiment.unwrap())));
    }
}

#[test]
fn whole_numbers_are_below_their_bound() {
    let mut rng = dated(7, symbol("SPY"), FIRST_DATE, "test");
    let mut counts = [0; 3];
    (0..300).for_each(|_| counts[below(&mut rng, 3)] += 1);
    assert!(counts.iter().all(|count| *count > 60), "{counts:?}");
    assert_eq!(below(&mut rng, 0), 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn parts_of_a_range_are_the_range(
        name in prop::sample::select(vec!["SPY", "HOTEL"]),
        start in 0_i64..300 * 1_440,
        (first, second) in (1_i64..6 * 1_440, 1_i64..6 * 1_440),
    ) {
        let minute = |minutes: i64| at("2023-09-01T04:00:00Z").saturating_add_micros(minutes * 60_000_000 + 7);
        let [start, middle, end] = [start, start + first, start + first + second].map(minute);
        let [first, second, all] = [(start, middle), (middle, end), (start, end)]
            .map(|(start, end)| Interval::new(start, end).unwrap());
        // Two sources of the same seed.
        let (market, other) = (market(everything(), NOW), market(everything(), NOW));
        for timeframe in Timeframe::ALL {
            let parts = [bars(&market, name, timeframe, first), bars(&market, name, timeframe, second)];
            prop_assert_eq!(parts.concat(), bars(&other, name, timeframe, all));
        }
        let news = |market: &SyntheticMarket, range| market.news(symbol(name), range).unwrap().records;
        prop_assert_eq!([news(&market, first), news(&market, second)].concat(), news(&other, all));
        let actions = |market: &SyntheticMarket, range| market.actions(symbol(name), range).unwrap().records;
        prop_assert_eq!([actions(&market, first), actions(&market, second)].concat(), actions(&other, all));
    }
}
