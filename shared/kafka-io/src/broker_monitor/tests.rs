//! Tests of one monitor, without a client.

use super::*;

const ALL: Reach = Reach { reachable: 3, known: 3 };
const NONE: Reach = Reach { reachable: 0, known: 3 };

/// A sample in which the first brokers are connected.
fn sample(Reach { reachable, known }: Reach) -> Sample {
    let names = |numbers: std::ops::Range<usize>| numbers.map(|number| number.to_string()).collect();
    Sample { connected: names(0..reachable), disconnected: names(reachable..known) }
}

fn observe(monitor: &BrokerMonitor, reaches: &[Reach]) {
    for reach in reaches {
        monitor.observe(sample(*reach), Instant::now());
    }
}

/// The arguments of the hook of a monitor.
type Received = Arc<Mutex<Vec<Option<String>>>>;

/// The value of a gauge, as bits.
type Value = Arc<AtomicU64>;

/// A monitor, and what its hook has received.
fn monitor() -> (BrokerMonitor, Received) {
    let (monitor, _, received) = monitor_with_gauges();
    (monitor, received)
}

/// A monitor, its gauge and one that depends on the brokers, and what its hook has received.
fn monitor_with_gauges() -> (BrokerMonitor, [Value; 2], Received) {
    let (received, values) = (Received::default(), [Value::default(), Value::default()]);
    let hook = Arc::clone(&received);
    let hook = Box::new(move |cause: Option<&str>| lock(&hook).push(cause.map(str::to_owned)));
    let [reachable, dependent] = values.each_ref().map(|value| Gauge::from_arc(Arc::clone(value)));
    (BrokerMonitor::create(reachable, hook, vec![dependent]), values, received)
}

fn value(bits: &Value) -> f64 {
    f64::from_bits(bits.load(Ordering::Relaxed))
}

#[test]
fn outage_is_reported_after_two_samples_and_ends_with_one() {
    let (monitor, received) = monitor();
    observe(&monitor, &[ALL]);
    monitor.failed("Connection refused");
    observe(&monitor, &[NONE]);
    assert!(!monitor.is_unreachable() && lock(&received).is_empty());
    // The client has dropped the brokers that it had learned.
    observe(&monitor, &[Reach { reachable: 0, known: 1 }; 3]);
    assert!(monitor.is_unreachable());
    let text = "kafka: 0 of 3 brokers reachable: Connection refused";
    assert_eq!(*lock(&received), [Some(text.to_owned())]);
    observe(&monitor, &[Reach { reachable: 1, known: 3 }]);
    assert!(!monitor.is_unreachable());
    assert_eq!(*lock(&received), [Some(text.to_owned()), None]);
}

#[test]
fn reopened_connection_is_no_outage() {
    for less in [NONE, Reach { reachable: 2, known: 3 }] {
        let (monitor, [gauge, _], received) = monitor_with_gauges();
        for _ in 0..5 {
            for reach in [ALL, less] {
                observe(&monitor, &[reach]);
                assert_eq!(value(&gauge), 3.0);
            }
        }
        assert!(!monitor.is_unreachable() && lock(&received).is_empty());
        // The log has received no other reach.
        assert_eq!(lock(&LOG).reach(monitor.0.id), Some(ALL));
        observe(&monitor, &[less]);
        assert_eq!(lock(&LOG).reach(monitor.0.id), Some(less));
        assert_eq!(value(&gauge), less.reachable as f64);
    }
}

#[test]
fn gauges_are_unknown_while_their_source_is() {
    let (monitor, [reachable, dependent], _) = monitor_with_gauges();
    assert!(value(&reachable).is_nan());
    observe(&monitor, &[ALL, NONE]);
    assert_eq!((value(&reachable), value(&dependent)), (3.0, 0.0));
    observe(&monitor, &[NONE]);
    assert_eq!(value(&reachable), 0.0);
    assert!(value(&dependent).is_nan());
    observe(&monitor, &[ALL]);
    assert_eq!(value(&reachable), 3.0);
    drop(monitor);
    assert!(value(&reachable).is_nan());
}

#[test]
fn cause_of_an_earlier_outage_is_not_reported() {
    let (monitor, received) = monitor();
    monitor.failed("Connection refused");
    observe(&monitor, &[ALL, NONE, NONE]);
    assert_eq!(*lock(&received), [Some("kafka: 0 of 3 brokers reachable".to_owned())]);
}
