//! Vectors without bars: they are counted, and a stage without any bars is degraded.

use super::*;

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

    fn sets(&self, status: &str, reason: &str) -> String {
        let series =
            format!("feature_sets_total{{service=\"feature\",status=\"{status}\",reason=\"{reason}\"}} ");
        let rendered = self.metrics.render();
        rendered.lines().find_map(|line| line.strip_prefix(&series)).unwrap_or("absent").to_owned()
    }
}

#[test]
fn stage_without_any_bars_is_degraded_until_it_has_some() {
    let mut bench = Bench::new();
    assert_eq!(bench.degraded(), None);
    bench.compute_one("before", 3);
    let cause = "no bars held: the sets of every vector are unavailable";
    assert_eq!(bench.degraded().as_deref(), Some(cause));
    assert_eq!(
        (bench.sets("unavailable", "no_bars").as_str(), bench.sets("computed", "none").as_str()),
        ("1", "0")
    );

    bench.bars(1..=8);
    bench.tick(now(2));
    assert_eq!(bench.degraded(), None);
    bench.compute_one("after", 8);
    assert_eq!(bench.degraded(), None);
    assert_eq!(bench.sets("unavailable", "no_bars"), "1");
}

#[test]
fn symbol_without_bars_does_not_degrade_a_stage_that_has_bars() {
    let mut bench = Bench::new();
    bench.bars(8..=8);
    // The only bar closed after this request.
    bench.compute_one("early", 3);
    assert_eq!(bench.degraded(), None);
    assert_eq!(bench.sets("unavailable", "no_bars"), "1");
}
