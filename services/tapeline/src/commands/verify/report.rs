//! The report, for people and as JSON.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use contracts::Topic;
use serde::Serialize;

use super::gaps::Gap;
use super::read::Read;
use crate::audit::{Count, Stage, Tally};
use crate::exit::Failure;
use crate::report::peak_rss_mib;

/// One stage.
#[derive(Debug, Clone, Copy, Serialize)]
struct Row {
    #[serde(flatten)]
    tally: Tally,
    /// Partitions whose committed offset doesn't fit.
    gaps: u64,
    /// Records of its outputs that aborted transactions left; no committed reader is shown them.
    aborted: u64,
}

/// The whole report.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    /// Nothing lost, doubled, reordered or short in any stage.
    pub(super) ok: bool,
    /// Every group has passed every record.
    at_rest: bool,
    lost: u64,
    doubled: u64,
    reordered: u64,
    gaps: u64,
    aborted: u64,
    stages: BTreeMap<Stage, Row>,
    gap_list: Vec<Gap>,
    examples: Vec<String>,
    notes: Vec<String>,
    /// Committed records read, by topic.
    records: BTreeMap<&'static str, u64>,
    duration_s: f64,
    peak_rss_mib: u64,
}

impl Report {
    pub(super) fn new(read: &Read, count: &Count, duration: Duration) -> Self {
        let row = |stage: Stage| Row {
            tally: count.row(stage),
            gaps: read.gaps.iter().filter(|gap| gap.stage == stage).count() as u64,
            aborted: written_by(stage).map(|topic| aborted(read, topic)).sum(),
        };
        let stages: BTreeMap<Stage, Row> = Stage::ALL.into_iter().map(|stage| (stage, row(stage))).collect();
        let (lost, doubled, reordered) = count.faults();
        let gaps = read.gaps.len() as u64;
        let at_rest = read.gaps.iter().all(|gap| gap.records == 0);
        let mut notes = read.notes.clone();
        if !at_rest {
            notes.push(
                "groups still lag: what they haven't passed is counted as lost; verify at rest".to_owned(),
            );
        }
        Self {
            ok: (lost, doubled, reordered, gaps) == (0, 0, 0, 0),
            at_rest,
            lost,
            doubled,
            reordered,
            gaps,
            aborted: stages.values().map(|row| row.aborted).sum(),
            stages,
            gap_list: read.gaps.clone(),
            examples: count.examples.clone(),
            notes,
            records: read.records.iter().map(|(topic, records)| (topic.name(), *records)).collect(),
            duration_s: duration.as_secs_f64(),
            peak_rss_mib: peak_rss_mib(),
        }
    }

    /// As one JSON object.
    pub(super) fn json(&self) -> Result<String, Failure> {
        let text = serde_json::to_string_pretty(self).map_err(|e| Failure::NotOk(e.to_string()))?;
        Ok(text + "\n")
    }
}

/// The topics that count as a stage's, its service's dead letters among them. The backfill service's are the executor's.
fn written_by(stage: Stage) -> impl Iterator<Item = Topic> {
    let letters = match stage {
        Stage::Announcer => Some(Topic::PublisherDeadLetter),
        Stage::Bridge => Some(Topic::ScannerBridgeDeadLetter),
        Stage::Feature => Some(Topic::FeatureDeadLetter),
        Stage::Planner => None,
        Stage::Executor => Some(Topic::BackfillDeadLetter),
    };
    stage.outputs().iter().copied().chain(letters)
}

fn aborted(read: &Read, topic: Topic) -> u64 {
    let of = |counts: &BTreeMap<Topic, u64>| counts.get(&topic).copied().unwrap_or(0);
    of(&read.with_aborted).saturating_sub(of(&read.records))
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = [
            "inputs",
            "expected",
            "found",
            "covered",
            "letters",
            "lost",
            "doubled",
            "reordered",
            "gaps",
            "aborted",
        ];
        write!(f, "{:<10}", "stage")?;
        head.iter().try_for_each(|name| write!(f, "{name:>10}"))?;
        writeln!(f)?;
        for (stage, Row { tally, gaps, aborted }) in &self.stages {
            write!(f, "{:<10}", stage.name())?;
            let Tally { inputs, expected, found, covered, dead_letters, lost, doubled, reordered } = *tally;
            let cells =
                [inputs, expected, found, covered, dead_letters, lost, doubled, reordered, *gaps, *aborted];
            cells.iter().try_for_each(|cell| write!(f, "{cell:>10}"))?;
            writeln!(f)?;
        }
        let gaps = self.gap_list.iter().map(ToString::to_string);
        for line in self.examples.iter().cloned().chain(gaps).chain(self.notes.iter().cloned()) {
            writeln!(f, "  {line}")?;
        }
        let Self { lost, doubled, reordered, gaps, aborted, duration_s, peak_rss_mib, .. } = self;
        let records: u64 = self.records.values().sum();
        writeln!(
            f,
            "verify: {}: lost {lost} doubled {doubled} reordered {reordered} gaps {gaps} of {records} records, aborted {aborted}; {duration_s:.1} s, {peak_rss_mib} MiB",
            if self.ok { "ok" } else { "NOT OK" }
        )
    }
}
