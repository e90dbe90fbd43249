//! What crashes, clocks and repeated causes may do isn't counted, and what they can't do is.

use super::super::Stage;
use super::run::{Asked, Cause, DAY_MICROS, Run, alert, request};
use super::{counted, faults};

const SECOND: i64 = 1_000_000;

/// A good run, and on its last day one more alert in the window of that day's.
fn with_another(change: impl FnOnce(Cause) -> Cause) -> (Run, Cause) {
    let mut run = Run::good();
    let last = alert(9);
    let another = change(Cause { number: 30, occurred_at: last.occurred_at + 20 * SECOND, ..last });
    run.alerts.push(another);
    (run, another)
}

/// Its request, appended so many seconds after that day's.
fn late_request(alert: Cause, first_seen: i64, seconds: i64) -> Asked {
    let appended_at_ms = request(super::run::alert(9)).appended_at_ms + seconds * 1_000;
    Asked { first_seen, appended_at_ms, ..request(alert) }
}

fn answer(run: &mut Run, request: Asked) {
    run.vectors.push((request.number, request.alerts[0].symbol));
    run.requests.push(request);
}

#[test]
fn an_alert_that_its_window_covers_owes_nothing() {
    let (run, _) = with_another(|alert| alert);
    assert_eq!(faults(run.clone(), Stage::Bridge), (0, 0, 0));
    assert_eq!(counted(run).row(Stage::Bridge).covered, 1);

    let owing: [fn(Cause) -> Cause; 5] = [
        |alert| Cause { occurred_at: 9 * DAY_MICROS + 60 * SECOND + 1, ..alert },
        |alert| Cause { occurred_at: 9 * DAY_MICROS - 60 * SECOND - 1, ..alert },
        |alert| Cause { priority: 8, ..alert },
        |alert| Cause { sets: &["price_features", "momentum_features"], ..alert },
        |alert| Cause { is_manual: true, ..alert },
    ];
    for change in owing {
        let (mut run, another) = with_another(change);
        assert_eq!(faults(run.clone(), Stage::Bridge), (1, 0, 0), "{another:?}");
        answer(&mut run, late_request(another, another.occurred_at, 20));
        assert_eq!(faults(run, Stage::Bridge), (0, 0, 0), "{another:?}");
    }
}

#[test]
fn asking_for_what_is_covered_is_doubling_until_the_clock_forgets_the_window() {
    let (mut run, another) = with_another(|alert| alert);
    answer(&mut run, late_request(another, 9 * DAY_MICROS, 20));
    assert_eq!(faults(run, Stage::Bridge), (0, 1, 0));

    let (mut run, another) = with_another(|alert| alert);
    answer(&mut run, late_request(another, another.occurred_at, 400));
    assert_eq!(faults(run, Stage::Bridge), (0, 0, 0));
}

#[test]
fn who_joins_a_window_that_the_clock_has_forgotten_opens_the_next() {
    // Half an hour later by the clock an alert of the same minute asks for more: it opens a window of its own, which covers the next.
    let (mut run, more) = with_another(|alert| Cause { priority: 8, ..alert });
    let next = Cause { number: 31, occurred_at: more.occurred_at + 50 * SECOND, ..more };
    run.alerts.push(next);
    let mut forgotten = run.clone();
    answer(&mut run, late_request(more, 9 * DAY_MICROS, 20));
    assert_eq!(faults(run, Stage::Bridge), (1, 0, 0), "the next lies behind the window that is in force");
    answer(&mut forgotten, late_request(more, more.occurred_at, 1_800));
    assert_eq!(faults(forgotten, Stage::Bridge), (0, 0, 0));
}

#[test]
fn one_that_waited_through_a_crash_is_asked_for_although_a_more_urgent_one_overtook_it() {
    // The day's own alert was waiting when a more urgent one of its window left; after the crash it comes again, and passes again.
    let (mut run, urgent) = with_another(|alert| Cause { priority: 9, ..alert });
    let waited = run.requests.pop().unwrap();
    run.vectors.pop();
    answer(&mut run, late_request(urgent, 9 * DAY_MICROS, 20));
    assert_eq!(faults(run.clone(), Stage::Bridge), (1, 0, 0), "what overtook it does not answer it");
    answer(&mut run, Asked { appended_at_ms: waited.appended_at_ms + 40_000, ..waited });
    assert_eq!(faults(run, Stage::Bridge), (0, 0, 0));
}

#[test]
fn what_was_covered_is_asked_for_no_more_when_a_crash_comes_behind_a_newer_window() {
    let (mut run, covered) = with_another(|alert| alert);
    let newer = Cause { number: 31, occurred_at: 9 * DAY_MICROS + 200 * SECOND, priority: 9, ..covered };
    run.alerts.push(newer);
    answer(&mut run, late_request(newer, newer.occurred_at, 21));
    assert_eq!(faults(run.clone(), Stage::Bridge), (0, 0, 0));
    answer(&mut run, late_request(covered, covered.occurred_at, 22));
    assert_eq!(faults(run, Stage::Bridge), (0, 1, 0));
}

#[test]
fn an_alert_sent_twice_is_two_inputs_and_one_request() {
    let mut run = Run::good();
    run.alerts.insert(5, alert(4));
    assert_eq!(faults(run.clone(), Stage::Bridge), (0, 0, 0));
    let again = Asked { number: 140, ..request(alert(4)) };
    answer(&mut run, again);
    assert_eq!(faults(run, Stage::Bridge), (0, 1, 0));
}

#[test]
fn one_id_may_name_alerts_of_several_symbols() {
    let mut run = Run::good();
    let (one, other) = (Cause { number: 40, ..alert(20) }, Cause { number: 40, symbol: "MSFT", ..alert(20) });
    run.alerts.extend([one, other]);
    let both = Asked { alerts: vec![one, other], ..request(one) };
    run.vectors.extend([(both.number, "AAPL"), (both.number, "MSFT")]);
    run.requests.push(both.clone());
    assert_eq!(faults(run.clone(), Stage::Bridge), (0, 0, 0));

    run.requests.push(Asked { number: 141, alerts: vec![one], ..both });
    run.vectors.push((141, "AAPL"));
    assert_eq!(faults(run, Stage::Bridge), (0, 1, 0));
}

#[test]
fn a_backfill_asked_for_again_ends_with_the_one_that_runs_or_as_the_next_attempt() {
    let minute = 60_000;
    let mut run = Run { manual: vec![(70, 1, 0), (70, 1, 2)], ..Run::good() };
    run.ends_of_ranges.push((70, 1, minute));
    assert_eq!(faults(run.clone(), Stage::Executor), (0, 0, 0), "the second came while the first ran");

    run.manual[1].2 = 2 * minute;
    assert_eq!(faults(run.clone(), Stage::Executor), (1, 0, 0), "the second came afterwards");
    run.ends_of_ranges.push((70, 2, 3 * minute));
    assert_eq!(faults(run.clone(), Stage::Executor), (0, 0, 0));

    let last = run.ends_of_ranges.len() - 1;
    run.ends_of_ranges[last].1 = 1;
    assert_eq!(faults(run.clone(), Stage::Executor), (0, 1, 0), "an attempt ends once");
    run.manual[1].2 = 80 * minute;
    run.ends_of_ranges[last].2 = 81 * minute;
    assert_eq!(faults(run, Stage::Executor), (0, 0, 0), "after an hour it is forgotten");
}
