//! The oracle: counts lost, doubled and reordered records from the numbers alone. The only rules that it has are that each number
//! must result in one output, in order within its symbol, and that a repeated number must result in none.

use std::collections::HashMap;

use crate::numbers::{Numbers, Raised};

/// Time for which a bridge keeps a window after its request: 60 s and 5 min, in microseconds. An alert that was read later (because a
/// fault blocked its partition) opens a new window, which is correct.
const WINDOW_RETENTION_MICROS: i64 = 360_000_000;

/// Maximum number of details of each kind.
const DETAILS_MAX: usize = 10;

/// The position of a record: topic, partition, offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RecordPosition {
    /// Distinguishes the topics of one stage.
    pub topic: u8,
    pub partition: i32,
    pub offset: i64,
}

/// The contents of the topics. Records are added one by one, each partition in order.
#[derive(Debug, Clone)]
pub struct Oracle {
    numbers: Numbers,
    /// Occurrences of each number in the input.
    raised: Vec<u32>,
    /// The requests that contain each number, for its first alert and for its repetition.
    requested: HashMap<Raised, Vec<u32>>,
    requests: Vec<Request>,
    by_id: HashMap<String, u32>,
    /// The results of each symbol of a request: vectors with their position, failures without.
    ends: HashMap<(u32, String), Vec<Option<RecordPosition>>>,
    unexpected: Vec<String>,
    failures: u64,
}

#[derive(Debug, Clone)]
struct Request {
    id: String,
    position: RecordPosition,
    symbols: Vec<String>,
    requested_at_micros: i64,
}

/// The counts of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Count {
    /// Numbers in no request, and symbols of requests without a result.
    pub lost: u64,
    /// Numbers in several requests, repeated numbers in any request, and symbols of requests with several results.
    pub doubled: u64,
    /// Requests and vectors of a symbol out of the order of its numbers.
    pub reordered: u64,
    /// Numbers in the input.
    pub raised: u64,
    /// Numbers that the producer had to send again.
    pub resent: u64,
    /// Failed requests, which no fault of a storm causes directly.
    pub failures: u64,
    /// Details of the first differences of each kind.
    pub details: Vec<String>,
}

// === impl Oracle ===

impl Oracle {
    /// Creates an empty oracle.
    #[must_use]
    pub fn new(numbers: Numbers) -> Self {
        Self {
            numbers,
            raised: vec![0; usize::try_from(numbers.count).unwrap_or(0)],
            requested: HashMap::new(),
            requests: Vec::new(),
            by_id: HashMap::new(),
            ends: HashMap::new(),
            unexpected: Vec::new(),
            failures: 0,
        }
    }

    /// Adds an alert of the input.
    pub fn alert(&mut self, correlation_id: &str) {
        match Raised::named(correlation_id) {
            Some(Raised::First(n)) => match usize::try_from(n).ok().and_then(|n| self.raised.get_mut(n)) {
                Some(times) => *times += 1,
                None => self.unexpected.push(format!("the input has number {n}")),
            },
            Some(Raised::Repeat(_)) => {}
            None => self.unexpected.push(format!("the input has {correlation_id}")),
        }
    }

    /// Adds a request of the first stage, with the time at which it was made.
    pub fn request(
        &mut self,
        id: &str,
        (position, requested_at_micros): (RecordPosition, i64),
        symbols: Vec<String>,
        correlation_ids: &[String],
    ) {
        let index = u32::try_from(self.requests.len()).unwrap_or(u32::MAX);
        for name in correlation_ids {
            match Raised::named(name) {
                Some(raised) => self.requested.entry(raised).or_default().push(index),
                None => self.unexpected.push(format!("request {id} has the correlation id {name}")),
            }
        }
        if self.by_id.insert(id.to_owned(), index).is_some() {
            self.unexpected.push(format!("two requests have the id {id}"));
        }
        self.requests.push(Request { id: id.to_owned(), position, symbols, requested_at_micros });
    }

    /// Adds a vector with its position, or the failure of a symbol.
    pub fn end(&mut self, request_id: &str, symbol: &str, position: Option<RecordPosition>) {
        self.failures += u64::from(position.is_none());
        match self.by_id.get(request_id) {
            Some(index) => self.ends.entry((*index, symbol.to_owned())).or_default().push(position),
            None => {
                self.unexpected.push(format!("{symbol} has a result for the unknown request {request_id}"))
            }
        }
    }

