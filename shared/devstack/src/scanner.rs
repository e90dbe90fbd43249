//! Small scanner of day bars that provides the development mode with findings.
//!
//! Its four rules are fixed (DOMAIN, dev mode), so that its findings can be recomputed from the bars.

use domain::{AlertType, Bar};

/// One finding about the newest bar.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// The type of the rule.
    pub alert_type: AlertType,
    /// From 0 to 1.
    pub score: f64,
    /// The description for users.
    pub message: String,
}

/// Applies the four rules to the last of these bars (oldest first). Returns at most one finding per rule.
///
/// A rule that needs more bars finds nothing.
#[must_use]
pub fn scan(bars: &[Bar]) -> Vec<Found> {
    [volume_spike(bars), technical_breakout(bars), momentum_shift(bars), trend_change(bars)]
        .into_iter()
        .flatten()
        .collect()
}

/// Volume above twice the mean of the 20 previous bars; score min(1, ratio / 5). After 20 bars without volume, any volume is a spike.
fn volume_spike(bars: &[Bar]) -> Option<Found> {
    let (now, before) = last_and_before(bars, 20)?;
    let mean = before.iter().map(|b| b.volume).sum::<f64>() / 20.0;
    (now.volume > 2.0 * mean).then(|| {
        let ratio = now.volume / mean;
        Found {
            alert_type: AlertType::VolumeSpike,
            score: (ratio / 5.0).min(1.0),
            message: format!("volume is {ratio:.1} times the mean of the 20 bars before"),
        }
    })
}

/// Close above the highest high of the 20 previous bars.
fn technical_breakout(bars: &[Bar]) -> Option<Found> {
    let (now, before) = last_and_before(bars, 20)?;
    let top = before.iter().map(|b| b.high).fold(f64::MIN, f64::max);
    (now.close > top).then(|| Found {
        alert_type: AlertType::TechnicalBreakout,
        score: 0.7,
        message: format!("close {} is above the highest high {top} of the 20 bars before", now.close),
    })
}

/// Change of sign of `roc_10` by more than 2 points. 0 has its own sign (docs/adr/005).
fn momentum_shift(bars: &[Bar]) -> Option<Found> {
    let before = roc_10(bars.split_last()?.1)?;
    let now = roc_10(bars)?;
    (sign(now) != sign(before) && (now - before).abs() > 2.0).then(|| Found {
        alert_type: AlertType::MomentumShift,
        score: 0.6,
        message: format!("roc_10 went from {before:.2} to {now:.2}"),
    })
}

/// Change of sign of `sma_20 - sma_50`.
fn trend_change(bars: &[Bar]) -> Option<Found> {
    let before = sma_spread(bars.split_last()?.1)?;
    let now = sma_spread(bars)?;
    (sign(now) != sign(before)).then(|| Found {
        alert_type: AlertType::TrendChange,
        score: 0.65,
        message: format!("sma_20 - sma_50 went from {before:.2} to {now:.2}"),
    })
}

/// -1, 0 or 1.
fn sign(value: f64) -> i8 {
    i8::from(value > 0.0) - i8::from(value < 0.0)
}

fn last_and_before(bars: &[Bar], n: usize) -> Option<(&Bar, &[Bar])> {
    let (now, earlier) = bars.split_last()?;
    Some((now, earlier.get(earlier.len().checked_sub(n)?..)?))
}

/// Returns TA-Lib's ROC over 10 bars, percent.
fn roc_10(bars: &[Bar]) -> Option<f64> {
    let (now, before) = last_and_before(bars, 10)?;
    let then = before[0].close;
    (then != 0.0).then(|| (now.close / then - 1.0) * 100.0)
}

fn sma_spread(bars: &[Bar]) -> Option<f64> {
    Some(sma(bars, 20)? - sma(bars, 50)?)
}

fn sma(bars: &[Bar], n: u32) -> Option<f64> {
    let from = bars.len().checked_sub(usize::try_from(n).ok()?)?;
    Some(bars[from..].iter().map(|b| b.close).sum::<f64>() / f64::from(n))
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::Timestamp;

    /// Bars with these closes, highs half a point above, lows half below, volume 100.
    fn bars(closes: impl IntoIterator<Item = f64>) -> Vec<Bar> {
        closes
            .into_iter()
            .zip(0_i64..)
            .map(|(close, day)| Bar {
                open_time: Timestamp::from_micros(day * 86_400_000_000),
                open: close,
                high: close + 0.5,
                low: close - 0.5,
                close,
                volume: 100.0,
            })
            .collect()
    }

    fn types(found: &[Found]) -> Vec<AlertType> {
        found.iter().map(|f| f.alert_type).collect()
    }

    #[test]
    fn volume_above_twice_the_mean_is_a_spike() {
        let mut series = bars([10.0; 21]);
        series[20].volume = 200.0;
        assert_eq!(scan(&series), []);
        series[20].volume = 300.0;
        assert_eq!(scan(&series)[0].score, 0.6);
        let mut no_volume = bars([10.0; 21]);
        no_volume[..20].iter_mut().for_each(|bar| bar.volume = 0.0);
        assert_eq!(scan(&no_volume)[0].score, 1.0, "any volume after 20 bars without volume");
        series[20].volume = 900.0;
        let found = scan(&series);
        assert_eq!((types(&found), found[0].score), (vec![AlertType::VolumeSpike], 1.0));
        assert_eq!(scan(&series[1..]), [], "20 previous bars are required");
    }

    #[test]
    fn close_above_the_earlier_highs_is_a_breakout() {
        let mut series = bars([10.0; 21]);
        let is_breakout = |series: &[Bar]| types(&scan(series)).contains(&AlertType::TechnicalBreakout);
        series[20].close = 10.5;
        assert!(!is_breakout(&series));
        series[20].close = 10.6;
        assert!(is_breakout(&series));
    }

    #[test]
    fn momentum_shift_requires_more_than_two_points() {
        let mut closes = vec![100.0; 12];
        closes[0] = 99.5;
        closes[11] = 99.0;
        assert_eq!(scan(&bars(closes.clone())), [], "from 0.50 to -1.00 is 1.5 points");
        closes[11] = 98.0;
        assert_eq!(types(&scan(&bars(closes.clone()))), [AlertType::MomentumShift]);
        (closes[0], closes[11]) = (103.0, 100.0);
        assert_eq!(types(&scan(&bars(closes))), [AlertType::MomentumShift], "from below 0 to 0");
    }

    #[test]
    fn crossing_averages_are_a_trend_change() {
        let mut closes: Vec<f64> = (0..60).map(|i| 100.0 - f64::from(i) * 0.1).collect();
        closes.push(150.0);
        assert!(types(&scan(&bars(closes))).contains(&AlertType::TrendChange));
    }
}
