//! The report of `tapeline verify`, as text and as JSON.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use contracts::Topic;
use serde::Serialize;

use super::offset_gaps::OffsetGap;
use super::snapshot::Snapshot;
use crate::audit::{AuditResult, Stage, Tally};
use crate::output::{escaped, peak_rss_mib};

/// The row of one stage.
#[derive(Debug, Clone, Copy, Serialize)]
struct StageRow {
    #[serde(flatten)]
    tally: Tally,
    /// Partitions whose committed offset does not fit.
    gaps: u64,
    /// Output records of aborted transactions, which committed readers do not see.
    aborted: u64,
}

#[derive(Debug, Serialize)]
pub(super) struct VerifyReport {
    /// Nothing is lost, doubled or reordered, and every committed offset fits.
    pub(super) ok: bool,
    /// Every group has processed every record.
    at_rest: bool,
    lost: u64,
    doubled: u64,
    reordered: u64,
    gaps: u64,
    aborted: u64,
    stages: BTreeMap<Stage, StageRow>,
    gap_list: Vec<OffsetGap>,
    examples: Vec<String>,
    notes: Vec<String>,
    /// Committed records read, by topic.
    records: BTreeMap<&'static str, u64>,
    duration_s: f64,
    peak_rss_mib: u64,
}

impl VerifyReport {
    pub(super) fn new(snapshot: &Snapshot, audited: &AuditResult, duration: Duration) -> Self {
        let row = |stage: Stage| StageRow {
            tally: audited.row(stage),
            gaps: snapshot.gaps.iter().filter(|gap| gap.stage == stage).count() as u64,
            aborted: written_by(stage).map(|topic| aborted(snapshot, topic)).sum(),
        };
        let stages: BTreeMap<Stage, StageRow> =
            Stage::ALL.into_iter().map(|stage| (stage, row(stage))).collect();
        let (lost, doubled, reordered) = audited.totals();
        let gaps = snapshot.gaps.len() as u64;
        let at_rest = snapshot.gaps.iter().all(|gap| gap.records == 0);
        let mut notes = snapshot.notes.clone();
        if !at_rest {
            notes.push("groups lag: unprocessed records are counted as lost, verify at rest".to_owned());
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
            gap_list: snapshot.gaps.clone(),
            examples: audited.examples.clone(),
            notes,
            records: snapshot.committed.iter().map(|(topic, records)| (topic.name(), *records)).collect(),
            duration_s: duration.as_secs_f64(),
            peak_rss_mib: peak_rss_mib(),
        }
    }
}

/// Returns the output topics of a stage and the dead-letter topic of its service. That of the backfill service counts for the executor.
fn written_by(stage: Stage) -> impl Iterator<Item = Topic> {
    let dead_letters = match stage {
        Stage::Announcer => Some(Topic::PublisherDeadLetter),
        Stage::Bridge => Some(Topic::ScannerBridgeDeadLetter),
        Stage::Feature => Some(Topic::FeatureDeadLetter),
        Stage::Planner => None,
        Stage::Executor => Some(Topic::BackfillDeadLetter),
    };
    stage.outputs().iter().copied().chain(dead_letters)
}

fn aborted(snapshot: &Snapshot, topic: Topic) -> u64 {
    let of = |counts: &BTreeMap<Topic, u64>| counts.get(&topic).copied().unwrap_or(0);
    of(&snapshot.with_aborted).saturating_sub(of(&snapshot.committed))
}

/// Characters of an example or note, which names ids that others wrote.
const LINE_CHARACTERS_MAX: usize = 500;

/// The columns of the table, after the stage.
const COLUMNS: [&str; 10] = [
    "inputs",
    "expected",
    "found",
    "covered",
    "dead_letters",
    "lost",
    "doubled",
    "reordered",
    "gaps",
    "aborted",
];

fn width(column: &str) -> usize {
    column.len().max(8) + 2
}

impl fmt::Display for VerifyReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<10}", "stage")?;
        COLUMNS.iter().try_for_each(|name| write!(f, "{name:>width$}", width = width(name)))?;
        writeln!(f)?;
        for (stage, StageRow { tally, gaps, aborted }) in &self.stages {
            write!(f, "{:<10}", stage.name())?;
            let Tally { inputs, expected, found, covered, dead_letters, lost, doubled, reordered } = *tally;
            let cells =
                [inputs, expected, found, covered, dead_letters, lost, doubled, reordered, *gaps, *aborted];
            for (name, cell) in COLUMNS.iter().zip(cells) {
                write!(f, "{cell:>width$}", width = width(name))?;
            }
            writeln!(f)?;
        }
        let gaps = self.gap_list.iter().map(ToString::to_string);
        for line in self.examples.iter().cloned().chain(gaps).chain(self.notes.iter().cloned()) {
            writeln!(f, "  {}", escaped(&line, LINE_CHARACTERS_MAX))?;
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
