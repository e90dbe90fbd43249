//! Coalescer: gathering of requests into fetches, the order of fetches, and the end of each request.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use backfill::rules::coalescer::{Coalescer, Demand, Fetch, Limits};
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

fn demand(id: u32, symbol: &str, priority: i64, types: &[DataType]) -> Demand<u32> {
    let start = i64::from(id) * 10;
    let timeframes = |data_type: &DataType| match data_type {
        DataType::MarketData => vec![Some(Timeframe::Day1)],
        _ => vec![None],
    };
    Demand {
        id,
        symbol: Symbol::parse(symbol).expect("a symbol"),
        partition: 0,
        range: interval(start, start + 15),
        priority: Priority::clamped(priority),
        data: types.iter().map(|data_type| (*data_type, timeframes(data_type))).collect(),
        opens_fetch: false,
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
        queue.add(&demand(id, "AAPL", 5, &[BARS]), Duration::from_millis(u64::from(id) * 300));
    }
    assert_eq!(queue.start(Duration::from_millis(1_999)), None);
    assert_eq!(queue.next_wake(s(1)), Some(s(1)));
    let fetches = started(&mut queue, s(2));
    assert_eq!(fetches.len(), 1);
    assert_eq!(fetches[0].requests, [0, 1, 2, 3, 4]);
    let union: Vec<_> = fetches[0].ranges[&Some(Timeframe::Day1)].iter().collect();
    assert_eq!(union, [interval(0, 55)]);

    let ended = queue.finish(fetches[0].id, &"done");
    assert_eq!(ended.iter().map(|ended| ended.id).collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
    assert!(ended.iter().all(|ended| ended.outcomes == [(BARS, "done")]));
    assert_eq!(queue.held(), 0);
}

#[test]
fn suspended_fetch_resumes_in_a_free_slot_after_higher_ones() {
    let mut queue = Queue::new(Limits { running_max: 1, ..Limits::default() });
    queue.add(&demand(1, "AAPL", 5, &[BARS]), s(0));
    let first = queue.start(s(2)).unwrap().id;
    queue.suspend(first);
    queue.add(&demand(2, "MSFT", 5, &[BARS]), s(2));
    let second = queue.start(s(4)).unwrap().id;
    assert!(!queue.resume(first, s(4)), "the slot is not free");
    queue.suspend(second);
    assert!(queue.is_preceded(second) && !queue.is_preceded(first));
    assert_eq!((queue.first_suspended(), queue.suspended()), (vec![first], 2), "the first of the partition");
    queue.add(&demand(3, "IBM", 9, &[BARS]), s(4));
    assert!(!queue.resume(first, s(6)), "a fetch of a higher priority is due");
    let urgent = queue.start(s(6)).unwrap().id;
    queue.finish(urgent, &"ok");
    assert!(queue.resume(second, s(6)) && !queue.resume(second, s(6)));
    queue.finish(second, &"ok");
    assert_eq!((queue.finish(first, &"ok").len(), queue.suspended(), queue.running()), (1, 0, 0));
}

#[test]
fn waiting_request_raises_the_running_fetch_of_its_symbol() {
    let mut queue = queue();
    for (id, symbol) in [(1, "AAPL"), (2, "MSFT")] {
        queue.add(&demand(id, symbol, 5, &[BARS]), s(0));
    }
    let ids = started(&mut queue, s(2)).iter().map(|fetch| fetch.id).collect::<Vec<_>>();
    ids.iter().for_each(|id| queue.suspend(*id));
    assert_eq!(queue.first_suspended(), [ids[0]]);
    queue.add(&demand(3, "MSFT", 9, &[BARS]), s(2));
    assert_eq!((queue.first_suspended(), queue.is_preceded(ids[0])), (vec![ids[1]], true));
    assert!(queue.resume(ids[1], s(4)) && !queue.is_preceded(ids[0]));
}

#[test]
fn suspended_fetches_of_a_partition_are_bounded_by_priority() {
    let mut queue = queue();
    for id in 0..70_u8 {
        let symbol = format!("{}{}", char::from(b'A' + id / 26), char::from(b'A' + id % 26));
        let partition = i32::from(id < 20);
        queue.add(&Demand { partition, ..demand(id.into(), &symbol, 5, &[BARS]) }, s(0));
    }
    let mut suspended = Vec::new();
    while let Some(fetch) = queue.start(s(2)) {
        queue.suspend(fetch.id);
        suspended.push(fetch.id);
    }
    assert_eq!((suspended.len(), queue.next_wake(s(2))), (8, None), "four of each");
    assert_eq!(queue.first_suspended(), [suspended[0], suspended[4]]);
    queue.add(&demand(99, "IBM", 9, &[BARS]), s(2));
    assert_eq!((queue.start(s(4)).unwrap().requests, queue.start(s(4))), (vec![99], None));
    queue.finish(suspended[0], &"ok");
    assert!(queue.next_wake(s(4)) == Some(s(0)) && queue.start(s(4)).is_some());
}

#[test]
fn each_timeframe_has_its_requested_ranges() {
    let mut queue = queue();
    let shorter = vec![(BARS, vec![Some(Timeframe::Day1), Some(Timeframe::Minute1)])];
    queue.add(&demand(0, "AAPL", 5, &[BARS]), s(0));
    queue.add(&Demand { data: shorter, ..demand(7, "AAPL", 5, &[]) }, s(0));
    let fetch = queue.start(s(2)).unwrap();
    let of = |timeframe| fetch.ranges[&Some(timeframe)].iter().collect::<Vec<_>>();
    assert_eq!(of(Timeframe::Day1), [interval(0, 15), interval(70, 85)]);
    assert_eq!(of(Timeframe::Minute1), [interval(70, 85)]);
}

#[test]
fn symbols_and_data_types_have_separate_fetches() {
    let mut queue = queue();
    queue.add(&demand(0, "AAPL", 5, &[BARS, NEWS]), s(0));
    queue.add(&demand(1, "MSFT", 5, &[BARS]), s(0));
    assert_eq!(started(&mut queue, s(2)).len(), 3);
}

#[test]
fn request_ends_with_the_last_of_its_fetches() {
    let mut queue = queue();
    queue.add(&demand(0, "AAPL", 5, &[BARS, NEWS]), s(0));
    let fetches = started(&mut queue, s(2));
    assert_eq!(queue.finish(fetches[1].id, &"no source"), []);
    let ended = queue.finish(fetches[0].id, &"done");
    assert_eq!(ended[0].outcomes, [(fetches[1].data_type, "no source"), (fetches[0].data_type, "done")]);
    assert_eq!(queue.finish(fetches[0].id, &"twice"), []);
}

#[test]
fn three_fetches_run_by_priority_then_age() {
    let mut queue = queue();
    for (id, (symbol, priority)) in (0..).zip([("A", 5), ("B", 1), ("C", 9), ("D", 5), ("E", 7)]) {
        queue.add(&demand(id, symbol, priority, &[BARS]), s(0));
    }
    let first = started(&mut queue, s(2));
    assert_eq!(first.iter().map(|fetch| fetch.symbol.as_str()).collect::<Vec<_>>(), ["C", "E", "A"]);
    assert_eq!((queue.running(), queue.next_wake(s(2))), (3, None));
    queue.finish(first[1].id, &"done");
    assert_eq!(started(&mut queue, s(2))[0].symbol.as_str(), "D");
}

#[test]
fn fetch_has_the_highest_priority_of_its_requests() {
    let mut queue = queue();
    queue.add(&demand(0, "A", 5, &[BARS]), s(0));
    queue.add(&demand(1, "B", 1, &[BARS]), s(0));
    queue.add(&demand(2, "B", 9, &[BARS]), s(0));
    assert_eq!(queue.start(s(2)).unwrap().symbol.as_str(), "B");
}

#[test]
fn fetch_without_a_slot_gathers_up_to_thirty_seconds() {
    let mut queue = queue();
    for (id, symbol) in (0..).zip(["A", "B", "C"]) {
        queue.add(&demand(id, symbol, 9, &[BARS]), s(0));
    }
    let running = started(&mut queue, s(2));
    for (id, second) in [(10, 2), (11, 20), (12, 31), (13, 32)] {
        queue.add(&demand(id, "D", 5, &[BARS]), s(second));
    }
    queue.finish(running[0].id, &"done");
    let fetch = queue.start(s(40)).unwrap();
    assert_eq!(fetch.requests, [10, 11, 12]);
    // The next fetch for the same symbol and data type waits for the end of this one.
    assert_eq!(queue.start(s(60)), None);
    queue.finish(fetch.id, &"done");
    assert_eq!(queue.start(s(60)).unwrap().requests, [13]);
}

#[test]
fn removed_requests_do_not_end_and_their_fetch_keeps_its_slot() {
    let mut queue = queue();
    queue.add(&demand(0, "A", 5, &[BARS]), s(0));
    queue.add(&demand(1, "B", 5, &[BARS]), s(0));
    let running = queue.start(s(2)).unwrap();
    assert_eq!(queue.remove(|id| *id == 0), [running.id]);
    assert_eq!((queue.running(), queue.held()), (1, 1));
    queue.add(&demand(2, "A", 5, &[BARS]), s(2)); // the partition was assigned again
    assert_eq!(started(&mut queue, s(9)).iter().map(|f| f.symbol.as_str()).collect::<Vec<_>>(), ["B"]);
    assert_eq!(queue.finish(running.id, &"stopped"), []);
    assert_eq!(queue.start(s(9)).unwrap().requests, [2]);
}

#[test]
fn full_coalescer_is_full_until_half_has_ended() {
    let mut queue = Queue::new(Limits { requests_max: 4, ..Limits::default() });
    for id in 0..4 {
        assert!(!queue.is_full());
        queue.add(&demand(id, ["A", "B", "C", "D"][id as usize], 5, &[BARS]), s(0));
    }
    for held in [3, 2] {
        let fetch = queue.start(s(2)).unwrap();
        queue.finish(fetch.id, &"done");
        assert_eq!((queue.held(), queue.is_full()), (held, true));
    }
    queue.remove(|_| true);
    assert!(!queue.is_full());
}

#[derive(Debug, Clone)]
enum Step {
    Add { symbol: usize, priority: i64, types: usize },
    Pass { millis: u64 },
    Start,
    Finish { index: usize },
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..4_usize, 1..=10_i64, 0..3_usize)
            .prop_map(|(symbol, priority, types)| Step::Add { symbol, priority, types }),
        2 => (0..3_000_u64).prop_map(|millis| Step::Pass { millis }),
        2 => Just(Step::Start),
        2 => (0..3_usize).prop_map(|index| Step::Finish { index }),
    ]
}

