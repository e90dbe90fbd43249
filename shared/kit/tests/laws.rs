//! The laws of each type, over any input.

use std::time::Duration;

use kit::breaker::{Breaker, Settings, State};
use kit::{Backoff, Hysteresis, Jitter, Marks, SaturatingFrom, Secret};
use proptest::prelude::*;

fn any_duration() -> impl Strategy<Value = Duration> {
    let any = (any::<u64>(), 0..1_000_000_000_u32).prop_map(|(secs, nanos)| Duration::new(secs, nanos));
    prop_oneof![any, (0..100_000_u64).prop_map(Duration::from_micros), Just(Duration::MAX)]
}

fn any_backoff() -> impl Strategy<Value = (Backoff, Duration)> {
    (any_duration(), any_duration(), any::<bool>()).prop_map(|(first, max, is_immediate)| {
        let make = if is_immediate { Backoff::immediate_then } else { Backoff::new };
        (make(first, max), max)
    })
}

/// A failure count, also at both ends.
fn any_failures() -> impl Strategy<Value = u32> {
    prop_oneof![0..200_u32, any::<u32>(), Just(u32::MAX)]
}

proptest! {
    #[test]
    fn backoff_never_shrinks_nor_exceeds_max((backoff, max) in any_backoff(), failures in any_failures()) {
        let wait = backoff.wait_after(failures);
        prop_assert!(wait <= max);
        prop_assert!(backoff.wait_after(failures.saturating_add(1)) >= wait);
    }

    #[test]
    fn backoff_doubles_until_max((backoff, max) in any_backoff(), failures in 2..u32::MAX) {
        let (wait, next) = (backoff.wait_after(failures), backoff.wait_after(failures + 1));
        prop_assert_eq!(next, wait.saturating_mul(2).min(max));
    }

    #[test]
    fn counted_waits_are_those_of_the_count((mut backoff, _) in any_backoff(), count in 1..50_u32) {
        for failures in 1..=count {
            let wait = backoff.fail();
            prop_assert_eq!((wait, backoff.failures()), (backoff.wait_after(failures), failures));
        }
        backoff.reset();
        prop_assert_eq!(backoff.fail(), backoff.wait_after(1));
    }

    #[test]
    fn jitter_never_lengthens_a_wait(wait in any_duration(), random in any::<u64>()) {
        prop_assert_eq!(Jitter::None.of(wait), wait);
        prop_assert!(Jitter::Full(random).of(wait) <= wait);
        let non_zero = Jitter::NonZero(random).of(wait);
        prop_assert!(non_zero <= wait && non_zero >= Jitter::NonZero(0).of(wait));
    }

    #[test]
    fn hysteresis_never_flips_between_the_marks(
        (low, high) in (0..20_u64, 0..20_u64),
        is_inclusive in any::<bool>(),
        values in prop::collection::vec(0..20_u64, 1..50),
    ) {
        let marks = if is_inclusive { Marks::at(high).low(low) } else { Marks::above(high).low(low) };
        let reaches = |value: u64, mark: u64| if is_inclusive { value >= mark } else { value > mark };
        let mut condition = Hysteresis::new();
        for value in values {
            let before = condition.is_set();
            let after = condition.update(value, marks);
            if reaches(value, high) {
                prop_assert!(after);
            } else if !reaches(value, low) {
                prop_assert!(!after);
            } else {
                prop_assert_eq!(after, before, "{} is between {} and {}", value, low, high);
            }
        }
    }

    #[test]
    fn saturating_conversions_clamp(wide in any::<i128>(), long in any::<i64>(), size in any::<u64>()) {
        let clamped = |low: i128, high: i128, value: i128| value.clamp(low, high);
        prop_assert_eq!(i128::from(u32::saturating_from(long)), clamped(0, u32::MAX.into(), long.into()));
        prop_assert_eq!(
            i128::from(i32::saturating_from(long)),
            clamped(i32::MIN.into(), i32::MAX.into(), long.into())
        );
        prop_assert_eq!(i128::from(i64::saturating_from(size)), clamped(0, i64::MAX.into(), size.into()));
        let wide = wide.unsigned_abs();
        prop_assert_eq!(u128::from(u64::saturating_from(wide)), wide.min(u64::MAX.into()));
    }

    #[test]
    fn secret_is_shown_nowhere(text in "[a-z0-9]{12,30}") {
        let secret = Secret::new(text.clone());
        prop_assert_eq!(format!("{secret:?} {secret} {secret:#?}"), "[redacted] [redacted] [redacted]");
        let nested = format!("{:?}", Some(&secret));
        prop_assert!(!nested.contains(&text));
        prop_assert_eq!(secret.expose(), Some(text.as_str()));
    }
}

