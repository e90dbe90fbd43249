//! Window of a vector: the bars that it is computed from, and their columns.

use domain::calendar::{DateTime, bar_close, local_time};
use domain::{Bar, Timeframe, Timestamp};

use super::benchmarks::Benchmarks;
use super::earlier_days::{EarlierDays, weekday_return};
use super::math::ln;
use super::splits::Mismatches;
use super::stats::newest;
use super::value::{Omission, Value};

/// Returns the newest `history` bars that closed at or before `occurred_at`. The bars are those of one symbol, one per open time,
/// oldest first.
#[must_use]
pub fn select(bars: &[Bar], timeframe: Timeframe, occurred_at: Timestamp, history: usize) -> &[Bar] {
    let end = bars.partition_point(|bar| bar_close(timeframe, bar.open_time) <= occurred_at);
    &bars[end.saturating_sub(history)..end]
}

/// Consecutive bars of one symbol, oldest first, with the columns that the rules read.
#[derive(Debug)]
pub struct Window<'a> {
    timeframe: Timeframe,
    bars: &'a [Bar],
    earlier_days: EarlierDays,
    benchmarks: Option<&'a Benchmarks>,
    mismatches: Mismatches,
    high: Vec<f64>,
    low: Vec<f64>,
    close: Vec<f64>,
    volume: Vec<f64>,
    typical: Vec<f64>,
    log_returns: Vec<f64>,
}

impl<'a> Window<'a> {
    /// A window of bars as [`select`] returns them: one per open time, oldest first.
    #[must_use]
    pub fn new(timeframe: Timeframe, bars: &'a [Bar]) -> Self {
        debug_assert!(
            bars.is_sorted_by(|a, b| a.open_time < b.open_time),
            "one bar per open time, oldest first"
        );
        let column = |of: fn(&Bar) -> f64| bars.iter().map(of).collect::<Vec<_>>();
        Self {
            timeframe,
            bars,
            earlier_days: EarlierDays::NONE,
            benchmarks: None,
            mismatches: Mismatches::default(),
            high: column(|bar| bar.high),
            low: column(|bar| bar.low),
            close: column(|bar| bar.close),
            volume: column(|bar| bar.volume),
            typical: column(|bar| (bar.high + bar.low + bar.close) / 3.0),
            // NaN for a price that is not positive: values that use it are omitted.
            log_returns: bars.windows(2).map(|pair| ln(pair[1].close / pair[0].close)).collect(),
        }
    }

    /// Sets the day bars of earlier dates, for timeframes below a day.
    #[must_use]
    pub fn with_earlier_days(mut self, earlier_days: EarlierDays) -> Self {
        self.earlier_days = earlier_days;
        self
    }

    /// Sets the benchmarks, at the timeframe of the window.
    #[must_use]
    pub fn with_benchmarks(mut self, benchmarks: &'a Benchmarks) -> Self {
        self.benchmarks = Some(benchmarks);
        self
    }

    /// Sets the prices that contradict the splits by which the bars are adjusted.
    #[must_use]
    pub fn with_mismatches(mut self, mismatches: Mismatches) -> Self {
        self.mismatches = mismatches;
        self
    }

    pub(super) const fn mismatches(&self) -> Mismatches {
        self.mismatches
    }

