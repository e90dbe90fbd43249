//! Latency of vectors.

use super::*;

/// Holds a request that was appended at second 10.
fn hold_appended(bench: &mut Bench, id: &str, day: i8) {
    let record = bench.wire.write(&request(id, day, 5), None).unwrap();
    let verdict = bench.process_stored(StoredRecord::new(&record).appended_at(now(10)), now(11));
    assert!(matches!(verdict, Verdict::Hold), "{verdict:?}");
    bench.tick(now(12));
}

#[test]
fn vector_latency_starts_with_the_append_of_its_request() {
    let mut bench = Bench::new();
    hold_appended(&mut bench, "r", 5);
    let jobs = bench.take_jobs();
    bench.complete(compute(&jobs[0]), now(13));
    assert_eq!(bench.outputs().len(), 1);
    assert_eq!(latency(&bench), ("3".to_owned(), "1".to_owned()));
}

#[test]
fn vector_latency_includes_the_wait_for_earlier_requests() {
    let mut bench = Bench::new();
    hold_appended(&mut bench, "one", 3);
    hold_appended(&mut bench, "two", 5);
    let jobs = bench.take_jobs();
    bench.complete(compute(&jobs[1]), now(13));
    assert_eq!(latency(&bench), ("0".to_owned(), "0".to_owned()), "the vector is not emitted yet");
    bench.complete(compute(&jobs[0]), now(30));
    assert_eq!(bench.outputs().len(), 2);
    assert_eq!(latency(&bench), ("40".to_owned(), "2".to_owned()));
}

#[test]
fn vectors_of_a_revoked_partition_have_no_latency() {
    let mut bench = Bench::new();
    hold_appended(&mut bench, "one", 3);
    hold_appended(&mut bench, "two", 5);
    let jobs = bench.take_jobs();
    bench.complete(compute(&jobs[1]), now(13));
    let own = bench.own_input();
    bench.unassign(&[own]);
    bench.complete(compute(&jobs[0]), now(14));
    assert_eq!(latency(&bench).1, "0");
}

/// Returns the sum and the count of the latencies of ordinary requests.
fn latency(bench: &Bench) -> (String, String) {
    let rendered = bench.metrics.render();
    let value = |part: &str| {
        let series = format!("{}_{part}{{service=\"feature\",lane=\"ordinary\"}} ", REQUEST_TO_VECTOR.name);
        rendered.lines().find_map(|line| line.strip_prefix(&series)).expect("a sample").to_owned()
    };
    (value("sum"), value("count"))
}