    /// Adds a record that must not exist, for example a dead letter.
    pub fn unexpected(&mut self, what: String) {
        self.unexpected.push(what);
    }

    /// Returns the counts.
    #[must_use]
    pub fn count(&self) -> Count {
        let mut count = Count { failures: self.failures, ..Count::default() };
        self.count_numbers(&mut count);
        self.count_ends(&mut count);
        self.count_reordered(&mut count);
        // An unexpected record is counted as doubled.
        for what in &self.unexpected {
            report(&mut count.doubled, &mut count.details, || format!("doubled: {what}"));
        }
        count
    }

    fn count_numbers(&self, count: &mut Count) {
        for (n, times) in (0..).zip(&self.raised) {
            count.raised += u64::from(*times > 0);
            count.resent += u64::from(*times > 1);
            let requests = self.requested.get(&Raised::First(n)).map_or(&[][..], Vec::as_slice);
            let symbol = self.numbers.symbol(n);
            if requests.is_empty() {
                let suffix = if *times > 0 { "" } else { ", nor in the input" };
                report(&mut count.lost, &mut count.details, || {
                    format!("lost: number {n} of {symbol} is in no request{suffix}")
                });
            }
            for extra in requests.iter().skip(1) {
                report(&mut count.doubled, &mut count.details, || {
                    let requests = [self.describe(requests[0]), self.describe(*extra)];
                    format!(
                        "doubled: number {n} of {symbol} is in two requests: {} and {}",
                        requests[0], requests[1]
                    )
                });
            }
        }
        for (raised, requests) in &self.requested {
            if let Raised::Repeat(n) = raised {
                let first = self.requested.get(&Raised::First(*n)).and_then(|requests| requests.first());
                if first.is_some_and(|first| {
                    self.requested_at(requests[0]) - self.requested_at(*first) >= WINDOW_RETENTION_MICROS
                }) {
                    continue;
                }
                report(&mut count.doubled, &mut count.details, || {
                    let first = self.requested.get(&Raised::First(*n)).map(|first| self.describe(first[0]));
                    format!(
                        "doubled: number {n} of {}, raised again, is in a request: {} after {}",
                        self.numbers.symbol(*n),
                        self.describe(requests[0]),
                        first.unwrap_or_default()
                    )
                });
            }
        }
    }

    fn count_ends(&self, count: &mut Count) {
        for (index, request) in (0..).zip(&self.requests) {
            for symbol in &request.symbols {
                let ends = self.ends.get(&(index, symbol.clone())).map_or(0, Vec::len);
                if ends == 0 {
                    report(&mut count.lost, &mut count.details, || {
                        format!("lost: {symbol} has no result in request {}", self.describe(index))
                    });
                }
                for _ in 1..ends {
                    report(&mut count.doubled, &mut count.details, || {
                        let positions = &self.ends[&(index, symbol.clone())];
                        format!(
                            "doubled: {symbol} has {ends} results in request {}: {positions:?}",
                            self.describe(index)
                        )
                    });
                }
            }
        }
    }

    /// The requests and vectors of a symbol must be in the order of its numbers. They are in one partition of one topic, since all
    /// numbers of a symbol have the same priority.
    fn count_reordered(&self, count: &mut Count) {
        for first in 0..self.numbers.symbols.min(self.numbers.count) {
            let symbol = self.numbers.symbol(first);
            let (mut last_request, mut last_vector) = (None, None);
            let step = usize::try_from(self.numbers.symbols).unwrap_or(usize::MAX);
            for n in (first..self.numbers.count).step_by(step) {
                let Some(index) = self.requested.get(&Raised::First(n)).map(|requests| requests[0]) else {
                    continue;
                };
                let request = self.requests.get(index as usize).map(|request| request.position);
                let vector = self.ends.get(&(index, symbol.clone())).and_then(|ends| ends[0]);
                for (what, position, last) in
                    [("request", request, &mut last_request), ("vector", vector, &mut last_vector)]
                {
                    if position.is_some() && position < *last {
                        let (before, after) = (*last, position);
                        report(&mut count.reordered, &mut count.details, || {
                            format!(
                                "reordered: the {what} of number {n} of {symbol} at {after:?} precedes {before:?}"
                            )
                        });
                    }
                    *last = (*last).max(position);
                }
            }
        }
    }

    fn requested_at(&self, index: u32) -> i64 {
        self.requests.get(index as usize).map_or(0, |request| request.requested_at_micros)
    }