/// Model of the coalescer: the requested, running and ended requests.
#[derive(Default)]
struct Model {
    requested: BTreeMap<u32, Demand<u32>>,
    running: Vec<Fetch<u32>>,
    ended: BTreeSet<u32>,
}

impl Model {
    fn starts(&mut self, fetch: Fetch<u32>) {
        let is_same = |other: &Fetch<u32>| (other.symbol, other.data_type) == (fetch.symbol, fetch.data_type);
        assert!(!self.running.iter().any(is_same), "two fetches for the same symbol and data type");
        for id in &fetch.requests {
            let demand = &self.requested[id];
            let (_, timeframes) =
                demand.data.iter().find(|(kind, _)| *kind == fetch.data_type).expect("was requested");
            for timeframe in timeframes {
                assert_eq!(
                    fetch.ranges[timeframe].missing(demand.range),
                    [],
                    "the union contains each range"
                );
            }
        }
        self.running.push(fetch);
        assert!(self.running.len() <= 3);
    }

    fn finish(&mut self, queue: &mut Queue, index: usize) {
        if index < self.running.len() {
            let fetch = self.running.remove(index);
            for ended in queue.finish(fetch.id, &"done") {
                assert!(fetch.requests.contains(&ended.id));
                let kinds: BTreeSet<_> = ended.outcomes.iter().map(|(kind, _)| *kind).collect();
                let requested: BTreeSet<_> =
                    self.requested[&ended.id].data.iter().map(|(kind, _)| *kind).collect();
                assert_eq!(kinds, requested);
                assert!(self.ended.insert(ended.id), "a request ends once");
            }
        }
    }
}

