//! Bars that are written again with equal values, such as those of sessions that are fetched again.

use super::*;
use crate::metric_names::BAR_TABLE_BYTES;

impl Bench {
    /// Computes the vector of a request.
    fn vector(&mut self, id: &str, second: u64) -> Vector {
        self.hold(&request(id, 5, 5), now(second));
        let jobs = self.take_jobs();
        self.complete(compute(&jobs[0]), now(second));
        let outputs = self.outputs();
        self.decode(&outputs[0])
    }
}

#[test]
fn bars_written_again_with_equal_values_change_nothing() {
    let mut bench = Bench::new();
    bench.bars(1..=5);
    let before = bench.vector("before", 0);
    let held = (bench.closes(), bench.note(BAR_TABLE_BYTES.name));
    bench.bars(1..=5);
    bench.tick(now(1));
    assert!(bench.take_jobs().is_empty() && bench.outputs().is_empty(), "no vector without a request");
    assert_eq!((bench.closes(), bench.note(BAR_TABLE_BYTES.name)), held);
    // After the dedup window.
    let after = bench.vector("after", 100);
    assert_eq!((after.as_of, after.bars_held, after.sets), (before.as_of, before.bars_held, before.sets));
}
