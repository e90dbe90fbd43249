//! How requests become fetches, in what order these run, and how each request ends.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use backfill::rules::coalesce::{Coalescer, Fetch, Limits, Wanted};
use domain::{DataType, Interval, Priority, Symbol, Timeframe, Timestamp};
use proptest::prelude::*;

const BARS: DataType = DataType::MarketData;
const NEWS: DataType = DataType::News;

type Queue = Coalescer<u32, &'static str>;

fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn interval(start: i64, end: i64) -> Interval {
    let at = Timestamp::from_micros;
    Interval::new(at(start), at(end)).expect("start is before end")
}

fn wanted(id: u32, symbol: &str, priority: i64, types: &[DataType]) -> Wanted<u32> {
    let start = i64::from(id) * 10;
    let timeframes = |data_type: &DataType| match data_type {
        DataType::MarketData => vec![Some(Timeframe::Day1)],
        _ => vec![None],
    };
    Wanted {
        id,
        symbol: Symbol::parse(symbol).expect("a symbol"),
        range: interval(start, start + 15),
        priority: Priority::clamped(priority),
        data: types.iter().map(|data_type| (*data_type, timeframes(data_type))).collect(),
    }
}

fn queue() -> Queue {
    Coalescer::new(Limits::default())
}

fn started(queue: &mut Queue, now: Duration) -> Vec<Fetch<u32>> {
    std::iter::from_fn(|| queue.start(now)).collect()
}

#[test]
fn overlapping_requests_are_one_fetch_of_their_union() {
    let mut queue = queue();
    for id in 0..5 {
        queue.add(&wanted(id, "AAPL", 5, &[BARS]), Duration::from_millis(u64::from(id) * 300));
    }
    assert_eq!(queue.start(Duration::from_millis(1_999)), None);
    assert_eq!(queue.next_wake(s(1)), Some(s(1)));
    let fetches = started(&mut queue, s(2));
    assert_eq!(fetches.len(), 1);
    assert_eq!(fetches[0].requests, [0, 1, 2, 3, 4]);
    let union: Vec<_> = fetches[0].wanted[&Some(Timeframe::Day1)].iter().collect();
    assert_eq!(union, [interval(0, 55)]);

    let ended = queue.finished(fetches[0].id, &"done");
    assert_eq!(ended.iter().map(|ended| ended.id).collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
    assert!(ended.iter().all(|ended| ended.outcomes == [(BARS, "done")]));
    assert_eq!(queue.waiting(), 0);
}

#[test]
fn each_timeframe_has_the_ranges_wanted_of_it() {
    let mut queue = queue();
    let shorter = vec![(BARS, vec![Some(Timeframe::Day1), Some(Timeframe::Minute1)])];
    queue.add(&wanted(0, "AAPL", 5, &[BARS]), s(0));
    queue.add(&Wanted { data: shorter, ..wanted(7, "AAPL", 5, &[]) }, s(0));
    let fetch = queue.start(s(2)).unwrap();
    let of = |timeframe| fetch.wanted[&Some(timeframe)].iter().collect::<Vec<_>>();
    assert_eq!(of(Timeframe::Day1), [interval(0, 15), interval(70, 85)]);
    assert_eq!(of(Timeframe::Minute1), [interval(70, 85)]);
}

#[test]
fn other_symbols_and_kinds_are_other_fetches() {
    let mut queue = queue();
    queue.add(&wanted(0, "AAPL", 5, &[BARS, NEWS]), s(0));
    queue.add(&wanted(1, "MSFT", 5, &[BARS]), s(0));
    assert_eq!(started(&mut queue, s(2)).len(), 3);
}

#[test]
fn a_request_ends_with_the_last_of_its_kinds() {
    let mut queue = queue();
    queue.add(&wanted(0, "AAPL", 5, &[BARS, NEWS]), s(0));
    let fetches = started(&mut queue, s(2));
    assert_eq!(queue.finished(fetches[1].id, &"no source"), []);
    let ended = queue.finished(fetches[0].id, &"done");
    assert_eq!(ended[0].outcomes, [(fetches[1].data_type, "no source"), (fetches[0].data_type, "done")]);
    assert_eq!(queue.finished(fetches[0].id, &"again"), []);
}

#[test]
fn three_run_at_once_by_priority_then_age() {
    let mut queue = queue();
    for (id, (symbol, priority)) in (0..).zip([("A", 5), ("B", 1), ("C", 9), ("D", 5), ("E", 7)]) {
        queue.add(&wanted(id, symbol, priority, &[BARS]), s(0));
    }
    let first = started(&mut queue, s(2));
    assert_eq!(first.iter().map(|fetch| fetch.symbol.as_str()).collect::<Vec<_>>(), ["C", "E", "A"]);
    assert_eq!((queue.running(), queue.next_wake(s(2))), (3, None));
    queue.finished(first[1].id, &"done");
    assert_eq!(started(&mut queue, s(2))[0].symbol.as_str(), "D");
}

#[test]
fn a_fetch_is_as_urgent_as_the_most_urgent_of_its_requests() {
    let mut queue = queue();
    queue.add(&wanted(0, "A", 5, &[BARS]), s(0));
    queue.add(&wanted(1, "B", 1, &[BARS]), s(0));
    queue.add(&wanted(2, "B", 9, &[BARS]), s(0));
    assert_eq!(queue.start(s(2)).unwrap().symbol.as_str(), "B");
}

#[test]
fn under_load_a_fetch_gathers_up_to_thirty_seconds() {
    let mut queue = queue();
    for (id, symbol) in (0..).zip(["A", "B", "C"]) {
        queue.add(&wanted(id, symbol, 9, &[BARS]), s(0));
    }
    let running = started(&mut queue, s(2));
    for (id, second) in [(10, 2), (11, 20), (12, 31), (13, 32)] {
        queue.add(&wanted(id, "D", 5, &[BARS]), s(second));
    }
    queue.finished(running[0].id, &"done");
    let fetch = queue.start(s(40)).unwrap();
    assert_eq!(fetch.requests, [10, 11, 12]);
    // The next for the same symbol and kind waits until this one has ended.
    assert_eq!(queue.start(s(60)), None);
    queue.finished(fetch.id, &"done");
    assert_eq!(queue.start(s(60)).unwrap().requests, [13]);
}

#[test]
fn released_requests_end_in_nothing_and_their_fetch_keeps_its_place() {
    let mut queue = queue();
    queue.add(&wanted(0, "A", 5, &[BARS]), s(0));
    queue.add(&wanted(1, "B", 5, &[BARS]), s(0));
    let running = queue.start(s(2)).unwrap();
    assert_eq!(queue.released(|id| *id == 0), [running.id]);
    assert_eq!((queue.running(), queue.waiting()), (1, 1));
    queue.add(&wanted(2, "A", 5, &[BARS]), s(2)); // the partition came back
    assert_eq!(started(&mut queue, s(9)).iter().map(|f| f.symbol.as_str()).collect::<Vec<_>>(), ["B"]);
    assert_eq!(queue.finished(running.id, &"stopped"), []);
    assert_eq!(queue.start(s(9)).unwrap().requests, [2]);
}

#[test]
fn full_is_full_until_half_has_ended() {
    let mut queue = Queue::new(Limits { most_requests: 4, ..Limits::default() });
    for id in 0..4 {
        assert!(!queue.is_full());
        queue.add(&wanted(id, ["A", "B", "C", "D"][id as usize], 5, &[BARS]), s(0));
    }
    for waiting in [3, 2] {
        let fetch = queue.start(s(2)).unwrap();
        queue.finished(fetch.id, &"done");
        assert_eq!((queue.waiting(), queue.is_full()), (waiting, true));
    }
    queue.released(|_| true);
    assert!(!queue.is_full());
}

#[derive(Debug, Clone)]
enum Step {
    Add { symbol: usize, priority: i64, types: usize },
    Pass { millis: u64 },
    Start,
    Finish { place: usize },
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..4_usize, 1..=10_i64, 0..3_usize)
            .prop_map(|(symbol, priority, types)| Step::Add { symbol, priority, types }),
        2 => (0..3_000_u64).prop_map(|millis| Step::Pass { millis }),
        2 => Just(Step::Start),
        2 => (0..3_usize).prop_map(|place| Step::Finish { place }),
    ]
}

