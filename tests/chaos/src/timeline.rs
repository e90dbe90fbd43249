//! What came out, second by second, and how soon after a fault.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::Duration;

/// Seconds of throughput that are told of a fault at most.
const TOLD_SECONDS: usize = 40;

/// Committed records of one partition that were seen together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// The partition.
    pub partition: i32,
    /// How many.
    pub count: u64,
    /// When the last was appended, milliseconds since 1970-01-01 UTC.
    pub appended_ms: u64,
}

/// A fault and what was seen of its recovery. Times are milliseconds since 1970-01-01 UTC, on the clock that brokers stamp records with.
#[derive(Debug)]
struct Recovery {
    name: String,
    begun_ms: u64,
    ended_ms: Option<u64>,
    /// When the first record was seen that had been appended after the end of the fault.
    first_after_end_ms: Option<u64>,
    /// Partitions of which none was seen yet that had been appended after its begin.
    silent: BTreeSet<i32>,
    all_ms: Option<u64>,
    is_told: bool,
}

/// The time line of the last stage's committed output.
#[derive(Debug)]
pub struct Timeline {
    begun_ms: u64,
    partitions: BTreeSet<i32>,
    per_second: Vec<u64>,
    last_ms: Option<u64>,
    /// Length and begin.
    longest_gap_ms: (u64, u64),
    is_input_over: bool,
    recoveries: Vec<Recovery>,
}

// === impl Timeline ===

impl Timeline {
    /// Begins now. `partitions` are those that get input.
    #[must_use]
    pub fn new(now_ms: u64, partitions: BTreeSet<i32>) -> Self {
        Self {
            begun_ms: now_ms,
            partitions,
            per_second: Vec::new(),
            last_ms: None,
            longest_gap_ms: (0, now_ms),
            is_input_over: false,
            recoveries: Vec::new(),
        }
    }

    /// Takes what was seen.
    pub fn saw(&mut self, now_ms: u64, seen: Seen) {
        let second = usize::try_from(now_ms.saturating_sub(self.begun_ms) / 1_000).unwrap_or(0);
        if self.per_second.len() <= second {
            self.per_second.resize(second + 1, 0);
        }
        self.per_second[second] += seen.count;
        self.close_gap(now_ms);
        self.last_ms = Some(now_ms);
        for recovery in &mut self.recoveries {
            recovery.saw(now_ms, seen);
        }
    }

    /// A fault begins.
    pub fn begin(&mut self, now_ms: u64, name: String) {
        self.recoveries.push(Recovery {
            name,
            begun_ms: now_ms,
            ended_ms: None,
            first_after_end_ms: None,
            silent: self.partitions.clone(),
            all_ms: None,
            is_told: false,
        });
    }

    /// The last fault is mended.
    pub fn end(&mut self, now_ms: u64) {
        if let Some(recovery) = self.recoveries.last_mut() {
            recovery.ended_ms = Some(now_ms);
        }
    }

    /// Whether everything flows again after the last fault.
    #[must_use]
    pub fn is_recovered(&self) -> bool {
        self.recoveries.last().is_none_or(Recovery::is_over)
    }

    /// The input has ended, now or before: silence is no gap any more.
    pub fn input_over(&mut self, now_ms: u64) {
        self.close_gap(now_ms);
        self.is_input_over = true;
    }

    /// The longest time without output while there was input.
    #[must_use]
    pub fn longest_gap(&self) -> Duration {
        Duration::from_millis(self.longest_gap_ms.0)
    }

    /// When that began, since the begin.
    #[must_use]
    pub fn longest_gap_at(&self) -> Duration {
        Duration::from_millis(self.longest_gap_ms.1.saturating_sub(self.begun_ms))
    }

    /// All records so far.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.per_second.iter().sum()
    }

    /// A line for each fault whose recovery is over and wasn't told; at the end, for all others too.
    pub fn news(&mut self, is_end: bool) -> Vec<String> {
        let Self { recoveries, per_second, begun_ms, .. } = self;
        let due = recoveries.iter_mut().filter(|it| !it.is_told && (is_end || it.is_over()));
        due.map(|recovery| {
            recovery.is_told = true;
            recovery.line(*begun_ms, per_second)
        })
        .collect()
    }

    fn close_gap(&mut self, now_ms: u64) {
        if let Some(last) = self.last_ms.filter(|_| !self.is_input_over) {
            self.longest_gap_ms = self.longest_gap_ms.max((now_ms.saturating_sub(last), last));
        }
    }
}

