//! Permitted effects of crashes, clocks and repeated inputs are not counted; other effects are.

use super::super::stage::Stage;
use super::sample_run::{DAY_MICROS, SampleInput, SampleRequest, SampleRun, alert, request};
use super::{audit, findings};

const SECOND: i64 = 1_000_000;

/// Returns a correct run with one more alert on its last day, in the window of that day's alert.
fn with_another(change: impl FnOnce(SampleInput) -> SampleInput) -> (SampleRun, SampleInput) {
    let mut run = SampleRun::correct();
    let last = alert(9);
    let another = change(SampleInput { number: 30, occurred_at: last.occurred_at + 20 * SECOND, ..last });
    run.alerts.push(another);
    (run, another)
}

/// Returns a request for it, appended this number of seconds after that day's.
fn late_request(alert: SampleInput, first_seen: i64, seconds: i64) -> SampleRequest {
    let appended_at_ms = request(super::sample_run::alert(9)).appended_at_ms + seconds * 1_000;
    SampleRequest { first_seen, appended_at_ms, ..request(alert) }
}

/// Adds a request with its vector.
fn resolve(run: &mut SampleRun, request: SampleRequest) {
    run.vectors.push((request.number, request.alerts[0].symbol));
    run.requests.push(request);
}

#[test]
fn covered_alert_requires_no_request() {
    let (run, _) = with_another(|alert| alert);
    assert_eq!(findings(run.clone(), Stage::Bridge), (0, 0, 0));
    assert_eq!(audit(run).row(Stage::Bridge).covered, 1);

    let uncovered: [fn(SampleInput) -> SampleInput; 5] = [
        |alert| SampleInput { occurred_at: 9 * DAY_MICROS + 60 * SECOND + 1, ..alert },
        |alert| SampleInput { occurred_at: 9 * DAY_MICROS - 60 * SECOND - 1, ..alert },
        |alert| SampleInput { priority: 8, ..alert },
        |alert| SampleInput { sets: &["price_features", "momentum_features"], ..alert },
        |alert| SampleInput { is_manual: true, ..alert },
    ];
    for change in uncovered {
        let (mut run, another) = with_another(change);
        assert_eq!(findings(run.clone(), Stage::Bridge), (1, 0, 0), "{another:?}");
        resolve(&mut run, late_request(another, another.occurred_at, 20));
        assert_eq!(findings(run, Stage::Bridge), (0, 0, 0), "{another:?}");
    }
}

#[test]
fn request_for_a_covered_alert_is_doubled_unless_expired() {
    let (mut run, another) = with_another(|alert| alert);
    resolve(&mut run, late_request(another, 9 * DAY_MICROS, 20));
    assert_eq!(findings(run, Stage::Bridge), (0, 1, 0));

    let (mut run, another) = with_another(|alert| alert);
    resolve(&mut run, late_request(another, another.occurred_at, 400));
    assert_eq!(findings(run, Stage::Bridge), (0, 0, 0));
}

#[test]
fn alert_after_an_expired_window_opens_the_next() {
    // Half an hour later by the clock, an alert of the same minute requests more: it opens a new window, which covers the next alert.
    let (mut run, more) = with_another(|alert| SampleInput { priority: 8, ..alert });
    let next = SampleInput { number: 31, occurred_at: more.occurred_at + 50 * SECOND, ..more };
    run.alerts.push(next);
    let mut expired = run.clone();
    resolve(&mut run, late_request(more, 9 * DAY_MICROS, 20));
    assert_eq!(findings(run, Stage::Bridge), (1, 0, 0), "the next alert is after the current window");
    resolve(&mut expired, late_request(more, more.occurred_at, 1_800));
    assert_eq!(findings(expired, Stage::Bridge), (0, 0, 0));
}

