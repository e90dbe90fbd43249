//! Laws of the rules for any bars.

use domain::calendar::bar_close;
use domain::{Bar, FeatureSet, Symbol, Timeframe, Timestamp};
use feature::rules::{
    Benchmarks, COMPARED, History, ReasonClass, SetResult, Status, Window, compute, followed, is_built,
    select,
};
use proptest::prelude::*;

const HISTORY: usize = 300;
const MINUTE_MICROS: i64 = 60_000_000;

/// Prices with equal values and the extremes that a valid bar may have.
fn price() -> impl Strategy<Value = f64> {
    prop_oneof![
        6 => 1.0..500.0_f64,
        2 => (1_u8..5).prop_map(f64::from),
        1 => prop_oneof![Just(0.0), Just(-3.5), Just(1e-300), Just(5e-324), Just(1e300), Just(f64::MAX)],
    ]
}

fn volume() -> impl Strategy<Value = f64> {
    prop_oneof![4 => 0.0..1e9_f64, 1 => Just(0.0), 1 => Just(f64::MAX)]
}

/// A bar that opened at minute `minute`.
fn bar(minute: i64, prices: [f64; 4], volume: f64) -> Bar {
    let [open, close, ..] = prices;
    let high = prices.into_iter().fold(f64::MIN, f64::max);
    let low = prices.into_iter().fold(f64::MAX, f64::min);
    let open_time = Timestamp::from_micros(1_700_000_000_000_000 + minute * MINUTE_MICROS);
    Bar { open_time, open, high, low, close, volume }
}

/// Valid bars in the order of their open times, some with the prices of the previous one.
fn bars(lengths: std::ops::Range<usize>) -> impl Strategy<Value = Vec<Bar>> {
    let one = (prop::array::uniform4(price()), volume(), 1_i64..4, prop::bool::weighted(0.3));
    prop::collection::vec(one, lengths).prop_map(|rows| {
        let mut bars: Vec<Bar> = Vec::new();
        let mut minute = 0;
        for (prices, volume, step, repeats) in rows {
            minute += step;
            let next = bar(minute, prices, volume);
            let same = bars.last().filter(|_| repeats).map(|last| Bar { open_time: next.open_time, ..*last });
            bars.push(same.unwrap_or(next));
        }
        bars
    })
}

fn all_sets(window: &Window<'_>) -> Vec<SetResult> {
    FeatureSet::ALL.into_iter().map(|set| compute(set, window)).collect()
}

/// Benchmarks with these bars for each symbol.
fn benchmarks(bars: &[Bar]) -> Benchmarks {
    let series = followed(&COMPARED).into_iter().map(|symbol| (symbol, bars.to_vec()));
    Benchmarks::new(HISTORY, COMPARED.to_vec(), series.collect())
}