// === impl Recovery ===

impl Recovery {
    fn saw(&mut self, now_ms: u64, seen: Seen) {
        if self.all_ms.is_none() && seen.appended_ms >= self.begun_ms {
            self.silent.remove(&seen.partition);
            if self.silent.is_empty() {
                self.all_ms = Some(now_ms);
            }
        }
        if self.first_after_end_ms.is_none() && self.ended_ms.is_some_and(|ended| seen.appended_ms >= ended) {
            self.first_after_end_ms = Some(now_ms);
        }
    }

    fn is_over(&self) -> bool {
        self.all_ms.is_some() && self.first_after_end_ms.is_some()
    }

    fn line(&self, begun_ms: u64, per_second: &[u64]) -> String {
        let since = |from: Option<u64>, to: Option<u64>| match (from, to) {
            (Some(from), Some(to)) => format!("{:5.1} s", millis(to.saturating_sub(from))),
            _ => "   none".to_owned(),
        };
        let held = since(Some(self.begun_ms), self.ended_ms);
        let first = since(self.ended_ms, self.first_after_end_ms);
        let all = since(Some(self.begun_ms), self.all_ms);
        let at = self.begun_ms.saturating_sub(begun_ms);
        let mut line = format!(
            "{:7.1} s  {:44} held {held}, first output after it {first}, all partitions since its begin {all} | vectors/s",
            millis(at),
            self.name
        );
        let begin = usize::try_from(at / 1_000).unwrap_or(0);
        let over = self.all_ms.max(self.first_after_end_ms).max(self.ended_ms).unwrap_or(self.begun_ms);
        let end = usize::try_from(over.saturating_sub(begun_ms) / 1_000).unwrap_or(0);
        for count in per_second.iter().take(end + 1).skip(begin).take(TOLD_SECONDS) {
            // Writing to a string doesn't fail.
            write!(line, " {count}").ok();
        }
        line
    }
}

fn millis(ms: u64) -> f64 {
    Duration::from_millis(ms).as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(partition: i32, appended_ms: u64) -> Seen {
        Seen { partition, count: 1, appended_ms }
    }

    #[test]
    fn a_fault_is_over_when_it_is_mended_and_every_partition_has_output_again() {
        let mut timeline = Timeline::new(0, BTreeSet::from([0, 1]));
        timeline.begin(1_000, "x".to_owned());
        // What was appended before the fault and is seen after it recovers nothing.
        timeline.saw(1_100, seen(0, 900));
        timeline.saw(1_200, seen(0, 1_150));
        assert!(timeline.news(false).is_empty());
        timeline.saw(4_000, seen(1, 3_900));
        timeline.end(5_000);
        timeline.saw(5_500, seen(1, 4_900));
        assert!(!timeline.is_recovered());
        timeline.saw(5_700, seen(1, 5_600));
        assert!(timeline.is_recovered());
        let news = timeline.news(false);
        assert!(news[0].contains("held   4.0 s, first output after it   0.7 s"), "{news:?}");
        assert!(news[0].contains("since its begin   3.0 s"), "{news:?}");
        assert!(news[0].ends_with("vectors/s 2 0 0 1 2"), "{news:?}");
        assert!(timeline.news(true).is_empty());
    }

    #[test]
    fn the_longest_gap_counts_until_the_input_ends() {
        let mut timeline = Timeline::new(0, BTreeSet::from([0]));
        for at in [2_000, 2_500, 6_000] {
            timeline.saw(at, seen(0, at));
        }
        assert_eq!(timeline.longest_gap(), Duration::from_millis(3_500));
        assert_eq!(timeline.longest_gap_at(), Duration::from_millis(2_500));
        timeline.input_over(10_000);
        assert_eq!(timeline.longest_gap(), Duration::from_millis(4_000));
        timeline.saw(90_000, seen(0, 90_000));
        assert_eq!(timeline.longest_gap(), Duration::from_millis(4_000));
    }

    #[test]
    fn a_fault_without_recovery_is_told_at_the_end() {
        let mut timeline = Timeline::new(0, BTreeSet::from([0]));
        timeline.begin(1_000, "x".to_owned());
        assert!(timeline.news(false).is_empty());
        assert!(timeline.news(true)[0].contains("none"));
    }
}
