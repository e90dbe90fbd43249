//! A line a second about a run that has no end in sight.

use std::time::Duration;

use devstack::broker::EmbeddedBroker;

use super::services::Services;
use crate::follow::Follower;
use crate::run::Show;

/// How often a line is printed.
const EVERY: Duration = Duration::from_secs(1);

/// How often the embedded broker is asked whether it has lost records.
const ASK_BROKER_EVERY: Duration = Duration::from_secs(5);

/// Warns, once, when the embedded broker has dropped the beginning of a partition; then waits to be dropped.
pub(super) async fn warn_of_loss(broker: &EmbeddedBroker) {
    let mut ticks = tokio::time::interval(ASK_BROKER_EVERY);
    loop {
        ticks.tick().await;
        let forgotten = tokio::task::block_in_place(|| broker.forgotten()).unwrap_or_default();
        if let Some(first) = forgotten.first() {
            eprintln!(
                "warning: the embedded broker keeps 5 MiB a partition; {first}. \
                 This run can't be counted as a whole any more, and a service that restarts won't find those records"
            );
            break;
        }
    }
    std::future::pending::<()>().await;
}

/// Prints until it is dropped; silent when the run shows itself otherwise.
pub(super) async fn tell(is_live: bool, follower: Follower, show: &Show, services: &Services) {
    if !is_live {
        std::future::pending::<()>().await;
    }
    let mut ticks = tokio::time::interval(EVERY);
    let mut before = Totals::default();
    ticks.tick().await;
    println!("of each stage: received/emitted/dropped/rejected/held");
    loop {
        ticks.tick().await;
        let now = Totals::of(&follower, show, services);
        println!("{}", now.line(&before));
        before = now;
    }
}

#[derive(Default)]
struct Totals {
    dates: u64,
    dates_in_all: u64,
    vectors: u64,
    newest: String,
    stages: String,
    received: u64,
    lag: u64,
}

impl Totals {
    fn of(follower: &Follower, show: &Show, services: &Services) -> Self {
        let (dates, dates_in_all) = show.dates();
        let (vectors, newest) = follower.look(|flow| (flow.vectors, flow.newest.clone()));
        let counts = services.counts();
        let stages = counts.iter().map(|(name, stage)| {
            let dropped: u64 = stage.dropped.values().sum();
            let (received, emitted) = (stage.received, stage.emitted);
            format!("{name} {received}/{emitted}/{dropped}/{}/{}", stage.rejected, stage.held)
        });
        Self {
            dates,
            dates_in_all,
            vectors,
            newest: newest.map_or("-".to_owned(), |(symbol, sets)| format!("{symbol} ({sets} sets)")),
            stages: stages.collect::<Vec<_>>().join("  "),
            received: counts.values().map(|stage| stage.received).sum(),
            lag: services.lag(),
        }
    }

    /// Rates are those of the last second; each stage's numbers are received/emitted/dropped/rejected/held.
    fn line(&self, before: &Self) -> String {
        format!(
            "dates {}/{} (+{})  records +{}/s  vectors {} (+{}/s)  newest {}  lag {}  {}",
            self.dates,
            self.dates_in_all,
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
