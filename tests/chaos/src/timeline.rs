//! Output per second, and the recovery time after each fault.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::Duration;

/// Maximum number of seconds of throughput that are printed for a fault.
const PRINTED_SECONDS_MAX: usize = 40;

/// Committed records of one partition that were read together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutputSample {
    pub partition: i32,
    pub count: u64,
    /// Timestamp of the last record, milliseconds since 1970-01-01 UTC.
    pub appended_ms: u64,
}

/// A fault and its recovery. Times are milliseconds since 1970-01-01 UTC, on the clock of record timestamps.
#[derive(Debug)]
struct Recovery {
    name: String,
    started_ms: u64,
    ended_ms: Option<u64>,
    /// When the first record was read that had been appended after the end of the fault.
    first_output_ms: Option<u64>,
    /// Partitions without a record that had been appended after the start of the fault.
    missing_partitions: BTreeSet<i32>,
    all_partitions_ms: Option<u64>,
    /// The longest time without output since its start.
    gap_ms: u64,
    is_reported: bool,
}

/// The timeline of the last stage's committed output.
#[derive(Debug)]
pub struct Timeline {
    started_ms: u64,
    partitions: BTreeSet<i32>,
    per_second: Vec<u64>,
    last_ms: Option<u64>,
    /// Length and start.
    longest_gap_ms: (u64, u64),
    has_input_ended: bool,
    recoveries: Vec<Recovery>,
}

// === impl Timeline ===

impl Timeline {
    /// Starts now. `partitions` are those with input.
    #[must_use]
    pub fn new(now_ms: u64, partitions: BTreeSet<i32>) -> Self {
        Self {
            started_ms: now_ms,
            partitions,
            per_second: Vec::new(),
            last_ms: None,
            longest_gap_ms: (0, now_ms),
            has_input_ended: false,
            recoveries: Vec::new(),
        }
    }

    /// Records new output.
    pub fn record(&mut self, now_ms: u64, sample: OutputSample) {
        let second = usize::try_from(now_ms.saturating_sub(self.started_ms) / 1_000).unwrap_or(0);
        if self.per_second.len() <= second {
            self.per_second.resize(second + 1, 0);
        }
        self.per_second[second] += sample.count;
        self.close_gap(now_ms);
        let last_ms = self.last_ms.replace(now_ms);
        if let (Some(recovery), false) = (self.recoveries.last_mut(), self.has_input_ended) {
            let since = last_ms.unwrap_or(recovery.started_ms).max(recovery.started_ms);
            recovery.gap_ms = recovery.gap_ms.max(now_ms.saturating_sub(since));
        }
        for recovery in &mut self.recoveries {
            recovery.record(now_ms, sample);
        }
    }

    /// Records the start of a fault.
    pub fn begin(&mut self, now_ms: u64, name: String) {
        self.recoveries.push(Recovery {
            name,
            started_ms: now_ms,
            ended_ms: None,
            first_output_ms: None,
            missing_partitions: self.partitions.clone(),
            all_partitions_ms: None,
            gap_ms: 0,
            is_reported: false,
        });
    }

    /// Records the end of the last fault.
    pub fn end(&mut self, now_ms: u64) {
        if let Some(recovery) = self.recoveries.last_mut() {
            recovery.ended_ms = Some(now_ms);
        }
    }

    /// Returns whether every partition has output after the last fault.
    #[must_use]
    pub fn is_recovered(&self) -> bool {
        self.recoveries.last().is_none_or(Recovery::is_finished)
    }

    /// Records the end of the input: from now on time without output is no gap.
    pub fn end_input(&mut self, now_ms: u64) {
        self.close_gap(now_ms);
        self.has_input_ended = true;
    }

    /// Returns the longest time without output during input.
    #[must_use]
    pub fn longest_gap(&self) -> Duration {
        Duration::from_millis(self.longest_gap_ms.0)
    }

    /// Returns the start of the longest gap, relative to the start of the timeline.
    #[must_use]
    pub fn longest_gap_start(&self) -> Duration {
        Duration::from_millis(self.longest_gap_ms.1.saturating_sub(self.started_ms))
    }

    /// Returns the longest time without output after each fault, until the next one.
    #[must_use]
    pub fn gaps(&self) -> Vec<Duration> {
        self.recoveries.iter().map(|recovery| Duration::from_millis(recovery.gap_ms)).collect()
    }

    /// Returns the time from the start of each fault until every partition had output again, of those that recovered.
    #[must_use]
    pub fn recovery_times(&self) -> Vec<Duration> {
        let recovered = self.recoveries.iter().filter_map(|recovery| {
            Some(Duration::from_millis(recovery.all_partitions_ms?.saturating_sub(recovery.started_ms)))
        });
        recovered.collect()
    }

    /// Returns the count of all records so far.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.per_second.iter().sum()
    }

    /// Returns a line for each fault that has recovered and was not reported yet; at the end also for the others.
    pub fn finished_lines(&mut self, is_end: bool) -> Vec<String> {
        let Self { recoveries, per_second, started_ms, .. } = self;
        let due = recoveries.iter_mut().filter(|it| !it.is_reported && (is_end || it.is_finished()));
        due.map(|recovery| {
            recovery.is_reported = true;
            recovery.line(*started_ms, per_second)
        })
        .collect()
    }

    fn close_gap(&mut self, now_ms: u64) {
        if let Some(last) = self.last_ms.filter(|_| !self.has_input_ended) {
            self.longest_gap_ms = self.longest_gap_ms.max((now_ms.saturating_sub(last), last));
        }
    }
}