/// What was asked, what runs, and what has ended, counted beside the queue.
#[derive(Default)]
struct Watch {
    asked: BTreeMap<u32, Wanted<u32>>,
    running: Vec<Fetch<u32>>,
    ended: BTreeSet<u32>,
}

impl Watch {
    fn starts(&mut self, fetch: Fetch<u32>) {
        let is_same = |other: &Fetch<u32>| (other.symbol, other.data_type) == (fetch.symbol, fetch.data_type);
        assert!(!self.running.iter().any(is_same), "two fetches for the same");
        for id in &fetch.requests {
            let asked = &self.asked[id];
            let (_, timeframes) =
                asked.data.iter().find(|(kind, _)| *kind == fetch.data_type).expect("was asked");
            for timeframe in timeframes {
                assert_eq!(fetch.wanted[timeframe].missing(asked.range), [], "the union holds each range");
            }
        }
        self.running.push(fetch);
        assert!(self.running.len() <= 3);
    }

    fn finish(&mut self, queue: &mut Queue, place: usize) {
        if place < self.running.len() {
            let fetch = self.running.remove(place);
            for ended in queue.finished(fetch.id, &"done") {
                assert!(fetch.requests.contains(&ended.id));
                let kinds: BTreeSet<_> = ended.outcomes.iter().map(|(kind, _)| *kind).collect();
                let asked: BTreeSet<_> = self.asked[&ended.id].data.iter().map(|(kind, _)| *kind).collect();
                assert_eq!(kinds, asked);
                assert!(self.ended.insert(ended.id), "a request ends once");
            }
        }
    }
}

proptest! {
    #[test]
    fn every_request_ends_once_after_all_its_kinds(steps in prop::collection::vec(any_step(), 0..150)) {
        let mut queue = queue();
        let mut watch = Watch::default();
        let mut now = s(0);
        for (id, step) in (0_u32..).zip(steps) {
            match step {
                Step::Add { symbol, priority, types } => {
                    let types: &[DataType] = [&[BARS][..], &[NEWS], &[BARS, NEWS]][types];
                    let asked = wanted(id, ["A", "B", "C", "D"][symbol], priority, types);
                    queue.add(&asked, now);
                    watch.asked.insert(id, asked);
                }
                Step::Pass { millis } => now += Duration::from_millis(millis),
                Step::Start => {
                    let wake = queue.next_wake(now);
                    let fetch = queue.start(now);
                    prop_assert_eq!(wake == Some(Duration::ZERO), fetch.is_some());
                    fetch.into_iter().for_each(|fetch| watch.starts(fetch));
                }
                Step::Finish { place } => watch.finish(&mut queue, place),
            }
            prop_assert_eq!(queue.waiting(), watch.asked.len() - watch.ended.len());
        }
        now += s(30);
        while queue.waiting() > 0 {
            started(&mut queue, now).into_iter().for_each(|fetch| watch.starts(fetch));
            watch.finish(&mut queue, 0);
        }
        prop_assert!(watch.asked.keys().eq(watch.ended.iter()));
        prop_assert!(watch.running.is_empty() && queue.running() == 0);
    }
}
