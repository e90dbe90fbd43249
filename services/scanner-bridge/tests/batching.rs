//! Batches of alerts: when they are ready (size, age, linger, urgency), and their order.

use std::collections::BTreeMap;
use std::time::Duration;

use domain::{FeatureSet, Priority, Symbol, Timeframe, Timestamp};
use proptest::prelude::*;
use scanner_bridge::rules::batch::{Arrival, Batch, BatchKey};
use scanner_bridge::rules::batcher::{Batcher, Limits};
use scanner_bridge::rules::windows::Window;

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros(seconds * 1_000_000)
}

/// A symbol for each number below 26 × 26 × 26.
fn symbol(number: usize) -> Symbol {
    let digit = |unit: usize| char::from(b'A' + u8::try_from(number / unit % 26).expect("below 26"));
    Symbol::parse(&[digit(676), digit(26), digit(1)].iter().collect::<String>()).expect("three characters")
}

fn key(partition: i32, priority: i64, set: usize) -> BatchKey {
    let sets = [FeatureSet::ALL[set]].into_iter().collect();
    BatchKey { partition, priority: Priority::clamped(priority), timeframe: Timeframe::Day1, sets }
}

/// A window that an earlier alert opened.
fn joined(second: i64) -> Window {
    Window { first_seen: at(second), is_opened: false }
}

fn arrival(id: usize, symbol_number: usize, key: BatchKey) -> Arrival<usize> {
    Arrival {
        id,
        key,
        symbol: symbol(symbol_number),
        window: Some(joined(0)),
        offset: 0,
        occurred_at: at(0),
        correlation_id: format!("c{id}"),
        source_scanner: format!("scanner-{}", id % 3),
    }
}

fn batcher() -> Batcher<usize> {
    Batcher::new(Limits::default())
}

fn taken(batcher: &mut Batcher<usize>) -> Vec<Batch<usize>> {
    std::iter::from_fn(|| batcher.take()).collect()
}

#[test]
fn batch_of_fifty_symbols_is_ready() {
    let mut batcher = batcher();
    for number in 0..49 {
        assert!(!batcher.add(arrival(number, number, key(0, 5, 0)), ms(0)));
    }
    assert_eq!(batcher.head(), None);
    assert!(batcher.add(arrival(49, 49, key(0, 5, 0)), ms(0)));
    assert_eq!(batcher.take().unwrap().members.len(), 50);
}

/// P8: otherwise the next batch of the key, if it has 50 symbols first, would be taken before it.
#[test]
fn batch_at_its_alert_limit_is_taken_before_the_next() {
    let mut batcher = Batcher::new(Limits { alerts_max: 3, ..Limits::default() });
    for number in 0..2 {
        assert!(!batcher.add(arrival(number, 0, key(0, 5, 0)), ms(0)));
    }
    assert!(batcher.add(arrival(2, 0, key(0, 5, 0)), ms(0)), "three alerts of one symbol");
    for number in 3..6 {
        batcher.add(arrival(number, number, key(0, 5, 0)), ms(0));
    }
    let batches: Vec<Vec<usize>> = taken(&mut batcher).into_iter().map(|batch| batch.ids).collect();
    assert_eq!(batches, [[0, 1, 2], [3, 4, 5]]);
}

#[test]
fn batch_is_ready_after_linger() {
    let mut batcher = batcher();
    batcher.add(arrival(0, 0, key(0, 5, 0)), ms(0));
    batcher.add(arrival(1, 1, key(0, 5, 0)), ms(30));
    batcher.add(arrival(2, 2, key(0, 5, 1)), ms(40)); // of another key
    batcher.tick(ms(50));
    assert_eq!((batcher.head(), batcher.next_wake(ms(50))), (None, Some(ms(30))));
    batcher.tick(ms(80));
    assert_eq!(batcher.take().unwrap().ids, [0, 1]);
    assert_eq!(batcher.take(), None);
}