/// The close of the bar at this index.
fn close_time(bars: &[Bar], index: usize) -> Timestamp {
    bars.get(index).map_or(Timestamp::from_micros(0), |bar| bar_close(Timeframe::Minute1, bar.open_time))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn no_value_is_nan_or_infinite(bars in bars(0..330), others in bars(0..330)) {
        let benchmarks = benchmarks(&others);
        for timeframe in [Timeframe::Day1, Timeframe::Minute5] {
            let window = Window::new(timeframe, &bars).with_benchmarks(&benchmarks);
            for result in all_sets(&window) {
                prop_assert!(result.values.iter().all(|(_, value)| value.is_finite()), "{:?}", result);
                prop_assert_eq!(result.values.is_empty(), result.status == Status::Unavailable);
                prop_assert!(result.status == Status::Computed || result.reason.is_some());
            }
        }
    }

    #[test]
    fn only_the_newest_closed_history_counts(bars in bars(1..700), index in 0_usize..700) {
        let index = index % bars.len();
        let occurred_at = close_time(&bars, index);
        let selected = select(&bars, Timeframe::Minute1, occurred_at, HISTORY);
        let closed = &bars[..=index];
        prop_assert_eq!(selected, &closed[closed.len().saturating_sub(HISTORY)..]);
        // Bars after it and bars before the history do not count.
        let mut others = bars.clone();
        for (position, other) in others.iter_mut().enumerate() {
            if position > index || position + HISTORY <= index {
                *other = Bar { open_time: other.open_time, ..bar(0, [3.0, 4.0, 5.0, 2.0], 7.0) };
            }
        }
        let again = select(&others, Timeframe::Minute1, occurred_at, HISTORY);
        let of = |bars, all: &[Bar]| {
            all_sets(&Window::new(Timeframe::Minute1, bars).with_benchmarks(&benchmarks(all)))
        };
        prop_assert_eq!(of(selected, &bars), of(again, &others));
    }

    #[test]
    fn order_and_repetition_of_inserts_change_nothing(
        bars in bars(1..400),
        order in prop::collection::vec(any::<prop::sample::Index>(), 0..200),
        seed in any::<u64>(),
    ) {
        let symbol = Symbol::parse("AAPL").unwrap();
        let mut straight = History::new(HISTORY, 10);
        bars.iter().for_each(|bar| straight.insert(symbol, Timeframe::Minute1, *bar));
        let mut shuffled = bars.clone();
        shuffled.extend(order.iter().map(|index| *index.get(&bars)));
        shuffled.sort_by_key(|bar| (bar.open_time.micros().cast_unsigned() ^ seed).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let mut mixed = History::new(HISTORY, 10);
        shuffled.iter().for_each(|bar| mixed.insert(symbol, Timeframe::Minute1, *bar));
        prop_assert_eq!(straight.bars(symbol, Timeframe::Minute1), mixed.bars(symbol, Timeframe::Minute1));
        prop_assert!(mixed.len() <= (HISTORY + 10) * 9 / 8);
    }

    #[test]
    fn computing_twice_returns_the_same_bits(bars in bars(0..310)) {
        let of = || -> Vec<(String, u64)> {
            let benchmarks = benchmarks(&bars);
            let window = Window::new(Timeframe::Day1, &bars).with_benchmarks(&benchmarks);
            let values = all_sets(&window).into_iter().flat_map(|result| result.values);
            values.map(|(name, value)| (name.into_owned(), value.to_bits())).collect()
        };
        prop_assert_eq!(of(), of());
    }
}

/// Bars that rise and fall, no two of them equal.
fn waves(n: u16) -> Vec<Bar> {
    let one = |minute: u16| {
        let price = 100.0 + 10.0 * (f64::from(minute) * 0.7).sin();
        bar(minute.into(), [price, price + 0.3, price + 1.0, price - 0.4], 1000.0 + f64::from(minute))
    };
    (0..n).map(one).collect()
}

#[test]
fn name_in_two_sets_has_one_value() {
    let bars = waves(300);
    let mut by_name = std::collections::HashMap::new();
    let mut names = 0;
    for result in all_sets(&Window::new(Timeframe::Day1, &bars)) {
        for (name, value) in result.values {
            names += 1;
            assert_eq!(*by_name.entry(name.clone()).or_insert(value), value, "{name}");
        }
    }
    assert!(names > by_name.len());
}

#[test]
fn equal_bars_have_spreads_of_exactly_zero() {
    let bars: Vec<Bar> = (0..300).map(|minute| bar(minute, [0.1; 4], 1.0)).collect();
    let window = Window::new(Timeframe::Day1, &bars);
    let value = |set, name| {
        compute(set, &window).values.into_iter().find(|(held, _)| *held == name).map(|(_, value)| value)
    };
    for name in ["realized_20", "ewm_20", "parkinson_20", "yang_zhang_20", "atr_14", "natr_14"] {
        assert_eq!(value(FeatureSet::VolatilityFeatures, name), Some(0.0), "{name}");
    }
    for name in ["std_20", "std_252"] {
        assert_eq!(value(FeatureSet::StatisticalMoments, name), Some(0.0), "{name}");
    }
    assert_eq!(value(FeatureSet::TechnicalIndicators, "bb_width"), Some(0.0));
    assert_eq!(value(FeatureSet::MarketMicrostructure, "roll_spread_20"), Some(0.0));
    assert_eq!(value(FeatureSet::SpreadFeatures, "abdi_ranaldo_20"), Some(0.0));
    assert_eq!(value(FeatureSet::LiquidityFeatures, "zero_return_share_20"), Some(1.0));
    assert_eq!(value(FeatureSet::VolatilityRegime, "vol_percentile_252"), Some(1.0));
    for name in ["poc_price", "value_area_low", "value_area_high"] {
        assert_eq!(value(FeatureSet::VolumeProfile, name), Some(0.1), "{name}");
    }
    for name in ["var_95", "cvar_99", "max_drawdown_252", "downside_deviation_252"] {
        assert_eq!(value(FeatureSet::TailRiskFeatures, name), Some(0.0), "{name}");
    }
    for (set, name) in [
        (FeatureSet::MomentumFeatures, "rsi_14"),
        (FeatureSet::MomentumFeatures, "cci_20"),
        (FeatureSet::MomentumFeatures, "stoch_k"),
        (FeatureSet::MomentumFeatures, "ultosc"),
        (FeatureSet::TrendFeatures, "adx_14"),
        (FeatureSet::TrendFeatures, "plus_di_14"),
        (FeatureSet::TechnicalIndicators, "bb_percent"),
        (FeatureSet::StatisticalMoments, "skew_60"),
        (FeatureSet::PriceFeatures, "position_20"),
        (FeatureSet::VolumePatterns, "mfi_14"),
        (FeatureSet::VolatilityRegime, "vol_ratio_20_60"),
        (FeatureSet::AnomalyScores, "return_zscore_60"),
        (FeatureSet::AnomalyScores, "range_zscore_20"),
        (FeatureSet::DistributionFeatures, "jarque_bera_252"),
    ] {
        assert_eq!(value(set, name), None, "{name}");
        let reason = compute(set, &window).reason.unwrap();
        assert!(reason.contains(&format!("{name}: divisor is 0")), "{reason}");
    }
}

#[test]
fn reason_names_the_shortfall() {
    let bars = waves(150);
    let reason = |set, held: usize| compute(set, &Window::new(Timeframe::Day1, &bars[..held])).reason;
    assert_eq!(reason(FeatureSet::TrendFeatures, 150).as_deref(), Some("200 bars needed, 150 held"));
    assert_eq!(reason(FeatureSet::ReturnsFeatures, 60).as_deref(), Some("61 bars needed, 60 held"));
    assert_eq!(reason(FeatureSet::ReturnsFeatures, 61), None);
    assert_eq!(reason(FeatureSet::PriceFeatures, 0).as_deref(), Some("50 bars needed, 0 held"));
    assert_eq!(reason(FeatureSet::SupportResistance, 1).as_deref(), Some("11 bars needed, 1 held"));
    for (set, needed) in [
        (FeatureSet::PricePatterns, 13),
        (FeatureSet::VolumePatterns, 21),
        (FeatureSet::VolumeProfile, 60),
        (FeatureSet::VolumeWeightedFeatures, 50),
        (FeatureSet::SpreadFeatures, 21),
        (FeatureSet::LiquidityFeatures, 61),
        (FeatureSet::VolatilityRegime, 80),
        (FeatureSet::AnomalyScores, 62),
    ] {
        let shortfall = format!("{needed} bars needed, {} held", needed - 1);
        assert_eq!(reason(set, needed - 1).as_deref(), Some(shortfall.as_str()));
        assert_eq!(reason(set, needed), None, "{set:?}");
    }
    for set in [FeatureSet::DistributionFeatures, FeatureSet::TailRiskFeatures] {
        let result = compute(set, &Window::new(Timeframe::Day1, &bars));
        assert_eq!(
            (result.status, result.reason.as_deref()),
            (Status::Unavailable, Some("253 bars needed, 150 held"))
        );
    }
    let intraday = compute(FeatureSet::TechnicalIndicators, &Window::new(Timeframe::Hour1, &bars));
    assert_eq!(intraday.reason.as_deref(), Some("no day bar of an earlier date held"));
}

#[test]
fn set_without_a_rule_names_the_reason() {
    let window = Window::new(Timeframe::Day1, &[]);
    for set in FeatureSet::ALL.into_iter().filter(|set| !is_built(*set)) {
        let SetResult { status, reason, class, values } = compute(set, &window);
        let reason = reason.unwrap();
        let is_not_built = reason == "not built yet";
        assert_eq!(class, if is_not_built { ReasonClass::NotBuilt } else { ReasonClass::NoSource });
        assert_eq!((status, values.len()), (Status::Unavailable, 0));
        assert!(is_not_built || reason.starts_with("no source of "), "{}: {reason}", set.as_str());
    }
    let reason = |set| compute(set, &window).reason;
    assert_eq!(reason(FeatureSet::NewsFeatures).as_deref(), Some("not built yet"));
    assert_eq!(reason(FeatureSet::GrowthMetrics).as_deref(), Some("no source of fundamentals"));
    assert_eq!(reason(FeatureSet::ClusteringFeatures).as_deref(), Some("no source of models"));
}
