//! What record number n is: its symbol, its time, its alert, and how it is recognised again in the outputs.
//!
//! Numbers go round the symbols; each round is two minutes later in event time, so that every number opens a dedup window of
//! its own and must come out once. Every tenth alert is raised a second time, half a round later: same symbol, type and time,
//! another event id. The window must swallow it, also when its owner has changed in between.

use contracts::Alert;
use domain::AlertType;

/// From round to round, microseconds of event time: twice the dedup window of 60 s.
const ROUND_MICROS: i64 = 2 * 60 * 1_000_000;
/// How long before now the last number lies at least.
const MARGIN_MICROS: i64 = 5 * 60 * 1_000_000;
/// Every so many numbers one is raised again.
const REPEATED_EVERY: u64 = 10;
/// Every so many symbols one is urgent.
const URGENT_EVERY: u64 = 8;

/// The numbers of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Numbers {
    /// How many there are.
    pub count: u64,
    /// How many symbols they go round.
    pub symbols: u64,
    /// When number 0 occurred, microseconds since 1970-01-01 UTC.
    pub base_micros: i64,
    /// Distinguishes the event ids of runs.
    pub seed: u64,
}

/// One record of the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Raised {
    /// The number, for the first time.
    Once(u64),
    /// The number again.
    Again(u64),
}

// === impl Numbers ===

impl Numbers {
    /// `count` numbers round `symbols`, all of them in the past of `now_micros`.
    #[must_use]
    pub fn new(count: u64, symbols: u64, now_micros: i64, seed: u64) -> Self {
        let rounds = i64::try_from(count.div_ceil(symbols)).unwrap_or(i64::MAX);
        let base_micros = now_micros - MARGIN_MICROS - rounds.saturating_mul(ROUND_MICROS);
        Self { count, symbols, base_micros, seed }
    }

    /// What is sent when number `n` is due: the number, and the one that is due again. After the last number come those that are
    /// still due again.
    pub fn due(&self, n: u64) -> impl Iterator<Item = Raised> {
        let once = (n < self.count).then_some(Raised::Once(n));
        let again = n
            .checked_sub(self.symbols / 2)
            .filter(|m| *m < self.count && m % REPEATED_EVERY == 0)
            .map(Raised::Again);
        once.into_iter().chain(again)
    }

    /// Turns of [`Self::due`] after which everything was sent.
    #[must_use]
    pub fn turns(&self) -> u64 {
        self.count + self.symbols / 2
    }

    /// The symbol of a number.
    #[must_use]
    pub fn symbol(&self, n: u64) -> String {
        symbol(n % self.symbols)
    }

    /// The alert of a record.
    #[must_use]
    pub fn alert(&self, raised: Raised) -> Alert {
        let (n, kind) = match raised {
            Raised::Once(n) => (n, 0),
            Raised::Again(n) => (n, 1),
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
    /// The correlation id that it carries.
    #[must_use]
    pub fn name(self) -> String {
        match self {
            Self::Once(n) => format!("once-{n}"),
            Self::Again(n) => format!("again-{n}"),
        }
    }

    /// The record with this correlation id.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let (kind, n) = name.split_once('-')?;
        let n = n.parse().ok()?;
        match kind {
            "once" => Some(Self::Once(n)),
            "again" => Some(Self::Again(n)),
            _ => None,
        }
    }
}

/// Four letters from the number's digits in base 26.
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
    fn every_alert_is_valid_and_every_number_opens_a_window_of_its_own() {
        let mut windows = BTreeSet::new();
        for n in 0..NUMBERS.count {
            let alert = NUMBERS.alert(Raised::Once(n));
            alert.validate().unwrap();
            assert!(windows.insert((alert.symbol, alert.occurred_at)));
        }
    }

    #[test]
    fn a_repeated_alert_differs_by_its_ids_alone_and_comes_before_the_next_round() {
        let all: Vec<Raised> = (0..NUMBERS.turns()).flat_map(|n| NUMBERS.due(n)).collect();
        assert_eq!(all.iter().filter(|it| matches!(it, Raised::Once(_))).count(), 1_000);
        assert_eq!(all.iter().filter(|it| matches!(it, Raised::Again(_))).count(), 100);
        let place = |raised| all.iter().position(|it| *it == raised).unwrap();
        for n in (0..900).step_by(10) {
            let (once, again) = (NUMBERS.alert(Raised::Once(n)), NUMBERS.alert(Raised::Again(n)));
            assert_ne!(once.event_id, again.event_id);
            again.validate().unwrap();
            let ids = (once.event_id.clone(), once.correlation_id.clone());
            assert_eq!(once, Alert { event_id: ids.0, correlation_id: ids.1, ..again });
            assert!(place(Raised::Once(n)) < place(Raised::Again(n)));
            assert!(place(Raised::Again(n)) < place(Raised::Once(n + 100)));
        }
    }

    #[test]
    fn the_last_number_lies_in_the_past() {
        let now = 1_800_000_000_000_000;
        let numbers = Numbers::new(1_001, 100, now, 1);
        assert!(numbers.alert(Raised::Once(1_000)).occurred_at < now);
    }

    #[test]
    fn a_name_leads_back_to_its_record() {
        for raised in [Raised::Once(0), Raised::Again(12_345)] {
            assert_eq!(Raised::named(&raised.name()), Some(raised));
        }
        assert_eq!(Raised::named("else"), None);
    }
}
