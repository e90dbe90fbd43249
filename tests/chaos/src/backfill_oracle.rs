//! Counts lost and doubled bars and events of backfills from the proposals alone: each proposed symbol must qualify once and be requested
//! once by that. Each request, also of the keeper, must complete once, and each bar of the requested sessions must be there once.

use std::collections::{BTreeMap, BTreeSet};

use domain::{Timestamp, calendar};

use crate::oracle::{Count, report};
use crate::proposals::Proposals;

/// The contents of the topics of backfills.
#[derive(Debug, Clone, Default)]
pub struct BackfillOracle {
    symbols: BTreeSet<String>,
    /// The number of records of each event and symbol.
    events: BTreeMap<(Milestone, String), u64>,
    /// The number of successful completions of each request, by id and attempt.
    requests: BTreeMap<(String, i32), u64>,
    /// Open times of the expected bars.
    expected: BTreeSet<(String, i64)>,
    /// The number of records of each bar.
    bars: BTreeMap<(String, i64), u64>,
    chunks: u64,
}

/// An event that each symbol must have once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Milestone {
    Qualified,
    /// Requested because it qualified.
    Requested,
}

// === impl BackfillOracle ===

impl BackfillOracle {
    #[must_use]
    pub fn new(proposals: Proposals) -> Self {
        Self { symbols: proposals.symbols().collect(), ..Self::default() }
    }

    /// Adds an event.
    pub fn event(&mut self, milestone: Milestone, symbol: String) {
        *self.events.entry((milestone, symbol)).or_default() += 1;
    }

    /// Adds a request with its range and last instant, in microseconds. Its sessions are those of the exchange calendar.
    pub fn request(&mut self, id: (String, i32), symbol: &str, start: i64, last: i64) {
        self.requests.entry(id).or_default();
        let range = start..=last;
        let mut day = calendar::date_of(Timestamp::from_micros(start));
        let end = calendar::date_of(Timestamp::from_micros(last));
        loop {
            let open_time = calendar::day_open(day).micros();
            if calendar::is_session(day) && range.contains(&open_time) {
                self.expected.insert((symbol.to_owned(), open_time));
            }
            match day.tomorrow() {
                Ok(next) if next <= end => day = next,
                _ => return,
            }
        }
    }

    /// Adds a successful completion.
    pub fn completion(&mut self, id: (String, i32)) {
        *self.requests.entry(id).or_default() += 1;
    }

    /// Adds a bar.
    pub fn bar(&mut self, symbol: String, open_time: i64) {
        *self.bars.entry((symbol, open_time)).or_default() += 1;
    }

    /// Adds the progress of a fetched chunk.
    pub fn chunk(&mut self) {
        self.chunks += 1;
    }

    /// Adds the counts of this oracle.
    pub fn count(&self, count: &mut Count) {
        let mut lost = 0;
        let mut doubled = 0;
        for milestone in [Milestone::Qualified, Milestone::Requested] {
            for symbol in &self.symbols {
                let times = self.events.get(&(milestone, symbol.clone())).copied().unwrap_or(0);
                if times == 0 {
                    report(&mut lost, &mut count.details, || {
                        format!("lost: {symbol} is never {milestone:?}")
                    });
                }
                for _ in 1..times {
                    report(&mut doubled, &mut count.details, || {
                        format!("doubled: {symbol} is {milestone:?} {times} times")
                    });
                }
            }
        }
        for (id, times) in &self.requests {
            if *times == 0 {
                report(&mut lost, &mut count.details, || format!("lost: the request {id:?} has no success"));
            }
            for _ in 1..*times {
                report(&mut doubled, &mut count.details, || format!("doubled: {times} successes of {id:?}"));
            }
        }
        for bar in &self.expected {
            if !self.bars.contains_key(bar) {
                report(&mut lost, &mut count.details, || format!("lost: the bar {bar:?}"));
            }
        }
        for (bar, times) in &self.bars {
            let extra = if self.expected.contains(bar) { times - 1 } else { *times };
            for _ in 0..extra {
                report(&mut doubled, &mut count.details, || {
                    format!("doubled: the bar {bar:?}, {times} times")
                });
            }
        }
        count.lost += lost;
        count.doubled += doubled;
    }

    /// Returns the numbers of requests, bars and fetched chunks.
    #[must_use]
    pub fn totals(&self) -> (usize, u64, u64) {
        (self.requests.len(), self.bars.values().sum(), self.chunks)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400_000_000;
    /// 2024-03-14T00:00:00Z, a Thursday.
    const START: i64 = 1_710_374_400_000_000;

    /// A run in which all is once, with `change` times each event, and each bar of the five days from [`START`] on.
    fn count(change: impl Fn(&str) -> u64) -> (u64, u64) {
        let proposals = Proposals::new(1, START, 1);
        let symbol = proposals.symbols().next().unwrap();
        let mut oracle = BackfillOracle::new(proposals);
        for (name, milestone) in [("qualified", Milestone::Qualified), ("requested", Milestone::Requested)] {
            (0..change(name)).for_each(|_| oracle.event(milestone, symbol.clone()));
        }
        let id = ("one".to_owned(), 1);
        oracle.request(id.clone(), &symbol, START, START + 5 * DAY);
        (0..change("completed")).for_each(|_| oracle.completion(id.clone()));
        // The sessions of Thursday, Friday, Monday, and none of the next day at midnight.
        let sessions: Vec<i64> = oracle.expected.iter().map(|(_, open_time)| *open_time).collect();
        assert_eq!(sessions.len(), 3, "{sessions:?}");
        for (index, open_time) in sessions.into_iter().enumerate() {
            (0..change(&format!("bar {index}"))).for_each(|_| oracle.bar(symbol.clone(), open_time));
        }
        (0..change("other bar")).skip(1).for_each(|_| oracle.bar(symbol.clone(), START + 2 * DAY));
        let mut count = Count::default();
        oracle.count(&mut count);
        (count.lost, count.doubled)
    }

    #[test]
    fn each_event_and_bar_once_has_zero_counts() {
        assert_eq!(count(|_| 1), (0, 0));
    }

    #[test]
    fn missing_event_or_bar_is_lost() {
        for missing in ["qualified", "requested", "completed", "bar 0", "bar 2"] {
            assert_eq!(count(|name| u64::from(name != missing)), (1, 0), "{missing}");
        }
    }

    #[test]
    fn second_or_unexpected_record_is_doubled() {
        for doubled in ["qualified", "requested", "completed", "bar 1", "other bar"] {
            assert_eq!(count(|name| if name == doubled { 2 } else { 1 }), (0, 1), "{doubled}");
        }
    }
}
