//! Latency of vectors.

use super::*;

#[test]
fn vector_latency_starts_with_the_append_of_its_request() {
    let mut bench = Bench::new();
    let record = bench.wire.write(&request("r", 5, 5), None).unwrap();
    let verdict = bench.process_stored(StoredRecord::new(&record).appended_at(now(10)), now(11));
    assert!(matches!(verdict, Verdict::Hold), "{verdict:?}");
    bench.tick(now(12));
    let jobs = bench.take_jobs();
    bench.complete(compute(&jobs[0]), now(13));
    assert_eq!(bench.outputs().len(), 1);
    let rendered = bench.metrics.render();
    for line in [
        "tapeline_request_to_vector_seconds_sum{service=\"feature\",lane=\"ordinary\"} 3",
        "tapeline_request_to_vector_seconds_count{service=\"feature\",lane=\"ordinary\"} 1",
    ] {
        assert!(rendered.lines().any(|it| it == line), "{line} is missing in\n{rendered}");
    }
}