#[test]
fn batch_is_ready_after_its_maximum_wait() {
    let mut batcher = batcher();
    for number in 0..200_usize {
        let now = ms(40 * number as u64);
        batcher.add(arrival(number, number % 40, key(0, 5, 0)), now); // never lingers, never 50 symbols
        batcher.tick(now);
        if let Some(batch) = batcher.take() {
            assert_eq!((now, batch.ids.len()), (ms(5_000), 126));
            return;
        }
    }
    panic!("the batch is never ready");
}

#[test]
fn batch_with_an_urgent_alert_is_ready_at_once() {
    let mut batcher = batcher();
    assert!(!batcher.add(arrival(0, 0, key(0, 7, 0)), ms(0)));
    assert!(batcher.add(arrival(1, 1, key(0, 8, 0)), ms(0)));
    assert_eq!(batcher.take().unwrap().ids, [1]);
}

#[test]
fn ready_batch_accepts_up_to_a_hundred_symbols() {
    let mut batcher = batcher();
    for number in 0..101 {
        batcher.add(arrival(number, number, key(0, 5, 0)), ms(0));
    }
    assert_eq!(batcher.head(), Some(100));
    assert_eq!(batcher.take().unwrap().members.len(), 100);
    assert_eq!(batcher.head(), None);
    batcher.tick(ms(50));
    assert_eq!(batcher.take().unwrap().ids, [100]);
}

#[test]
fn alerts_of_one_symbol_share_a_member() {
    let mut batcher = batcher();
    let of = |id, second| Arrival { occurred_at: at(second), ..arrival(id, 0, key(0, 5, 0)) };
    for (id, second) in [(0, 10), (1, 30), (2, 20)] {
        batcher.add(of(id, second), ms(0));
    }
    batcher.add(Arrival { window: None, ..of(3, 15) }, ms(0));
    batcher.tick(ms(50));
    let batch = batcher.take().unwrap();
    assert_eq!(batch.members.len(), 1);
    assert_eq!((batch.members[0].first_seen(), batch.members[0].occurred_at), (at(0), at(30)));
    assert_eq!(batch.correlation_ids, ["c0", "c1", "c2", "c3"]);
    assert_eq!(batch.source_scanners, ["scanner-0", "scanner-1", "scanner-2"]);
    assert_eq!(batch.ids, [0, 1, 2, 3]);
}

#[test]
fn batch_with_a_hundred_symbols_accepts_alerts_of_its_symbols() {
    let mut batcher = batcher();
    for number in 0..100 {
        batcher.add(arrival(number, number, key(0, 5, 0)), ms(0));
    }
    batcher.add(arrival(100, 99, key(0, 5, 0)), ms(0));
    let batch = batcher.take().unwrap();
    assert_eq!((batch.members.len(), batch.ids.len()), (100, 101));
}

#[test]
fn newest_window_of_a_symbol_is_requested() {
    let mut batcher = batcher();
    for (id, second) in [(0, 100), (1, 200), (2, 20)] {
        let window = (second > 50).then(|| joined(second));
        batcher.add(Arrival { window, occurred_at: at(second), ..arrival(id, 0, key(0, 5, 0)) }, ms(0));
    }
    batcher.add(Arrival { window: None, occurred_at: at(7), ..arrival(3, 1, key(0, 5, 0)) }, ms(0));
    batcher.tick(ms(50));
    let members = batcher.take().unwrap().members;
    assert_eq!((members[0].window, members[0].first_seen()), (Some(at(200)), at(200)));
    assert_eq!((members[1].window, members[1].first_seen()), (None, at(7)));
}

#[test]
fn batches_are_taken_by_priority_then_age() {
    let mut batcher = batcher();
    for (id, priority, set) in [(0, 3, 0), (1, 5, 0), (2, 9, 0), (3, 5, 1), (4, 9, 1)] {
        batcher.add(arrival(id, 0, key(0, priority, set)), ms(id as u64));
    }
    batcher.tick(ms(100));
    let order: Vec<usize> = taken(&mut batcher).into_iter().flat_map(|batch| batch.ids).collect();
    assert_eq!(order, [2, 4, 1, 3, 0]);
}

