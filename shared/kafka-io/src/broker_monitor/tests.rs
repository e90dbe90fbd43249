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
fn cause_is_the_text_without_thread_broker_and_duration() {
    let causes = [
        (
            "[thrd:127.0.0.1:9/1]: 127.0.0.1:9/1: Connect to ipv4#127.0.0.1:9 failed: Connection refused (after 0ms in state CONNECT)",
            "Connection refused",
        ),
        (
            "[thrd:nosuch.invalid:9092/bootstrap]: nosuch.invalid:9092/bootstrap: Failed to resolve 'nosuch.invalid:9092': Name or service not known (after 3ms in state CONNECT)",
            "Failed to resolve 'nosuch.invalid:9092': Name or service not known",
        ),
        (
            "[thrd:TxnCoordinator]: TxnCoordinator: 127.0.0.1:9: Connect to ipv4#127.0.0.1:9 failed: Connection refused (after 0ms in state CONNECT)",
            "Connection refused",
        ),
        ("127.0.0.1:9/1: Disconnected (after 5000ms in state UP)", "Disconnected"),
        ("2/2 brokers are down", "2/2 brokers are down"),
    ];
    for (line, cause) in causes {
        assert_eq!(cause_of(line), cause);
    }
}
