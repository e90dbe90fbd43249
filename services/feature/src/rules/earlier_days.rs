//! Day bars of earlier dates, for windows below a day.

use domain::calendar::date_of;
use domain::{Bar, FeatureSet, FeatureSets, Timestamp};
use jiff::civil::Weekday;

use super::splits::{Split, adjusted};
use super::stats::count;
use super::value::{Omission, Value, divide};

/// The values that a window below a day takes from day bars. The stage computes them when a job starts, so a job has no copies of these bars.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EarlierDays {
    newest: Option<Bar>,
    weekday_return: Value,
}

impl EarlierDays {
    /// No day bars.
    pub const NONE: Self = Self { newest: None, weekday_return: Err(Omission::PriorDay) };

    /// From the newest `history` day bars of an earlier date in New York than `as_of`, adjusted by the splits up to that date. Bars and
    /// splits are those of one symbol, oldest first; only the values that the sets need are computed.
    ///
    /// The bars have closed if a bar that opened at `as_of` has closed.
    #[must_use]
    pub fn before(
        as_of: Timestamp,
        day_bars: &[Bar],
        splits: &[Split],
        history: usize,
        sets: FeatureSets,
    ) -> Self {
        let date = date_of(as_of);
        let end = day_bars.partition_point(|bar| date_of(bar.open_time) < date);
        let days = &adjusted(&day_bars[end.saturating_sub(history)..end], splits, as_of)[..];
        let weekday_return = if days.is_empty() || !sets.contains(FeatureSet::SeasonalityFeatures) {
            Err(Omission::PriorDay)
        } else {
            weekday_return(days, date.weekday())
        };
        Self { newest: days.last().copied(), weekday_return }
    }

    /// The newest of the bars.
    pub(super) const fn newest(&self) -> Option<&Bar> {
        self.newest.as_ref()
    }

    /// The mean return on the weekday of `as_of`.
    pub(super) const fn weekday_return(&self) -> Value {
        self.weekday_return
    }
}

/// The mean simple return of the day bars on this weekday, each from the bar before it.
pub(super) fn weekday_return(days: &[Bar], weekday: Weekday) -> Value {
    let (mut sum, mut returns) = (0.0, 0);
    for pair in days.windows(2).filter(|pair| date_of(pair[1].open_time).weekday() == weekday) {
        sum += divide(pair[1].close, pair[0].close)? - 1.0;
        returns += 1;
    }
    if returns == 0 {
        return Err(Omission::Absent("no day bar on that weekday with one before it"));
    }
    Ok(sum / count(returns))
}

#[cfg(test)]
mod tests {
    use domain::calendar::day_open;
    use jiff::civil::date;

    use super::*;

    fn bar(day: i8, close: f64) -> Bar {
        let open_time = day_open(date(2024, 7, day));
        Bar { open_time, open: close, high: close, low: close, close, volume: 1.0 }
    }

    #[test]
    fn newest_is_of_an_earlier_date() {
        let bars = [1, 2, 3].map(|day| bar(day, 1.0));
        let newest = |as_of| {
            EarlierDays::before(as_of, &bars, &[], 300, FeatureSets::EMPTY).newest().map(|bar| bar.open_time)
        };
        assert_eq!(newest(Timestamp::parse("2024-07-03T13:30:00Z").unwrap()), Some(bars[1].open_time));
        assert_eq!(newest(day_open(date(2024, 7, 1))), None);
    }

    #[test]
    fn weekday_return_is_the_mean_of_the_kept_bars() {
        // 1, 8 and 15 July are Mondays, 20 July is a Saturday.
        let bars =
            [(1, 10.0), (2, 20.0), (8, 30.0), (12, 10.0), (15, 10.0)].map(|(day, close)| bar(day, close));
        let of = |day, history| {
            let as_of = day_open(date(2024, 7, day)).saturating_add_micros(1);
            EarlierDays::before(as_of, &bars, &[], history, FeatureSets::all()).weekday_return()
        };
        assert_eq!(of(22, 300), Ok(0.25));
        assert_eq!(of(22, 2), Ok(0.0));
        assert_eq!(of(15, 300), Ok(0.5));
        assert!(matches!(of(20, 300), Err(Omission::Absent(_))));
        assert_eq!(of(1, 300), Err(Omission::PriorDay));
    }
}