#[test]
fn held_alert_is_requested_after_a_crash_and_an_urgent_one() {
    // The day's own alert was held when a more urgent one of its window was emitted. After the crash it is redelivered and passes again.
    let (mut run, urgent) = with_another(|alert| SampleInput { priority: 9, ..alert });
    let held = run.requests.pop().unwrap();
    run.vectors.pop();
    resolve(&mut run, late_request(urgent, 9 * DAY_MICROS, 20));
    assert_eq!(findings(run.clone(), Stage::Bridge), (1, 0, 0), "the urgent request does not resolve it");
    resolve(&mut run, SampleRequest { appended_at_ms: held.appended_at_ms + 40_000, ..held });
    assert_eq!(findings(run, Stage::Bridge), (0, 0, 0));
}

#[test]
fn covered_alert_is_not_requested_after_a_crash_and_new_window() {
    let (mut run, covered) = with_another(|alert| alert);
    let newer =
        SampleInput { number: 31, occurred_at: 9 * DAY_MICROS + 200 * SECOND, priority: 9, ..covered };
    run.alerts.push(newer);
    resolve(&mut run, late_request(newer, newer.occurred_at, 21));
    assert_eq!(findings(run.clone(), Stage::Bridge), (0, 0, 0));
    resolve(&mut run, late_request(covered, covered.occurred_at, 22));
    assert_eq!(findings(run, Stage::Bridge), (0, 1, 0));
}

#[test]
fn alert_written_twice_is_two_inputs_and_one_request() {
    let mut run = SampleRun::correct();
    run.alerts.insert(5, alert(4));
    assert_eq!(findings(run.clone(), Stage::Bridge), (0, 0, 0));
    let again = SampleRequest { number: 140, ..request(alert(4)) };
    resolve(&mut run, again);
    assert_eq!(findings(run, Stage::Bridge), (0, 1, 0));
}

#[test]
fn one_id_may_be_of_alerts_of_several_symbols() {
    let mut run = SampleRun::correct();
    let (one, other) =
        (SampleInput { number: 40, ..alert(20) }, SampleInput { number: 40, symbol: "MSFT", ..alert(20) });
    run.alerts.extend([one, other]);
    let both = SampleRequest { alerts: vec![one, other], ..request(one) };
    run.vectors.extend([(both.number, "AAPL"), (both.number, "MSFT")]);
    run.requests.push(both.clone());
    assert_eq!(findings(run.clone(), Stage::Bridge), (0, 0, 0));

    run.requests.push(SampleRequest { number: 141, alerts: vec![one], ..both });
    run.vectors.push((141, "AAPL"));
    assert_eq!(findings(run, Stage::Bridge), (0, 1, 0));
}

#[test]
fn repeated_range_request_ends_with_the_running_or_next_attempt() {
    let minute = 60_000;
    let mut run = SampleRun { manual: vec![(70, 1, 0), (70, 1, 2)], ..SampleRun::correct() };
    run.backfill_ends.push((70, 1, minute));
    assert_eq!(findings(run.clone(), Stage::Executor), (0, 0, 0), "the second arrived while the first ran");

    run.manual[1].2 = 2 * minute;
    assert_eq!(findings(run.clone(), Stage::Executor), (1, 0, 0), "the second arrived afterwards");
    run.backfill_ends.push((70, 2, 3 * minute));
    assert_eq!(findings(run.clone(), Stage::Executor), (0, 0, 0));

    let last = run.backfill_ends.len() - 1;
    run.backfill_ends[last].1 = 1;
    assert_eq!(findings(run.clone(), Stage::Executor), (0, 1, 0), "an attempt ends once");
    run.manual[1].2 = 80 * minute;
    run.backfill_ends[last].2 = 81 * minute;
    assert_eq!(findings(run, Stage::Executor), (0, 0, 0), "after an hour the end is no longer kept");
}

#[test]
fn run_after_a_crash_may_have_as_many_chunks() {
    let mut run = SampleRun::correct();
    run.chunks = vec![(50, 3, 1), (50, 1, 2), (50, 2, 3)];
    assert_eq!(
        findings(run.clone(), Stage::Executor),
        (0, 0, 0),
        "chunks 1 and 2 were created after chunk 3"
    );
    run.chunks = vec![(50, 3, 3), (50, 1, 1), (50, 2, 2)];
    assert_eq!(findings(run, Stage::Executor), (0, 0, 1));
}