/// What happens to a breaker.
#[derive(Debug, Clone, Copy)]
enum Step {
    Admit,
    Succeed,
    Fail,
    Pass(u64),
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => Just(Step::Admit),
        1 => Just(Step::Succeed),
        3 => Just(Step::Fail),
        1 => (0..5_u64).prop_map(Step::Pass),
    ]
}

const PROBE_MAX: Duration = Duration::from_secs(3);

fn breaker(failures: u32, successes: u32) -> Breaker {
    let backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(4));
    Breaker::new(Settings { failures, successes, backoff, probe_max: PROBE_MAX })
}

proptest! {
    #[test]
    fn breaker_opens_after_exactly_n_consecutive_failures(failures in 1..20_u32, before in 0..20_u32) {
        let mut breaker = breaker(failures, 1);
        for _ in 0..before.min(failures - 1) {
            prop_assert_eq!(breaker.failed(Duration::ZERO, Jitter::None), None);
        }
        breaker.succeeded();
        for _ in 1..failures {
            prop_assert_eq!(breaker.failed(Duration::ZERO, Jitter::None), None);
        }
        prop_assert_eq!(breaker.failed(Duration::ZERO, Jitter::None).map(|it| it.to), Some(State::Open));
    }

    #[test]
    fn breaker_admits_one_probe_and_success_closes_it(
        failures in 1..4_u32,
        steps in prop::collection::vec(any_step(), 1..200),
    ) {
        let (mut breaker, mut now, mut probe) = (breaker(failures, 1), Duration::ZERO, None::<Duration>);
        for step in steps {
            let before = breaker.state();
            let moved = match step {
                Step::Admit => match breaker.admit(now) {
                    Ok(moved) => {
                        if breaker.state() == State::HalfOpen {
                            prop_assert!(probe.is_none_or(|begun| begun + PROBE_MAX <= now), "a second probe");
                            probe = Some(now);
                        }
                        moved
                    }
                    Err(left) => {
                        prop_assert!(!left.is_zero() && before != State::Closed);
                        None
                    }
                },
                Step::Succeed => {
                    let moved = breaker.succeeded();
                    prop_assert_eq!(breaker.state(), State::Closed);
                    moved
                }
                Step::Fail => breaker.failed(now, Jitter::None),
                Step::Pass(seconds) => {
                    now += Duration::from_secs(seconds);
                    None
                }
            };
            let after = breaker.state();
            prop_assert_eq!(moved.map(|it| (it.from, it.to)), (before != after).then_some((before, after)));
            probe = probe.filter(|_| after == State::HalfOpen);
        }
    }
}

#[test]
fn immediate_backoff_waits_nothing_once() {
    let mut backoff = Backoff::immediate_then(Duration::from_millis(20), Duration::from_millis(1_280));
    let waits: Vec<_> = (0..10).map(|_| backoff.fail().as_millis()).collect();
    assert_eq!(waits, [0, 20, 40, 80, 160, 320, 640, 1_280, 1_280, 1_280]);
}

#[cfg(feature = "serde")]
mod with_serde {
    use kit::Millis;

    use super::*;

    proptest! {
        #[test]
        fn secret_is_not_serialised(text in "[a-z0-9]{12,30}") {
            prop_assert_eq!(serde_json::to_string(&Secret::new(text.clone())).unwrap(), "\"[redacted]\"");
            let json = serde_json::to_string(&text).unwrap();
            let secret: Secret = serde_json::from_str(&json).unwrap();
            prop_assert_eq!(secret.expose(), Some(text.as_str()));
        }

        #[test]
        fn millis_are_read_and_written_as_their_integer(number in any::<u64>()) {
            let (text, millis) = (number.to_string(), Millis::new(number));
            prop_assert_eq!(serde_json::to_string(&millis).unwrap(), text.clone());
            prop_assert_eq!(serde_json::from_str::<Millis>(&text).unwrap(), millis);
            prop_assert_eq!(format!("{millis:?} {millis}"), format!("{number:?} {number}"));
        }
    }

    #[test]
    fn unset_secret_is_read_back_and_redacted_one_is_not() {
        assert_eq!(serde_json::to_string(&Secret::default()).unwrap(), "\"[unset]\"");
        assert!(!serde_json::from_str::<Secret>("\"[unset]\"").unwrap().is_set());
        let error = serde_json::from_str::<Secret>("\"[redacted]\"").unwrap_err();
        assert!(error.to_string().contains("redacted"), "{error}");
    }

    #[test]
    fn invalid_millis_fail_as_their_integer_does() {
        for text in ["4294967296", "-1", "1.5", "\"5\"", "null"] {
            let (as_millis, as_integer) =
                (serde_json::from_str::<Millis<u32>>(text), serde_json::from_str::<u32>(text));
            assert_eq!(as_millis.unwrap_err().to_string(), as_integer.unwrap_err().to_string());
        }
    }
}
