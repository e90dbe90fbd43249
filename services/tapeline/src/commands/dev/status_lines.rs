//! Status of a run without a known end: a line a second.

use std::time::Duration;

use devstack::broker::EmbeddedBroker;

use super::services::Services;
use crate::market::{DateProgress, TopicFollower};
use crate::output::print;

/// Time between two lines.
const LINE_INTERVAL: Duration = Duration::from_secs(1);

/// Time between two checks for deleted records.
const CHECK_INTERVAL: Duration = Duration::from_secs(5);

/// Warns once when the embedded broker has deleted the first records of a partition. Never returns.
pub(super) async fn warn_of_deleted_records(broker: &EmbeddedBroker) {
    let mut ticks = tokio::time::interval(CHECK_INTERVAL);
    loop {
        ticks.tick().await;
        let deleted = tokio::task::block_in_place(|| broker.truncated()).unwrap_or_default();
        if let Some(first) = deleted.first() {
            eprintln!(
                "warning: the embedded broker keeps 5 MiB a partition and deleted records: {first}; this run can no longer be \
                 audited completely, and a service that restarts cannot read those records"
            );
            break;
        }
    }
    std::future::pending::<()>().await;
}

/// Prints status lines if `is_enabled`. Never returns.
pub(super) async fn print_lines(
    is_enabled: bool,
    follower: TopicFollower,
    progress: &DateProgress,
    services: &Services,
) {
    if !is_enabled {
        std::future::pending::<()>().await;
    }
    let mut ticks = tokio::time::interval(LINE_INTERVAL);
    let mut before = Totals::default();
    ticks.tick().await;
    print("stages: received/emitted/dropped/rejected/held\n");
    loop {
        ticks.tick().await;
        let now = Totals::of(&follower, progress, services);
        print(&now.line(&before));
        before = now;
    }
}

#[derive(Default)]
struct Totals {
    dates: u64,
    dates_total: u64,
    vectors: u64,
    newest: String,
    stages: String,
    received: u64,
    lag: u64,
}

impl Totals {
    fn of(follower: &TopicFollower, progress: &DateProgress, services: &Services) -> Self {
        let (dates, dates_total) = progress.dates();
        let (vectors, newest) = follower.with(|tracker| (tracker.vectors, tracker.newest.clone()));
        let counts = services.counts();
        let stages = counts.iter().map(|(name, stage)| {
            let dropped: u64 = stage.dropped.values().sum();
            let (received, emitted) = (stage.received, stage.emitted);
            format!("{name} {received}/{emitted}/{dropped}/{}/{}", stage.rejected, stage.held)
        });
        Self {
            dates,
            dates_total,
            vectors,
            newest: newest.map_or("-".to_owned(), |(symbol, sets)| format!("{symbol} ({sets} sets)")),
            stages: stages.collect::<Vec<_>>().join("  "),
            received: counts.values().map(|stage| stage.received).sum(),
            lag: services.lag(),
        }
    }

    /// Returns the status line. Rates are those since `before`.
    fn line(&self, before: &Self) -> String {
        format!(
            "dates {}/{} (+{})  records +{}/s  vectors {} (+{}/s)  newest {}  lag {}  {}\n",
            self.dates,
            self.dates_total,
            self.dates - before.dates.min(self.dates),
            self.received - before.received.min(self.received),
            self.vectors,
            self.vectors - before.vectors.min(self.vectors),
            self.newest,
            self.lag,
            self.stages,
        )
    }
}
