use super::*;

const FIRST: Duration = Duration::from_secs(1);
const MAX: Duration = Duration::from_secs(30);
const T0: Duration = Duration::from_secs(100);

fn breaker(failures: u32, successes: u32) -> Breaker {
    Breaker::new(Settings { failures, successes, backoff: Backoff::new(FIRST, MAX), probe_max: MAX })
}

fn opened(successes: u32) -> Breaker {
    let mut breaker = breaker(2, successes);
    assert_eq!(breaker.failed(T0, Jitter::None), None);
    assert_eq!(breaker.failed(T0, Jitter::None), moved(State::Closed, State::Open));
    breaker
}

#[expect(clippy::unnecessary_wraps, reason = "compared with what the breaker returns")]
fn moved(from: State, to: State) -> Option<Transition> {
    Some(Transition { from, to })
}

#[test]
fn probe_that_succeeds_closes() {
    let mut breaker = opened(1);
    assert_eq!(breaker.admit(T0), Err(FIRST));
    assert_eq!(breaker.admit(T0 + FIRST), Ok(moved(State::Open, State::HalfOpen)));
    assert_eq!(breaker.admit(T0 + FIRST), Err(MAX), "the probe has not ended");
    assert_eq!(breaker.succeeded(), moved(State::HalfOpen, State::Closed));
    assert_eq!(breaker.failed(T0, Jitter::None), None, "failures are counted from zero again");
}

#[test]
fn unreported_probe_is_followed_by_another() {
    let mut breaker = opened(1);
    breaker.admit(T0 + FIRST).unwrap();
    assert_eq!(breaker.admit(T0 + FIRST + MAX), Ok(None));
    assert_eq!(breaker.admit(T0 + FIRST + MAX), Err(MAX));
}

#[test]
fn failed_probes_double_the_wait_up_to_the_maximum() {
    let (mut breaker, mut now) = (opened(1), T0);
    for wait_s in [1, 2, 4, 8, 16, 30, 30] {
        assert_eq!(breaker.admit(now), Err(Duration::from_secs(wait_s)));
        now += Duration::from_secs(wait_s);
        breaker.admit(now).unwrap();
        assert_eq!(breaker.failed(now, Jitter::None), moved(State::HalfOpen, State::Open));
    }
}

#[test]
fn late_failure_does_not_lengthen_the_wait() {
    let mut breaker = opened(1);
    assert_eq!(breaker.failed(T0 + FIRST / 2, Jitter::None), None);
    assert_eq!(breaker.admit(T0), Err(FIRST));
}

#[test]
fn late_success_while_open_counts() {
    assert_eq!(opened(1).succeeded(), moved(State::Open, State::Closed));
    let mut breaker = opened(2);
    assert_eq!(breaker.succeeded(), moved(State::Open, State::HalfOpen));
    assert_eq!(breaker.admit(T0), Ok(None));
    assert_eq!(breaker.succeeded(), moved(State::HalfOpen, State::Closed));
}

#[test]
fn two_successes_are_probed_one_by_one() {
    let mut breaker = opened(2);
    breaker.admit(T0 + FIRST).unwrap();
    assert_eq!(breaker.succeeded(), None);
    assert_eq!(breaker.admit(T0 + FIRST), Ok(None));
    assert_eq!(breaker.admit(T0 + FIRST), Err(MAX));
    assert_eq!(breaker.failed(T0, Jitter::None), moved(State::HalfOpen, State::Open));
}

#[test]
fn endless_wait_ends_on_evidence_alone() {
    let backoff = Backoff::new(Duration::MAX, Duration::MAX);
    let mut breaker = Breaker::new(Settings { failures: 5, successes: 1, backoff, probe_max: MAX });
    assert_eq!(breaker.trip(T0, Jitter::None), moved(State::Closed, State::Open));
    assert_eq!(breaker.trip(T0, Jitter::None), None);
    breaker.admit(T0 + MAX * 1_000).unwrap_err();
    assert_eq!(breaker.half_open(), moved(State::Open, State::HalfOpen));
    assert_eq!(breaker.half_open(), None);
    assert_eq!(breaker.failed(T0, Jitter::None), None, "no probe was admitted");
    assert_eq!(breaker.admit(T0), Ok(None));
    assert_eq!(breaker.reset(), moved(State::HalfOpen, State::Closed));
}