    pub(crate) const fn benchmarks(&self) -> Option<&'a Benchmarks> {
        self.benchmarks
    }

    /// All bars, oldest first.
    pub(crate) fn all(&self) -> &'a [Bar] {
        self.bars
    }

    /// The open time of the newest bar; `None` without bars.
    #[must_use]
    pub fn as_of(&self) -> Option<Timestamp> {
        self.bars.last().map(|bar| bar.open_time)
    }

    /// The number of bars.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bars.len()
    }

    /// `true` if there are no bars.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bars.is_empty()
    }

    /// The newest bar.
    pub(crate) fn newest(&self) -> Result<&'a Bar, Omission> {
        self.bars.last().ok_or(Omission::TooFewBars(1))
    }

    /// The day bar of the pivots: the newest of an earlier date.
    pub(crate) fn prior(&self) -> Result<&Bar, Omission> {
        if self.is_intraday() {
            return self.earlier_days.newest().ok_or(Omission::PriorDay);
        }
        Ok(&self.bars(2)?[0])
    }

    /// The mean simple return of the held day bars on the weekday of the newest bar.
    pub(crate) fn weekday_return(&self) -> Value {
        if self.is_intraday() {
            return self.earlier_days.weekday_return();
        }
        self.bars(2)?;
        weekday_return(self.bars, self.local_time()?.weekday())
    }

    /// `true` below a day.
    pub(crate) fn is_intraday(&self) -> bool {
        self.timeframe != Timeframe::Day1
    }

    /// The open time of the newest bar in New York.
    pub(crate) fn local_time(&self) -> Result<DateTime, Omission> {
        Ok(local_time(self.newest()?.open_time))
    }

    pub(crate) fn high(&self) -> &[f64] {
        &self.high
    }

    pub(crate) fn low(&self) -> &[f64] {
        &self.low
    }

    pub(crate) fn close(&self) -> &[f64] {
        &self.close
    }

    pub(crate) fn volume(&self) -> &[f64] {
        &self.volume
    }

    /// (high + low + close) / 3 of each bar.
    pub(crate) fn typical(&self) -> &[f64] {
        &self.typical
    }

    /// The newest `n` values of r, the log returns from close to close; needs `n + 1` bars.
    pub(crate) fn log_returns(&self, n: usize) -> Result<&[f64], Omission> {
        newest(&self.log_returns, n).map_err(|_| Omission::TooFewBars(n + 1))
    }

    /// All values of r of the window, at least `n`.
    pub(crate) fn all_log_returns(&self, n: usize) -> Result<&[f64], Omission> {
        self.log_returns(n).map(|_| &self.log_returns[..])
    }

    /// The newest `n` bars.
    pub(crate) fn bars(&self, n: usize) -> Result<&'a [Bar], Omission> {
        let start = self.bars.len().checked_sub(n).ok_or(Omission::TooFewBars(n))?;
        Ok(&self.bars[start..])
    }

    /// The newest `n` bars, each with its predecessor first; needs `n + 1` bars.
    pub(crate) fn steps(&self, n: usize) -> Result<impl Iterator<Item = (&'a Bar, &'a Bar)>, Omission> {
        Ok(self.bars(n + 1)?.windows(2).map(|pair| (&pair[0], &pair[1])))
    }

    /// The factor from a standard deviation per bar to one per year of 252 sessions of 390 minutes.
    pub(crate) fn annualisation(&self) -> f64 {
        match self.timeframe {
            Timeframe::Minute1 => 252.0 * 390.0,
            Timeframe::Minute5 => 252.0 * 390.0 / 5.0,
            Timeframe::Hour1 => 252.0 * 390.0 / 60.0,
            Timeframe::Day1 => 252.0_f64,
        }
        .sqrt()
    }
}

#[cfg(test)]
mod tests {
    use domain::FeatureSets;
    use domain::calendar::{Date, day_open, session_close};

    use super::*;

    fn day(day: i8) -> Date {
        Date::constant(2024, 7, day)
    }

    fn bar(open_time: Timestamp) -> Bar {
        Bar { open_time, open: 1.0, high: 2.0, low: 0.5, close: 1.5, volume: 10.0 }
    }

    #[test]
    fn day_bar_is_selected_from_its_session_close_on() {
        // 2024-07-03 is a half day.
        let bars = [1, 2, 3].map(|number| bar(day_open(day(number))));
        let select = |at: Timestamp| select(&bars, Timeframe::Day1, at, 300).len();
        let close = session_close(day(3));
        assert_eq!(close.micros_since(day_open(day(3))), 13 * 3_600_000_000);
        assert_eq!(select(close), 3);
        assert_eq!(select(close.saturating_add_micros(-1)), 2);
        assert_eq!(select(session_close(day(1)).saturating_add_micros(-1)), 0);
    }

    #[test]
    fn selection_is_the_newest_history() {
        let bars = [1, 2, 3].map(|number| bar(day_open(day(number))));
        assert_eq!(select(&bars, Timeframe::Day1, session_close(day(3)), 2), &bars[1..]);
        assert_eq!(select(&bars, Timeframe::Day1, session_close(day(2)), 1), &bars[1..2]);
    }

    #[test]
    fn minute_bar_closes_after_its_minutes() {
        let open = Timestamp::parse("2024-07-02T13:30:00Z").unwrap();
        let bars = [bar(open)];
        let close = open.saturating_add_micros(300_000_000);
        assert_eq!(select(&bars, Timeframe::Minute5, close, 300).len(), 1);
        assert_eq!(select(&bars, Timeframe::Minute5, close.saturating_add_micros(-1), 300).len(), 0);
    }

    #[test]
    fn prior_day_is_the_newest_of_an_earlier_date() {
        let bars = [1, 2, 3].map(|number| bar(day_open(day(number))));
        assert_eq!(Window::new(Timeframe::Day1, &bars).prior(), Ok(&bars[1]));
        assert_eq!(Window::new(Timeframe::Day1, &bars[..1]).prior(), Err(Omission::TooFewBars(2)));
        let hours = Window::new(Timeframe::Hour1, &bars);
        assert_eq!(hours.prior(), Err(Omission::PriorDay));
        let days = EarlierDays::before(bars[1].open_time, &bars, &[], 300, FeatureSets::EMPTY);
        assert_eq!(hours.with_earlier_days(days).prior(), Ok(&bars[0]));
    }
}
