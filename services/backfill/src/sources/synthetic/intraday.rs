//! Bars within a day: minutes that add up to the day bar, and longer bars that minutes add up to.

use domain::calendar::{date_of, session_close};
use domain::{Bar, Symbol, Timeframe, Timestamp};
use kit::SaturatingFrom;

use super::random::{SESSIONS_A_YEAR, below, dated, unit};

const MINUTE_MICROS: i64 = 60_000_000;

/// The time from midnight to the start of the session, 09:30. Clocks do not change on a date with a session.
const SESSION_START_MICROS: i64 = 34_200_000_000;

/// No halt begins before this minute of the session.
const HALT_FIRST: usize = 5;

/// The minimum and the maximum number of minutes of a halt.
const HALT_MINUTES: (usize, usize) = (5, 30);

/// The market of one seed and symbol on one date.
#[derive(Debug, Clone, Copy)]
pub(super) struct Session {
    pub(super) seed: u64,
    pub(super) symbol: Symbol,
    /// The day bar.
    pub(super) day: Bar,
    pub(super) halts_per_year: u16,
}

/// The minutes of a session without trades. Empty if there is no halt.
type Halt = std::ops::Range<usize>;

impl Session {
    /// Returns the bars of all minutes with trades. Together they have the open, high, low, close and volume of the day bar.
    pub(super) fn minutes(&self) -> Vec<Bar> {
        let start = self.day.open_time.saturating_add_micros(SESSION_START_MICROS);
        let close = session_close(date_of(self.day.open_time));
        let count = usize::saturating_from(close.micros_since(start) / MINUTE_MICROS);
        let halt = self.halt(count);
        let prices = self.prices(count);
        let volumes = self.volumes(count, &halt);
        let mut rng = self.rng("wick");
        let [low, high] = [cents(self.day.low), cents(self.day.high)];
        let mut wick = || (unit(&mut rng) * (high - low) / 40.0).floor();
        let mut minutes = Vec::with_capacity(count);
        for (index, pair) in prices.windows(2).enumerate() {
            let (open, close, up, down) = (pair[0], pair[1], wick(), wick());
            if halt.contains(&index) {
                continue;
            }
            let micros = i64::saturating_from(index) * MINUTE_MICROS;
            minutes.push(Bar {
                open_time: start.saturating_add_micros(micros),
                open: open / 100.0,
                high: (open.max(close) + up).min(high) / 100.0,
                low: (open.min(close) - down).max(low) / 100.0,
                close: close / 100.0,
                volume: volumes[index],
            });
        }
        // The extremes of the day are in the minutes that are nearest to them.
        if let Some(highest) = minutes.iter_mut().reduce(|a, b| if b.high > a.high { b } else { a }) {
            highest.high = self.day.high;
        }
        if let Some(lowest) = minutes.iter_mut().reduce(|a, b| if b.low < a.low { b } else { a }) {
            lowest.low = self.day.low;
        }
        minutes
    }

    fn rng(&self, purpose: &str) -> rand_pcg::Pcg64Mcg {
        dated(self.seed, self.symbol, date_of(self.day.open_time), purpose)
    }

    /// Returns the halt of the session. It begins and ends within it, so the first and the last minute have trades.
    fn halt(&self, count: usize) -> Halt {
        let mut rng = self.rng("halt");
        if unit(&mut rng) >= f64::from(self.halts_per_year) / SESSIONS_A_YEAR {
            return 0..0;
        }
        let (length_min, length_max) = HALT_MINUTES;
        let length = length_min + below(&mut rng, length_max - length_min + 1);
        let first = HALT_FIRST + below(&mut rng, count.saturating_sub(HALT_FIRST + length_max + 1));
        first..first + length
    }

    /// Returns the prices at the ends of the minutes in cents: a random walk from the open to the close of the day, between its low and
    /// its high.
    fn prices(&self, count: usize) -> Vec<f64> {
        let mut rng = self.rng("price");
        let mut walk = vec![0.0];
        for _ in 0..count {
            walk.push(walk.last().copied().unwrap_or(0.0) + unit(&mut rng) - 0.5);
        }
        let [open, high, low, close] =
            [self.day.open, self.day.high, self.day.low, self.day.close].map(cents);
        let share =
            |index: usize| f64::from(u32::saturating_from(index)) / f64::from(u32::saturating_from(count));
        let drift = walk.last().copied().unwrap_or(0.0);
        let bridge: Vec<f64> = walk.iter().enumerate().map(|(index, at)| at - share(index) * drift).collect();
        let widest = bridge.iter().fold(f64::MIN_POSITIVE, |widest, at| widest.max(at.abs()));
        let price = |(index, at): (usize, &f64)| {
            let price = open + (close - open) * share(index) + at / widest * (high - low) / 2.0;
            price.clamp(low, high).round()
        };
        bridge.iter().enumerate().map(price).collect()
    }

    /// Returns the volumes of the minutes, whole numbers whose sum is the volume of the day: more at the start and the end, none in a
    /// halt.
    fn volumes(&self, count: usize, halt: &Halt) -> Vec<f64> {
        let mut rng = self.rng("volume");
        let middle = f64::from(u32::saturating_from(count)) / 2.0;
        let mut sums = vec![0.0];
        for index in 0..count {
            let distance = (f64::from(u32::saturating_from(index)) - middle) / middle;
            let weight = (0.2 + unit(&mut rng)) * (1.0 + 3.0 * distance * distance);
            let weight = if halt.contains(&index) { 0.0 } else { weight };
            sums.push(sums.last().copied().unwrap_or(0.0) + weight);
        }
        let all = sums.last().copied().unwrap_or(1.0);
        let until = |sum: &f64| (self.day.volume * (sum / all)).floor();
        sums.windows(2).map(|pair| until(&pair[1]) - until(&pair[0])).collect()
    }
}

/// Returns the price in whole cents.
fn cents(price: f64) -> f64 {
    (price * 100.0).round()
}

/// Returns the bars of a longer timeframe that begin at its multiples. The bars are ascending.
pub(super) fn aggregated(bars: &[Bar], timeframe: Timeframe) -> Vec<Bar> {
    let open_time = |bar: &Bar| match timeframe.minutes() {
        Some(minutes) => {
            let step = minutes * MINUTE_MICROS;
            Timestamp::from_micros(bar.open_time.micros().div_euclid(step) * step)
        }
        None => domain::calendar::day_open(date_of(bar.open_time)),
    };
    let groups = bars.chunk_by(|a, b| open_time(a) == open_time(b));
    groups.filter_map(|group| Some(merged(open_time(group.first()?), group))).collect()
}

fn merged(open_time: Timestamp, bars: &[Bar]) -> Bar {
    let price = |bar: Option<&Bar>, of: fn(&Bar) -> f64| bar.map_or(0.0, of);
    Bar {
        open_time,
        open: price(bars.first(), |bar| bar.open),
        high: bars.iter().map(|bar| bar.high).fold(f64::MIN, f64::max),
        low: bars.iter().map(|bar| bar.low).fold(f64::MAX, f64::min),
        close: price(bars.last(), |bar| bar.close),
        volume: bars.iter().map(|bar| bar.volume).sum(),
    }
}