// === impl Recovery ===

impl Recovery {
    fn record(&mut self, now_ms: u64, sample: OutputSample) {
        if self.all_partitions_ms.is_none() && sample.appended_ms >= self.started_ms {
            self.missing_partitions.remove(&sample.partition);
            if self.missing_partitions.is_empty() {
                self.all_partitions_ms = Some(now_ms);
            }
        }
        if self.first_output_ms.is_none() && self.ended_ms.is_some_and(|ended| sample.appended_ms >= ended) {
            self.first_output_ms = Some(now_ms);
        }
    }

    fn is_finished(&self) -> bool {
        self.all_partitions_ms.is_some() && self.first_output_ms.is_some()
    }

    fn line(&self, started_ms: u64, per_second: &[u64]) -> String {
        let since = |from: Option<u64>, to: Option<u64>| match (from, to) {
            (Some(from), Some(to)) => format!("{:5.1} s", millis(to.saturating_sub(from))),
            _ => "   none".to_owned(),
        };
        let held = since(Some(self.started_ms), self.ended_ms);
        let first = since(self.ended_ms, self.first_output_ms);
        let all = since(Some(self.started_ms), self.all_partitions_ms);
        let at = self.started_ms.saturating_sub(started_ms);
        let mut line = format!(
            "{:7.1} s  {:44} held {held}, first output after it {first}, all partitions since its begin {all} | vectors/s",
            millis(at),
            self.name
        );
        let begin = usize::try_from(at / 1_000).unwrap_or(0);
        let over =
            self.all_partitions_ms.max(self.first_output_ms).max(self.ended_ms).unwrap_or(self.started_ms);
        let end = usize::try_from(over.saturating_sub(started_ms) / 1_000).unwrap_or(0);
        for count in per_second.iter().take(end + 1).skip(begin).take(PRINTED_SECONDS_MAX) {
            // Writing to a string does not fail.
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

    fn sample(partition: i32, appended_ms: u64) -> OutputSample {
        OutputSample { partition, count: 1, appended_ms }
    }

    #[test]
    fn fault_is_over_once_ended_and_every_partition_has_output() {
        let mut timeline = Timeline::new(0, BTreeSet::from([0, 1]));
        timeline.begin(1_000, "x".to_owned());
        // A record that was appended before the fault and read after its start is no recovery.
        timeline.record(1_100, sample(0, 900));
        timeline.record(1_200, sample(0, 1_150));
        assert!(timeline.finished_lines(false).is_empty());
        timeline.record(4_000, sample(1, 3_900));
        timeline.end(5_000);
        timeline.record(5_500, sample(1, 4_900));
        assert!(!timeline.is_recovered());
        timeline.record(5_700, sample(1, 5_600));
        assert!(timeline.is_recovered());
        let lines = timeline.finished_lines(false);
        assert!(lines[0].contains("held   4.0 s, first output after it   0.7 s"), "{lines:?}");
        assert!(lines[0].contains("since its begin   3.0 s"), "{lines:?}");
        assert!(lines[0].ends_with("vectors/s 2 0 0 1 2"), "{lines:?}");
        assert!(timeline.finished_lines(true).is_empty());
    }

    #[test]
    fn longest_gap_is_counted_until_input_ends() {
        let mut timeline = Timeline::new(0, BTreeSet::from([0]));
        for at in [2_000, 2_500, 6_000] {
            timeline.record(at, sample(0, at));
        }
        assert_eq!(timeline.longest_gap(), Duration::from_millis(3_500));
        assert_eq!(timeline.longest_gap_start(), Duration::from_millis(2_500));
        timeline.end_input(10_000);
        assert_eq!(timeline.longest_gap(), Duration::from_millis(4_000));
        timeline.record(90_000, sample(0, 90_000));
        assert_eq!(timeline.longest_gap(), Duration::from_millis(4_000));
    }

    #[test]
    fn gap_of_a_fault_lasts_until_output() {
        let mut timeline = Timeline::new(0, BTreeSet::from([0]));
        timeline.record(500, sample(0, 500));
        timeline.begin(1_000, "x".to_owned());
        timeline.record(3_000, sample(0, 2_900));
        timeline.record(3_500, sample(0, 3_400));
        timeline.begin(4_000, "y".to_owned());
        timeline.record(4_100, sample(0, 3_900));
        timeline.record(9_000, sample(0, 8_900));
        timeline.end_input(9_000);
        timeline.record(20_000, sample(0, 20_000));
        assert_eq!(timeline.gaps(), [2_000, 4_900].map(Duration::from_millis));
        assert_eq!(timeline.recovery_times(), [2_000, 5_000].map(Duration::from_millis));
    }

    #[test]
    fn fault_without_recovery_is_reported_at_the_end() {
        let mut timeline = Timeline::new(0, BTreeSet::from([0]));
        timeline.begin(1_000, "x".to_owned());
        assert!(timeline.finished_lines(false).is_empty());
        assert!(timeline.finished_lines(true)[0].contains("none"));
    }
}
