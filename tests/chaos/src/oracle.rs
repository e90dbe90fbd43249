//! Counts what was lost, doubled and reordered, from the numbers alone: it knows no rule of any service but that each number must
//! come out once, in order within its symbol, and that a number that was raised again must not.

use std::collections::HashMap;

use crate::numbers::{Numbers, Raised};

/// How long a bridge keeps a window after it has told of it: 60 s and 5 min. An alert that stood in the log for longer (a fault that
/// held its partition up) opens a window of its own, rightly.
const KEPT_MICROS: i64 = 360_000_000;

/// How many of each kind are named.
const TOLD_MAX: usize = 10;

/// Where something lies: topic, partition, offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Distinguishes the topics of one stage.
    pub topic: u8,
    /// The partition.
    pub partition: i32,
    /// The offset.
    pub offset: i64,
}

/// What was found in the topics. Fed record by record, in each partition in order.
#[derive(Debug, Clone)]
pub struct Oracle {
    numbers: Numbers,
    /// How often each number is in the input.
    raised: Vec<u32>,
    /// The requests that name each number, and whether it is the number raised again.
    asked: HashMap<Raised, Vec<u32>>,
    requests: Vec<Request>,
    by_id: HashMap<String, u32>,
    /// The ends of each symbol of a request: vectors with their place, failures without.
    ends: HashMap<(u32, String), Vec<Option<Place>>>,
    strange: Vec<String>,
    failures: u64,
}

#[derive(Debug, Clone)]
struct Request {
    id: String,
    place: Place,
    symbols: Vec<String>,
    asked_at_micros: i64,
}

/// What it comes to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Count {
    /// Numbers in no request, and symbols of requests without an end.
    pub lost: u64,
    /// Numbers in several requests, those raised again in any, and symbols of requests with several ends.
    pub doubled: u64,
    /// Requests and vectors of a symbol out of the order of its numbers.
    pub reordered: u64,
    /// Numbers in the input.
    pub raised: u64,
    /// Numbers in the input that the producer had to send again.
    pub resent: u64,
    /// Requests that ended in a failure, which no fault of a storm causes by itself.
    pub failures: u64,
    /// What these are made of, the first few of each.
    pub told: Vec<String>,
}

// === impl Oracle ===

impl Oracle {
    /// Nothing seen yet.
    #[must_use]
    pub fn new(numbers: Numbers) -> Self {
        Self {
            numbers,
            raised: vec![0; usize::try_from(numbers.count).unwrap_or(0)],
            asked: HashMap::new(),
            requests: Vec::new(),
            by_id: HashMap::new(),
            ends: HashMap::new(),
            strange: Vec::new(),
            failures: 0,
        }
    }

    /// An alert of the input.
    pub fn alert(&mut self, correlation_id: &str) {
        match Raised::named(correlation_id) {
            Some(Raised::Once(n)) => match usize::try_from(n).ok().and_then(|n| self.raised.get_mut(n)) {
                Some(times) => *times += 1,
                None => self.strange.push(format!("the input holds number {n}")),
            },
            Some(Raised::Again(_)) => {}
            None => self.strange.push(format!("the input holds {correlation_id}")),
        }
    }

    /// A request of the first stage, with the time at which it says that it was made.
    pub fn request(
        &mut self,
        id: &str,
        (place, asked_at_micros): (Place, i64),
        symbols: Vec<String>,
        correlation_ids: &[String],
    ) {
        let index = u32::try_from(self.requests.len()).unwrap_or(u32::MAX);
        for name in correlation_ids {
            match Raised::named(name) {
                Some(raised) => self.asked.entry(raised).or_default().push(index),
                None => self.strange.push(format!("request {id} names {name}")),
            }
        }
        if self.by_id.insert(id.to_owned(), index).is_some() {
            self.strange.push(format!("two requests are {id}"));
        }
        self.requests.push(Request { id: id.to_owned(), place, symbols, asked_at_micros });
    }

    /// A vector, with its place, or the failure of a symbol.
    pub fn end(&mut self, request_id: &str, symbol: &str, place: Option<Place>) {
        self.failures += u64::from(place.is_none());
        match self.by_id.get(request_id) {
            Some(index) => self.ends.entry((*index, symbol.to_owned())).or_default().push(place),
            None => self.strange.push(format!("{symbol} ends for request {request_id}, which there is not")),
        }
    }

