//! A stage without any bars is degraded; the sets of its vectors are counted.

use super::*;

const WITHOUT_BARS: &str = "no bars held: the sets of every vector are unavailable";

impl Bench {
    /// Requests, computes and emits one vector.
    fn compute_one(&mut self, id: &str, day: i8) {
        self.hold(&request(id, day, 5), now(0));
        let jobs = self.take_jobs();
        self.complete(compute(&jobs[0]), now(1));
        assert_eq!(self.outputs().len(), 1);
    }

    fn degraded(&self) -> Option<String> {
        self.health.readiness().degraded.get("feature").and_then(|of| of.get("bars")).cloned()
    }

    pub(super) fn sets(&self, status: &str, reason: &str) -> String {
        let series =
            format!("feature_sets_total{{service=\"feature\",status=\"{status}\",reason=\"{reason}\"}} ");
        let rendered = self.metrics.render();
        rendered.lines().find_map(|line| line.strip_prefix(&series)).unwrap_or("absent").to_owned()
    }
}

#[test]
fn stage_without_any_bars_is_degraded_until_it_has_some() {
    let mut bench = Bench::new();
    bench.tick(now(0));
    assert_eq!(bench.degraded(), None, "the table is not read yet");
    bench.reach(0);
    assert_eq!(bench.degraded().as_deref(), Some(WITHOUT_BARS));
    bench.compute_one("before", 3);
    assert_eq!(
        (bench.sets("unavailable", "no_bars").as_str(), bench.sets("computed", "none").as_str()),
        ("1", "0")
    );

    bench.bars(1..=8);
    bench.reach(8);
    assert_eq!(bench.degraded(), None);
    bench.compute_one("after", 8);
    assert_eq!(bench.degraded(), None);
    assert_eq!(bench.sets("unavailable", "no_bars"), "1");
}

#[test]
fn stage_is_not_degraded_while_a_table_is_read() {
    let mut bench = Bench::new();
    let other = InputPartition { partition: (bench.partition() + 1) % 12, ..bench.own_input() };
    bench.assign(&[other], now(0));
    bench.reach(0);
    assert_eq!(bench.degraded(), None, "the other partition is not read yet");
    bench.stage.table_end(TableScope::CoPartitioned, Topic::BarClosed, other.partition, 2);
    for (position, cause) in [(1, None), (2, Some(WITHOUT_BARS))] {
        bench.stage.table_position(TableScope::CoPartitioned, Topic::BarClosed, other.partition, position);
        bench.tick(now(1));
        assert_eq!(bench.degraded().as_deref(), cause, "position {position}");
    }
}

#[test]
fn stage_without_partitions_is_not_degraded() {
    let mut bench = Bench::new();
    let (own, partition) = (bench.own_input(), bench.partition());
    bench.reach(0);
    assert_eq!(bench.degraded().as_deref(), Some(WITHOUT_BARS));
    bench.unassign(&[own]);
    bench.stage.table_released(Topic::BarClosed, partition);
    assert_eq!(bench.degraded(), None);
    bench.tick(now(2));
    assert_eq!(bench.degraded(), None);
    bench.assign(&[own], now(3));
    bench.tick(now(3));
    assert_eq!(bench.degraded(), None, "the table is read again");
    bench.reach(0);
    assert_eq!(bench.degraded().as_deref(), Some(WITHOUT_BARS));
}

#[test]
fn symbol_without_bars_does_not_degrade_a_stage_that_has_bars() {
    let mut bench = Bench::new();
    bench.bars(8..=8);
    bench.reach(1);
    // The only bar closed after this request.
    bench.compute_one("early", 3);
    assert_eq!(bench.degraded(), None);
    assert_eq!(bench.sets("unavailable", "no_bars"), "1");
}