proptest! {
    #[test]
    fn every_request_ends_once_after_all_its_fetches(steps in prop::collection::vec(any_step(), 0..150)) {
        let mut queue = queue();
        let mut model = Model::default();
        let mut now = s(0);
        for (id, step) in (0_u32..).zip(steps) {
            match step {
                Step::Add { symbol, priority, types } => {
                    let types: &[DataType] = [&[BARS][..], &[NEWS], &[BARS, NEWS]][types];
                    let demand = demand(id, ["A", "B", "C", "D"][symbol], priority, types);
                    queue.add(&demand, now);
                    model.requested.insert(id, demand);
                }
                Step::Pass { millis } => now += Duration::from_millis(millis),
                Step::Start => {
                    let wake = queue.next_wake(now);
                    let fetch = queue.start(now);
                    prop_assert_eq!(wake == Some(Duration::ZERO), fetch.is_some());
                    fetch.into_iter().for_each(|fetch| model.starts(fetch));
                }
                Step::Finish { index } => model.finish(&mut queue, index),
            }
            prop_assert_eq!(queue.held(), model.requested.len() - model.ended.len());
        }
        now += s(30);
        while queue.held() > 0 {
            started(&mut queue, now).into_iter().for_each(|fetch| model.starts(fetch));
            model.finish(&mut queue, 0);
        }
        prop_assert!(model.requested.keys().eq(model.ended.iter()));
        prop_assert!(model.running.is_empty() && queue.running() == 0);
    }
}