    /// Anything that must not be there at all, as a dead letter.
    pub fn strange(&mut self, what: String) {
        self.strange.push(what);
    }

    /// The count.
    #[must_use]
    pub fn count(&self) -> Count {
        let mut count = Count { failures: self.failures, ..Count::default() };
        self.count_numbers(&mut count);
        self.count_ends(&mut count);
        self.count_reordered(&mut count);
        // What nobody should have written is something that came out once too often.
        for what in &self.strange {
            tell(&mut count.doubled, &mut count.told, || format!("doubled: {what}"));
        }
        count
    }

    fn count_numbers(&self, count: &mut Count) {
        for (n, times) in (0..).zip(&self.raised) {
            count.raised += u64::from(*times > 0);
            count.resent += u64::from(*times > 1);
            let requests = self.asked.get(&Raised::Once(n)).map_or(&[][..], Vec::as_slice);
            let symbol = self.numbers.symbol(n);
            if requests.is_empty() {
                let whether = if *times > 0 { "" } else { ", nor in the input" };
                tell(&mut count.lost, &mut count.told, || {
                    format!("lost: number {n} of {symbol} is in no request{whether}")
                });
            }
            for extra in requests.iter().skip(1) {
                tell(&mut count.doubled, &mut count.told, || {
                    let places = [self.place(requests[0]), self.place(*extra)];
                    format!(
                        "doubled: number {n} of {symbol} is in two requests: {} and {}",
                        places[0], places[1]
                    )
                });
            }
        }
        for (raised, requests) in &self.asked {
            if let Raised::Again(n) = raised {
                let once = self.asked.get(&Raised::Once(*n)).and_then(|once| once.first());
                if once.is_some_and(|once| self.asked_at(requests[0]) - self.asked_at(*once) >= KEPT_MICROS) {
                    continue;
                }
                tell(&mut count.doubled, &mut count.told, || {
                    let first = self.asked.get(&Raised::Once(*n)).map(|first| self.place(first[0]));
                    format!(
                        "doubled: number {n} of {}, raised again, is in a request too: {} after {}",
                        self.numbers.symbol(*n),
                        self.place(requests[0]),
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
                    tell(&mut count.lost, &mut count.told, || {
                        format!("lost: {symbol} has no end in request {}", self.place(index))
                    });
                }
                for _ in 1..ends {
                    tell(&mut count.doubled, &mut count.told, || {
                        let places = &self.ends[&(index, symbol.clone())];
                        format!(
                            "doubled: {symbol} has {ends} ends in request {}: {places:?}",
                            self.place(index)
                        )
                    });
                }
            }
        }
    }

    /// From number to number of a symbol, the request and the vector must not go back. They lie in one partition of one topic,
    /// since a symbol's numbers have one priority.
    fn count_reordered(&self, count: &mut Count) {
        for first in 0..self.numbers.symbols.min(self.numbers.count) {
            let symbol = self.numbers.symbol(first);
            let (mut last_request, mut last_vector) = (None, None);
            let step = usize::try_from(self.numbers.symbols).unwrap_or(usize::MAX);
            for n in (first..self.numbers.count).step_by(step) {
                let Some(index) = self.asked.get(&Raised::Once(n)).map(|requests| requests[0]) else {
                    continue;
                };
                let place = self.requests.get(index as usize).map(|request| request.place);
                let vector = self.ends.get(&(index, symbol.clone())).and_then(|ends| ends[0]);
                for (what, place, last) in
                    [("request", place, &mut last_request), ("vector", vector, &mut last_vector)]
                {
                    if place.is_some() && place < *last {
                        let (before, after) = (*last, place);
                        tell(&mut count.reordered, &mut count.told, || {
                            format!(
                                "reordered: the {what} of number {n} of {symbol} at {after:?} comes before {before:?}"
                            )
                        });
                    }
                    *last = (*last).max(place);
                }
            }
        }
    }

    fn asked_at(&self, index: u32) -> i64 {
        self.requests.get(index as usize).map_or(0, |request| request.asked_at_micros)
    }

    fn place(&self, index: u32) -> String {
        self.requests.get(index as usize).map(|it| format!("{} at {:?}", it.id, it.place)).unwrap_or_default()
    }
}

fn tell(kind: &mut u64, told: &mut Vec<String>, text: impl FnOnce() -> String) {
    *kind += 1;
    if usize::try_from(*kind).is_ok_and(|n| n <= TOLD_MAX) {
        told.push(text());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NUMBERS: Numbers = Numbers { count: 4, symbols: 2, base_micros: 0, seed: 0 };

    fn place(offset: i64) -> Place {
        Place { topic: 0, partition: 0, offset }
    }

    /// A run in which every number has a request and a vector, in order; `change` may leave out or add.
    fn count(change: impl Fn(&str, u64) -> usize) -> Count {
        let mut oracle = Oracle::new(NUMBERS);
        for n in 0..4 {
            oracle.alert(&Raised::Once(n).name());
        }
        for (kind, offset) in [("request", 0), ("vector", 100)] {
            for n in 0..4_u64 {
                for time in 0..change(kind, n) {
                    let (id, symbol) = (format!("r{n}-{time}"), NUMBERS.symbol(n));
                    let place = place(offset + i64::try_from(n).unwrap());
                    if kind == "request" {
                        oracle.request(&id, (place, 0), vec![symbol], &[Raised::Once(n).name()]);
                    } else {
                        oracle.end(&format!("r{n}-0"), &symbol, Some(place));
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
    fn a_run_in_order_counts_nothing() {
        let count = count(|_, _| 1);
        assert_eq!((counts(&count), count.raised), ((0, 0, 0), 4), "{:?}", count.told);
    }

    #[test]
    fn a_record_that_is_missing_is_lost() {
        assert_eq!(counts(&count(|kind, n| usize::from(kind != "vector" || n != 2))), (1, 0, 0));
        // Without its request, the vector is one that nobody asked for.
        assert_eq!(counts(&count(|kind, n| usize::from(kind != "request" || n != 2))), (1, 1, 0));
    }

    #[test]
    fn a_record_twice_is_doubled() {
        assert_eq!(counts(&count(|kind, n| if kind == "vector" && n == 1 { 2 } else { 1 })), (0, 1, 0));
        // The second request has no vector of its own.
        assert_eq!(counts(&count(|kind, n| if kind == "request" && n == 1 { 2 } else { 1 })), (1, 1, 0));
    }

    #[test]
    fn a_number_raised_again_must_not_come_out() {
        let mut oracle = Oracle::new(Numbers { count: 1, ..NUMBERS });
        oracle.alert("once-0");
        oracle.alert("again-0");
        let symbol = vec![NUMBERS.symbol(0)];
        oracle.request("a", (place(0), 0), symbol.clone(), &["once-0".to_owned()]);
        oracle.end("a", &symbol[0], Some(place(0)));
        assert_eq!(counts(&oracle.count()), (0, 0, 0));
        let late = KEPT_MICROS;
        for (id, asked_at, doubled) in [("c", late, 0), ("b", late - 1, 1)] {
            let mut oracle = oracle.clone();
            oracle.request(id, (place(1), asked_at), symbol.clone(), &["again-0".to_owned()]);
            oracle.end(id, &symbol[0], Some(place(1)));
            assert_eq!(counts(&oracle.count()), (0, doubled, 0), "asked for at {asked_at}");
        }
    }

    #[test]
    fn a_later_number_of_a_symbol_before_an_earlier_is_reordered() {
        let mut oracle = Oracle::new(NUMBERS);
        for (n, offset) in [(0, 5), (1, 6), (2, 4), (3, 7)] {
            oracle.alert(&Raised::Once(n).name());
            let (id, symbol) = (format!("r{n}"), NUMBERS.symbol(n));
            oracle.request(&id, (place(offset), 0), vec![symbol.clone()], &[Raised::Once(n).name()]);
            oracle.end(&id, &symbol, Some(place(i64::try_from(n).unwrap())));
        }
        assert_eq!(counts(&oracle.count()), (0, 0, 1));
    }
}
