use super::*;
use crate::producer::RecordMetadata;

const ACKNOWLEDGED: ProduceResult = Ok(RecordMetadata { partition: 0, offset: 1 });
const UNACKNOWLEDGED: ProduceResult = Err(ProduceError::Unknown { waited_ms: 10_000 });

/// Records the calls of the hook.
fn breaker() -> (ProducerBreaker, Arc<Mutex<Vec<Option<String>>>>) {
    let causes = Arc::new(Mutex::new(Vec::new()));
    let recorded = Arc::clone(&causes);
    let hook = Box::new(move |cause: Option<&str>| recorded.lock().unwrap().push(cause.map(str::to_owned)));
    (ProducerBreaker::with_meters(BreakerMeters::none(TARGET), hook), causes)
}

fn call(breaker: &ProducerBreaker, results: &[ProduceResult]) {
    breaker.admit().expect("admitted").ended(results);
}

fn opened() -> ProducerBreaker {
    let (breaker, _) = breaker();
    for _ in 0..5 {
        call(&breaker, &[UNACKNOWLEDGED]);
    }
    breaker
}

#[test]
fn five_calls_without_acknowledgement_open_it() {
    let (breaker, causes) = breaker();
    for _ in 0..4 {
        call(&breaker, &[UNACKNOWLEDGED, Err(ProduceError::Failed { cause: "no leader".into() })]);
        assert!(!breaker.is_rejecting());
    }
    call(&breaker, &[UNACKNOWLEDGED]);
    assert!(breaker.is_rejecting() && breaker.admit().is_none());
    let cause = "circuit breaker open: no record was acknowledged in time".to_owned();
    assert_eq!(*causes.lock().unwrap(), [Some(cause)]);
}

#[test]
fn call_with_one_acknowledged_record_is_a_success() {
    let (breaker, causes) = breaker();
    for _ in 0..20 {
        call(&breaker, &[UNACKNOWLEDGED]);
        call(&breaker, &[UNACKNOWLEDGED, ACKNOWLEDGED]);
    }
    assert!(!breaker.is_rejecting() && causes.lock().unwrap().is_empty());
}

#[test]
fn records_that_no_broker_could_take_do_not_count() {
    let (breaker, _) = breaker();
    let cause = || "cause".to_owned();
    let errors = [
        ProduceError::Full { in_flight_bytes: 9, bytes_max: 8 },
        ProduceError::QueueFull { cause: cause() },
        ProduceError::Denied { cause: cause() },
        ProduceError::Rejected { cause: cause() },
    ];
    for error in errors.iter().cycle().take(40) {
        call(&breaker, &[Err(error.clone())]);
    }
    assert!(!breaker.is_rejecting());
}

#[test]
fn two_acknowledged_calls_close_a_half_open_breaker() {
    let (breaker, causes) = breaker();
    breaker.trip("no broker");
    breaker.trip("no broker");
    breaker.half_open();
    let trial = breaker.admit().unwrap();
    assert!(breaker.is_rejecting() && breaker.admit().is_none(), "one call at a time");
    trial.ended(&[ACKNOWLEDGED]);
    assert_eq!(breaker.state(), State::HalfOpen);
    call(&breaker, &[ACKNOWLEDGED]);
    assert_eq!(breaker.state(), State::Closed);
    assert_eq!(*causes.lock().unwrap(), [Some("circuit breaker open: no broker".to_owned()), None]);
}

#[test]
fn trial_without_acknowledgement_opens_it_again() {
    let breaker = opened();
    breaker.half_open();
    call(&breaker, &[UNACKNOWLEDGED]);
    assert_eq!(breaker.state(), State::Open);
}

#[test]
fn trial_without_evidence_admits_the_next_call() {
    let breaker = opened();
    breaker.half_open();
    drop(breaker.admit().unwrap());
    call(&breaker, &[Err(ProduceError::Denied { cause: "x".into() })]);
    call(&breaker, &[ACKNOWLEDGED]);
}

#[test]
fn late_failure_does_not_open_a_half_open_breaker() {
    let (breaker, _) = breaker();
    let late = breaker.admit().unwrap();
    breaker.trip("no broker");
    breaker.half_open();
    let trial = breaker.admit().unwrap();
    late.ended(&[UNACKNOWLEDGED]);
    assert_eq!(breaker.state(), State::HalfOpen);
    trial.ended(&[UNACKNOWLEDGED]);
    assert_eq!(breaker.state(), State::Open);
}

#[test]
fn recreated_producer_begins_with_a_closed_breaker() {
    let breaker = opened();
    breaker.reset();
    assert!(!breaker.is_rejecting());
}

#[test]
fn first_response_to_a_metadata_request_half_opens_it() {
    let breaker = opened();
    let (requested, requests) = sync_channel(0);
    let request = move |timeout| {
        assert_eq!(timeout, PROBE_INTERVAL);
        let (respond, response) = sync_channel(1);
        requested.send(respond).ok()?;
        response.recv().ok()
    };
    breaker.probe(request).unwrap();
    for _ in 0..3 {
        requests.recv().unwrap().send(false).unwrap();
        assert_eq!(breaker.state(), State::Open);
    }
    requests.recv().unwrap().send(true).unwrap();
    while breaker.state() == State::Open {
        std::thread::yield_now();
    }
    // Metadata is requested again when it opens again.
    call(&breaker, &[UNACKNOWLEDGED]);
    requests.recv().unwrap().send(true).unwrap();
    drop(breaker);
    assert!(requests.recv().is_err(), "the thread ends with the breaker");
}
