//! Tests of one monitor, without a client.

use super::*;

const ALL: Reach = Reach { reachable: 3, known: 3 };
const NONE: Reach = Reach { reachable: 0, known: 3 };

/// A monitor, and what its hook has received.
fn monitor() -> (BrokerMonitor, Arc<Mutex<Vec<Option<String>>>>) {
    let received = Arc::<Mutex<Vec<Option<String>>>>::default();
    let hook = Arc::clone(&received);
    let hook = Box::new(move |cause: Option<&str>| lock(&hook).push(cause.map(str::to_owned)));
    (BrokerMonitor::new("test", "test", hook), received)
}

#[test]
fn outage_is_reported_after_two_samples_and_ends_with_one() {
    let (monitor, received) = monitor();
    monitor.observe(ALL, Instant::now());
    monitor.failed("Connection refused");
    monitor.observe(NONE, Instant::now());
    assert!(!monitor.is_unreachable() && lock(&received).is_empty());
    // The client has dropped the brokers that it had learned.
    for _ in 0..3 {
        monitor.observe(Reach { reachable: 0, known: 1 }, Instant::now());
    }
    assert!(monitor.is_unreachable());
    let text = "kafka: 0 of 3 brokers reachable: Connection refused";
    assert_eq!(*lock(&received), [Some(text.to_owned())]);
    monitor.observe(Reach { reachable: 1, known: 3 }, Instant::now());
    assert!(!monitor.is_unreachable());
    assert_eq!(*lock(&received), [Some(text.to_owned()), None]);
}

#[test]
fn reopened_connection_is_no_outage() {
    let (monitor, received) = monitor();
    for _ in 0..5 {
        monitor.observe(ALL, Instant::now());
        monitor.observe(NONE, Instant::now());
    }
    assert!(!monitor.is_unreachable() && lock(&received).is_empty());
}

#[test]
fn cause_of_an_earlier_outage_is_not_reported() {
    let (monitor, received) = monitor();
    monitor.failed("Connection refused");
    for sample in [ALL, NONE, NONE] {
        monitor.observe(sample, Instant::now());
    }
    assert_eq!(*lock(&received), [Some("kafka: 0 of 3 brokers reachable".to_owned())]);
}