#[test]
fn draining_partition_is_ready_and_removed_one_is_dropped() {
    let mut batcher = batcher();
    for partition in 0..3 {
        batcher.add(arrival(usize::try_from(partition).unwrap(), 0, key(partition, 5, 0)), ms(0));
    }
    batcher.close(|partition| partition == 1, ms(0));
    batcher.remove_partition(2);
    assert_eq!(taken(&mut batcher).into_iter().map(|batch| batch.key.partition).collect::<Vec<_>>(), [1]);
    assert_eq!(batcher.waiting(), 1);
}

#[test]
fn full_batcher_stays_full_until_half_is_taken() {
    let mut batcher = Batcher::new(Limits { waiting_max: 10, ..Limits::default() });
    for number in 0..10 {
        assert!(!batcher.is_full());
        batcher.add(arrival(number, number, key(0, 9, number)), ms(0));
    }
    for waiting in (5..10).rev() {
        assert!(batcher.is_full());
        batcher.take();
        assert_eq!(batcher.waiting(), waiting);
    }
    assert!(batcher.is_full());
    batcher.take();
    assert!(!batcher.is_full());
}

#[derive(Debug, Clone)]
enum Step {
    Arrive { symbol: usize, key: BatchKey },
    Wait { millis: u64 },
    Take,
    Unassign { partition: i32 },
}

fn any_step() -> impl Strategy<Value = Step> {
    let keys = (0..2_i32, prop_oneof![Just(4_i64), Just(5), Just(9)], 0..2_usize);
    prop_oneof![
        12 => (0..130_usize, keys).prop_map(|(symbol, (partition, priority, set))| Step::Arrive {
            symbol,
            key: key(partition, priority, set)
        }),
        2 => (0..30_u64).prop_map(|millis| Step::Wait { millis }),
        1 => Just(Step::Take),
        1 => (0..40_i32).prop_map(|partition| Step::Unassign { partition }), // mostly one without alerts
    ]
}

fn check(batch: &Batch<usize>, waiting: &mut BTreeMap<usize, (usize, BatchKey)>) {
    assert!((1..=100).contains(&batch.members.len()));
    assert!(batch.members.is_sorted_by(|a, b| a.symbol < b.symbol));
    assert!(batch.ids.is_sorted());
    assert_eq!(batch.ids.len(), batch.correlation_ids.len());
    let mut symbols = Vec::new();
    for id in &batch.ids {
        let (number, key) = waiting.remove(id).expect("a record is taken once");
        assert_eq!(key, batch.key);
        symbols.push(symbol(number));
    }
    symbols.sort_unstable();
    symbols.dedup();
    assert_eq!(batch.members.iter().map(|member| member.symbol).collect::<Vec<_>>(), symbols);
}

proptest! {
    #[test]
    fn every_alert_is_taken_once_in_a_batch_of_its_key(steps in prop::collection::vec(any_step(), 0..400)) {
        let mut batcher = batcher();
        let mut waiting = BTreeMap::new();
        let mut now = ms(0);
        for (id, step) in steps.into_iter().enumerate() {
            match step {
                Step::Arrive { symbol, key } => {
                    waiting.insert(id, (symbol, key));
                    batcher.add(arrival(id, symbol, key), now);
                }
                Step::Wait { millis } => {
                    now += ms(millis);
                    batcher.tick(now);
                    prop_assert!(batcher.next_wake(now).is_none_or(|wait| wait > ms(0)));
                }
                Step::Take => {
                    let head = batcher.head();
                    if let Some(batch) = batcher.take() {
                        prop_assert_eq!(head, Some(batch.members.len()));
                        check(&batch, &mut waiting);
                    }
                }
                Step::Unassign { partition } => {
                    batcher.remove_partition(partition);
                    waiting.retain(|_, (_, key)| key.partition != partition);
                }
            }
            prop_assert_eq!(batcher.waiting(), waiting.len());
        }
        batcher.tick(now + ms(5_000)); // the maximum wait of all batches
        let last = taken(&mut batcher);
        prop_assert!(last.is_sorted_by(|a, b| a.key.priority >= b.key.priority));
        for batch in &last {
            check(batch, &mut waiting);
        }
        prop_assert!(waiting.is_empty() && batcher.waiting() == 0 && batcher.head().is_none());
    }
}