    fn describe(&self, index: u32) -> String {
        self.requests
            .get(index as usize)
            .map(|it| format!("{} at {:?}", it.id, it.position))
            .unwrap_or_default()
    }
}

/// Counts a difference, and keeps the details of the first ones.
pub fn report(kind: &mut u64, details: &mut Vec<String>, text: impl FnOnce() -> String) {
    *kind += 1;
    if usize::try_from(*kind).is_ok_and(|n| n <= DETAILS_MAX) {
        details.push(text());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NUMBERS: Numbers = Numbers { count: 4, symbols: 2, base_micros: 0, seed: 0 };

    fn position(offset: i64) -> RecordPosition {
        RecordPosition { topic: 0, partition: 0, offset }
    }

    /// Counts a run in which every number has a request and a vector, in order; `change` may omit or add some.
    fn count(change: impl Fn(&str, u64) -> usize) -> Count {
        let mut oracle = Oracle::new(NUMBERS);
        for n in 0..4 {
            oracle.alert(&Raised::First(n).name());
        }
        for (kind, offset) in [("request", 0), ("vector", 100)] {
            for n in 0..4_u64 {
                for time in 0..change(kind, n) {
                    let (id, symbol) = (format!("r{n}-{time}"), NUMBERS.symbol(n));
                    let position = position(offset + i64::try_from(n).unwrap());
                    if kind == "request" {
                        oracle.request(&id, (position, 0), vec![symbol], &[Raised::First(n).name()]);
                    } else {
                        oracle.end(&format!("r{n}-0"), &symbol, Some(position));
                    }
                }
            }
        }
        oracle.count()
    }

    fn counts(count: &Count) -> (u64, u64, u64) {
        (count.lost, count.doubled, count.reordered)
    }

    #[test]
    fn run_in_order_has_zero_counts() {
        let count = count(|_, _| 1);
        assert_eq!((counts(&count), count.raised), ((0, 0, 0), 4), "{:?}", count.details);
    }

    #[test]
    fn missing_record_is_lost() {
        assert_eq!(counts(&count(|kind, n| usize::from(kind != "vector" || n != 2))), (1, 0, 0));
        // Without its request, the vector belongs to no request.
        assert_eq!(counts(&count(|kind, n| usize::from(kind != "request" || n != 2))), (1, 1, 0));
    }

    #[test]
    fn duplicate_record_is_doubled() {
        assert_eq!(counts(&count(|kind, n| if kind == "vector" && n == 1 { 2 } else { 1 })), (0, 1, 0));
        // The second request has no vector.
        assert_eq!(counts(&count(|kind, n| if kind == "request" && n == 1 { 2 } else { 1 })), (1, 1, 0));
    }

    #[test]
    fn repeated_number_in_a_request_is_doubled() {
        let mut oracle = Oracle::new(Numbers { count: 1, ..NUMBERS });
        oracle.alert("once-0");
        oracle.alert("again-0");
        let symbol = vec![NUMBERS.symbol(0)];
        oracle.request("a", (position(0), 0), symbol.clone(), &["once-0".to_owned()]);
        oracle.end("a", &symbol[0], Some(position(0)));
        assert_eq!(counts(&oracle.count()), (0, 0, 0));
        let late = WINDOW_RETENTION_MICROS;
        for (id, requested_at, doubled) in [("c", late, 0), ("b", late - 1, 1)] {
            let mut oracle = oracle.clone();
            oracle.request(id, (position(1), requested_at), symbol.clone(), &["again-0".to_owned()]);
            oracle.end(id, &symbol[0], Some(position(1)));
            assert_eq!(counts(&oracle.count()), (0, doubled, 0), "requested at {requested_at}");
        }
    }

    #[test]
    fn later_number_before_an_earlier_one_is_reordered() {
        let mut oracle = Oracle::new(NUMBERS);
        for (n, offset) in [(0, 5), (1, 6), (2, 4), (3, 7)] {
            oracle.alert(&Raised::First(n).name());
            let (id, symbol) = (format!("r{n}"), NUMBERS.symbol(n));
            oracle.request(&id, (position(offset), 0), vec![symbol.clone()], &[Raised::First(n).name()]);
            oracle.end(&id, &symbol, Some(position(i64::try_from(n).unwrap())));
        }
        assert_eq!(counts(&oracle.count()), (0, 0, 1));
    }
}
