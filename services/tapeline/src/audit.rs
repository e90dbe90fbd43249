//! Counts what a run lost, doubled and reordered, stage by stage, from the topics alone.
//!
//! It knows the rules of the domain (which alert passes the dedup window, what a request owes, how a backfill ends) and nothing of the
//! services: none of their counters, none of their state. Pure: records in, counts out; reading the topics is others' task. Start at
//! [`Seen`], what is kept of the records, then [`count`].
//!
//! What is counted is sound under crashes, rebalances and aborts, of which the modules tell; where the topics can't tell a fault from
//! what a crash may do, they say so.

mod executor;
mod feature;
mod id;
#[path = "audit/collector.rs"]
mod intake;
#[path = "audit/order_check.rs"]
mod order;
mod planner;
#[path = "audit/records.rs"]
mod seen;
#[path = "audit/result.rs"]
mod tally;
#[path = "audit/dedup_window.rs"]
mod window;
#[path = "audit/windowed_stages.rs"]
mod windowed;

#[cfg(test)]
mod tests;

pub use id::Id;
pub use intake::Intake;
pub use seen::{
    Answer, Answers, Ask, End, EndKind, Fact, Letters, Member, Naming, Place, Progress, RangeAsked, Seen,
    Subject, Terminal,
};
pub use tally::{Count, Stage, Tally};

use contracts::Topic;

/// The dedup windows in force, microseconds: configuration of the services.
#[derive(Debug, Clone, Copy)]
pub struct Windows {
    /// The bridge's.
    pub alerts_micros: i64,
    /// The announcer's.
    pub announcements_micros: i64,
}

impl Default for Windows {
    fn default() -> Self {
        Self { alerts_micros: 60_000_000, announcements_micros: 86_400_000_000 }
    }
}

/// Counts a run's records.
#[must_use]
pub fn count(seen: &mut Seen, windows: Windows) -> Count {
    let mut count = Count::default();
    seen.sort();
    letters(seen, &mut count);
    let announced = windowed::Judging {
        stage: Stage::Announcer,
        window_micros: windows.announcements_micros,
        asks: &seen.proposals,
        answers: &seen.announcements,
        letters: &seen.letters,
        is_truncated: seen.truncated.contains(&Topic::SymbolProposed),
    };
    announced.count(&mut count);
    let bridged = windowed::Judging {
        stage: Stage::Bridge,
        window_micros: windows.alerts_micros,
        asks: &seen.alerts,
        answers: &seen.requests,
        letters: &seen.letters,
        is_truncated: seen.truncated.contains(&Topic::AlertRaised),
    };
    let answered = bridged.count(&mut count);
    feature::count(seen, &mut count);
    planner::count(seen, &mut count);
    executor::count(seen, &mut count);
    count.latencies_ms = feature::latencies_ms(seen, &answered);
    count
}

/// Inputs that hold no valid event end as dead letters, and no input dies twice.
fn letters(seen: &Seen, count: &mut Count) {
    for (place, times) in &seen.letters {
        let Some(stage) = Stage::of_input(place.topic) else { continue };
        count.of(stage).dead_letters += 1;
        if *times > 1 {
            count.doubled(stage, u64::from(times - 1), || format!("{place} is in {times} dead letters"));
        }
    }
    for place in &seen.unreadable {
        let Some(stage) = Stage::of_input(place.topic) else { continue };
        count.of(stage).inputs += 1;
        if !seen.letters.contains_key(place) {
            count.of(stage).expected += 1;
            count.lost(stage, || format!("{place} holds no valid event and is in no dead letter"));
        }
    }
}
