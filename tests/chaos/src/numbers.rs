//! The numbered input: symbol, time and alert of number n, and the correlation id that identifies it in the outputs.
//!
//! Numbers iterate over the symbols in rounds. The event time advances by two minutes from round to round, so every number opens a
//! separate dedup window and must result in one request. Every tenth alert is raised again half a round later, with the same
//! symbol, type and time and another event id. It must be dropped as a duplicate, also if the owner of its window has changed.

use contracts::Alert;
use domain::AlertType;

/// Event time between two rounds, microseconds: twice the dedup window of 60 s.
const ROUND_MICROS: i64 = 2 * 60 * 1_000_000;
/// Minimum age of the last number, microseconds.
const MARGIN_MICROS: i64 = 5 * 60 * 1_000_000;
/// One of this many numbers is raised again.
const REPEATED_EVERY: u64 = 10;
/// One of this many symbols is urgent.
const URGENT_EVERY: u64 = 8;

/// The numbers of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Numbers {
    /// Count of numbers.
    pub count: u64,
    /// Count of symbols.
    pub symbols: u64,
    /// Event time of number 0, microseconds since 1970-01-01 UTC.
    pub base_micros: i64,
    /// Distinguishes the event ids of runs.
    pub seed: u64,
}

/// One record of the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Raised {
    /// The number for the first time.
    First(u64),
    /// The number again.
    Repeat(u64),
}

// === impl Numbers ===

impl Numbers {
    /// Creates `count` numbers over `symbols`, all of them before `now_micros`.
    #[must_use]
    pub fn new(count: u64, symbols: u64, now_micros: i64, seed: u64) -> Self {
        let rounds = i64::try_from(count.div_ceil(symbols)).unwrap_or(i64::MAX);
        let base_micros = now_micros - MARGIN_MICROS - rounds.saturating_mul(ROUND_MICROS);
        Self { count, symbols, base_micros, seed }
    }

    /// Returns the records of slot `n`: number `n`, and the number that is repeated in this slot. The slots after the last number
    /// contain only repetitions.
    pub fn due(&self, n: u64) -> impl Iterator<Item = Raised> {
        let first = (n < self.count).then_some(Raised::First(n));
        let repeat = n
            .checked_sub(self.symbols / 2)
            .filter(|m| *m < self.count && m % REPEATED_EVERY == 0)
            .map(Raised::Repeat);
        first.into_iter().chain(repeat)
    }

    /// Returns the count of slots of [`Self::due`].
    #[must_use]
    pub fn slots(&self) -> u64 {
        self.count + self.symbols / 2
    }

    /// Returns the symbol of a number.
    #[must_use]
    pub fn symbol(&self, n: u64) -> String {
        symbol(n % self.symbols)
    }

    /// Returns the alert of a record.
    #[must_use]
    pub fn alert(&self, raised: Raised) -> Alert {
        let (n, kind) = match raised {
            Raised::First(n) => (n, 0),
            Raised::Repeat(n) => (n, 1),
        };
        let round = i64::try_from(n / self.symbols).unwrap_or(0);
        let is_urgent = (n % self.symbols).is_multiple_of(URGENT_EVERY);
        Alert {
            event_id: format!("{:08x}-0000-7000-8{kind:03x}-{n:012x}", self.seed & 0xffff_ffff),
            occurred_at: self.base_micros + round * ROUND_MICROS,
            source: "storm".to_owned(),
            correlation_id: Some(raised.name()),
            symbol: self.symbol(n),
            alert_type: AlertType::VolumeSpike,
            score: if is_urgent { 0.9 } else { 0.5 },
            message: format!("number {n}"),
            source_scanner: "storm".to_owned(),
            metadata: std::collections::BTreeMap::new(),
        }
    }
}

// === impl Raised ===

impl Raised {
    /// Returns its correlation id.
    #[must_use]
    pub fn name(self) -> String {
        match self {
            Self::First(n) => format!("once-{n}"),
            Self::Repeat(n) => format!("again-{n}"),
        }
    }

    /// Returns the record with this correlation id.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let (kind, n) = name.split_once('-')?;
        let n = n.parse().ok()?;
        match kind {
            "once" => Some(Self::First(n)),
            "again" => Some(Self::Repeat(n)),
            _ => None,
        }
    }
}

/// Returns four letters: the digits of the number in base 26.
fn symbol(index: u64) -> String {
    let digit = |power: u32| {
        let digit = u8::try_from(index / 26_u64.pow(power) % 26).unwrap_or(0);
        char::from(b'A' + digit)
    };
    (0..4).rev().map(digit).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use contracts::Event;

    use super::*;

    const NUMBERS: Numbers =
        Numbers { count: 1_000, symbols: 100, base_micros: 1_700_000_000_000_000, seed: 9 };

    #[test]
    fn every_alert_is_valid_and_opens_its_own_window() {
        let mut windows = BTreeSet::new();
        for n in 0..NUMBERS.count {
            let alert = NUMBERS.alert(Raised::First(n));
            alert.validate().unwrap();
            assert!(windows.insert((alert.symbol, alert.occurred_at)));
        }
    }

    #[test]
    fn repeated_alert_differs_by_ids_and_precedes_the_next_round() {
        let all: Vec<Raised> = (0..NUMBERS.slots()).flat_map(|n| NUMBERS.due(n)).collect();
        assert_eq!(all.iter().filter(|it| matches!(it, Raised::First(_))).count(), 1_000);
        assert_eq!(all.iter().filter(|it| matches!(it, Raised::Repeat(_))).count(), 100);
        let index_of = |raised| all.iter().position(|it| *it == raised).unwrap();
        for n in (0..900).step_by(10) {
            let (once, again) = (NUMBERS.alert(Raised::First(n)), NUMBERS.alert(Raised::Repeat(n)));
            assert_ne!(once.event_id, again.event_id);
            again.validate().unwrap();
            let ids = (once.event_id.clone(), once.correlation_id.clone());
            assert_eq!(once, Alert { event_id: ids.0, correlation_id: ids.1, ..again });
            assert!(index_of(Raised::First(n)) < index_of(Raised::Repeat(n)));
            assert!(index_of(Raised::Repeat(n)) < index_of(Raised::First(n + 100)));
        }
    }

    #[test]
    fn last_number_is_in_the_past() {
        let now = 1_800_000_000_000_000;
        let numbers = Numbers::new(1_001, 100, now, 1);
        assert!(numbers.alert(Raised::First(1_000)).occurred_at < now);
    }

    #[test]
    fn correlation_id_identifies_its_record() {
        for raised in [Raised::First(0), Raised::Repeat(12_345)] {
            assert_eq!(Raised::named(&raised.name()), Some(raised));
        }
        assert_eq!(Raised::named("else"), None);
    }
}
