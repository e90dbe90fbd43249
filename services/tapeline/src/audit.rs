//! The loss audit: counts lost, doubled and reordered records of each stage, from the topics alone.
//!
//! It follows the rules of the domain (which alert passes the dedup window, which outputs a request requires, how a backfill ends), and
//! shares neither counters nor state with the services. Pure: records in, counts out; the callers read the topics.
//! [`RecordCollector`] keeps of each record what the audit needs ([`AuditRecords`]), [`count`] counts.
//!
//! The counts are correct under crashes, rebalances and aborted transactions; the modules describe how. Where the topics cannot
//! distinguish an error from a permitted effect of a crash, the modules document it.

mod collector;
mod dedup_window;
mod executor;
mod feature;
mod id;
mod order_check;
mod planner;
mod records;
mod result;
mod stage;
mod windowed_stages;

#[cfg(test)]
mod tests;

pub use self::collector::RecordCollector;
pub use self::id::Id;
pub use self::records::AuditRecords;
pub use self::result::{AuditResult, Tally};
pub use self::stage::Stage;

use contracts::Topic;

use self::windowed_stages::WindowedStage;

/// The configured dedup windows of the services, microseconds.
#[derive(Debug, Clone, Copy)]
pub struct DedupWindows {
    /// Of the bridge.
    pub alerts_micros: i64,
    /// Of the announcer.
    pub announcements_micros: i64,
}

impl Default for DedupWindows {
    fn default() -> Self {
        Self { alerts_micros: 60_000_000, announcements_micros: 86_400_000_000 }
    }
}

/// Counts the records of a run.
#[must_use]
pub fn count(records: &mut AuditRecords, windows: DedupWindows) -> AuditResult {
    let mut result = AuditResult::default();
    records.sort();
    count_dead_letters(records, &mut result);
    let announcer = WindowedStage {
        stage: Stage::Announcer,
        window_micros: windows.announcements_micros,
        inputs: &records.proposals,
        outputs: &records.announcements,
        dead_letters: &records.dead_letters,
        is_truncated: records.truncated.contains(&Topic::SymbolProposed),
    };
    announcer.count(&mut result);
    let bridge = WindowedStage {
        stage: Stage::Bridge,
        window_micros: windows.alerts_micros,
        inputs: &records.alerts,
        outputs: &records.requests,
        dead_letters: &records.dead_letters,
        is_truncated: records.truncated.contains(&Topic::AlertRaised),
    };
    let requested = bridge.count(&mut result);
    feature::count(records, &mut result);
    planner::count(records, &mut result);
    executor::count(records, &mut result);
    result.latencies_ms = feature::latencies_ms(records, &requested);
    result
}

/// Invalid inputs must be dead-lettered, and no input twice.
fn count_dead_letters(records: &AuditRecords, result: &mut AuditResult) {
    for (position, times) in &records.dead_letters {
        let Some(stage) = Stage::of_input(position.topic) else { continue };
        result.tally(stage).dead_letters += 1;
        if *times > 1 {
            result.doubled(stage, u64::from(times - 1), || format!("{position} has {times} dead letters"));
        }
    }
    for position in &records.invalid_inputs {
        let Some(stage) = Stage::of_input(position.topic) else { continue };
        result.tally(stage).inputs += 1;
        if !records.dead_letters.contains_key(position) {
            result.tally(stage).expected += 1;
            result.lost(stage, || format!("{position} is invalid and has no dead letter"));
        }
    }
}
