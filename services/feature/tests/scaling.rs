//! Values of scaled bars: in other units of price and volume, a value is in the units of its name.

use domain::{Bar, FeatureSet, Timeframe, Timestamp};
use feature::rules::{Window, compute};
use proptest::prelude::*;

/// Powers of two, so that rounding does not change.
const PRICE_FACTOR: f64 = 4.0;
const VOLUME_FACTOR: f64 = 0.125;
const TOLERANCE: f64 = 1e-9;

/// Returns `true` if the name is this one, or begins with it and ends with a number of bars.
fn is_of(name: &str, stem: &str) -> bool {
    name.strip_prefix(stem).is_some_and(|rest| rest.chars().all(|c| c == '_' || c.is_ascii_digit()))
}

const PRICES: [&str; 17] = [
    "open",
    "high",
    "low",
    "close",
    "typical_price",
    "sma",
    "ema",
    "vwap",
    "vwma",
    "macd",
    "mom",
    "sar",
    "atr",
    "donchian_high",
    "donchian_low",
    "linreg_slope",
    "roll_spread",
];
const PRICES_BY_PREFIX: [&str; 5] = ["pivot", "fib_", "ichimoku_", "value_area_", "macd_"];
const OTHER_PRICES: [&str; 6] = ["bb_upper", "bb_middle", "bb_lower", "swing_high", "swing_low", "poc_price"];
const VOLUMES: [&str; 5] = ["volume", "volume_mean", "obv", "ad", "adosc"];

/// The factor of a value.
fn factor(name: &str) -> f64 {
    let is_any = |stems: &[&str]| stems.iter().any(|stem| is_of(name, stem));
    if is_any(&PRICES)
        || OTHER_PRICES.contains(&name)
        || PRICES_BY_PREFIX.iter().any(|prefix| name.starts_with(prefix))
    {
        PRICE_FACTOR
    } else if is_any(&VOLUMES) {
        VOLUME_FACTOR
    } else if is_any(&["dollar_volume", "dollar_volume_mean"]) {
        PRICE_FACTOR * VOLUME_FACTOR
    } else if is_of(name, "amihud") {
        1.0 / (PRICE_FACTOR * VOLUME_FACTOR)
    } else {
        1.0
    }
}

fn bars() -> impl Strategy<Value = Vec<Bar>> {
    let row = (prop::array::uniform4(20.0..30.0_f64), 0.0..1e6_f64);
    prop::collection::vec(row, 0..330).prop_map(|rows| {
        let bar = |(minute, (prices, volume)): (i64, ([f64; 4], f64))| Bar {
            open_time: Timestamp::from_micros(1_700_000_000_000_000 + minute * 60_000_000),
            open: prices[0],
            high: prices.into_iter().fold(f64::MIN, f64::max),
            low: prices.into_iter().fold(f64::MAX, f64::min),
            close: prices[1],
            volume,
        };
        (0..).zip(rows).map(bar).collect()
    })
}

fn scaled(bar: &Bar) -> Bar {
    Bar {
        open_time: bar.open_time,
        open: bar.open * PRICE_FACTOR,
        high: bar.high * PRICE_FACTOR,
        low: bar.low * PRICE_FACTOR,
        close: bar.close * PRICE_FACTOR,
        volume: bar.volume * VOLUME_FACTOR,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn values_of_scaled_bars_are_scaled(bars in bars()) {
        let other: Vec<Bar> = bars.iter().map(scaled).collect();
        let (window, other) = (Window::new(Timeframe::Day1, &bars), Window::new(Timeframe::Day1, &other));
        for set in FeatureSet::ALL {
            let (own, other) = (compute(set, &window), compute(set, &other));
            prop_assert_eq!(own.reason, other.reason);
            prop_assert_eq!(own.values.len(), other.values.len());
            for ((name, value), (_, scaled)) in own.values.iter().zip(&other.values) {
                let expected = value * factor(name);
                let is_close = (scaled - expected).abs() <= TOLERANCE * (1.0 + expected.abs());
                prop_assert!(is_close, "{name} of {set:?}: {value} is {scaled} in other units");
            }
        }
    }
}
