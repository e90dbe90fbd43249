//! Status of a run without a known end: redrawn in place on a terminal, otherwise a line every few seconds.

use std::time::Duration;

use devstack::broker::EmbeddedBroker;
use indicatif::ProgressBar;

use super::services::Services;
use crate::exit::Failure;
use crate::market::{DateProgress, TopicFollower};
use crate::output::{PROGRESS_INTERVAL, bar_style, print};

/// Time between two updates on a terminal.
const REDRAW_INTERVAL: Duration = Duration::from_secs(1);

/// Time between two checks for deleted records.
const CHECK_INTERVAL: Duration = Duration::from_secs(5);

/// Warns once when the embedded broker has deleted the first records of a partition. Never returns.
pub(super) async fn warn_of_deleted_records(broker: &EmbeddedBroker, progress: &DateProgress) {
    let mut ticks = tokio::time::interval(CHECK_INTERVAL);
    loop {
        ticks.tick().await;
        let deleted = tokio::task::block_in_place(|| broker.truncated()).unwrap_or_default();
        if let Some(first) = deleted.first() {
            progress.print(&format!(
                "warning: the embedded broker keeps 5 MiB a partition and deleted records: {first}; this run can no longer be \
                 audited completely, and a service that restarts cannot read those records"
            ));
            break;
        }
    }
    std::future::pending::<()>().await;
}

/// The place of the status on the terminal. Dropping it removes the status, so that what is printed afterwards follows the addresses.
#[derive(Debug)]
pub(super) struct StatusDisplay {
    /// Hidden without a terminal.
    bar: ProgressBar,
}

impl StatusDisplay {
    /// Returns a display. It is hidden unless `is_enabled` and both standard streams are terminals.
    pub(super) fn new(is_enabled: bool) -> Self {
        let is_visible = is_enabled && chassis::output::is_terminal();
        let bar = if is_visible { ProgressBar::no_length() } else { ProgressBar::hidden() };
        // Each line is cut at the width of the terminal.
        bar.set_style(bar_style("{wide_msg}\n{prefix}"));
        Self { bar }
    }

    /// Returns the progress over the dates of a run with this display.
    pub(super) fn date_progress(&self) -> DateProgress {
        DateProgress::hidden(self.bar.clone())
    }

    /// Prints to standard output, above the status.
    pub(super) fn print(&self, text: &str) -> Result<(), Failure> {
        self.bar.suspend(|| print(text))
    }
}

impl Drop for StatusDisplay {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// Shows the status if `is_enabled`. Returns only an error of standard output.
pub(super) async fn show(
    is_enabled: bool,
    display: &StatusDisplay,
    follower: TopicFollower,
    progress: &DateProgress,
    services: &Services,
) -> Failure {
    if !is_enabled {
        std::future::pending::<()>().await;
    }
    let is_live = !display.bar.is_hidden();
    let interval = if is_live { REDRAW_INTERVAL } else { PROGRESS_INTERVAL };
    let mut ticks = tokio::time::interval(interval);
    let mut before = Totals::default();
    ticks.tick().await;
    if !is_live && let Err(failure) = print("stages: received/emitted/dropped/rejected/held\n") {
        return failure;
    }
    loop {
        ticks.tick().await;
        let now = Totals::of(&follower, progress, services);
        if is_live {
            display.bar.set_message(now.summary(&before, interval));
            display.bar.set_prefix(now.detail());
        } else if let Err(failure) = print(&format!("{}  {}\n", now.summary(&before, interval), now.stages)) {
            return failure;
        }
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
    rejected: u64,
    held: u64,
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
            rejected: counts.values().map(|stage| stage.rejected).sum(),
            held: counts.values().map(|stage| stage.held).sum(),
            lag: services.lag(),
        }
    }

    /// Returns the totals, in less than 80 columns. Rates are those since `before`, an interval ago.
    fn summary(&self, before: &Self, interval: Duration) -> String {
        let rate = |now: u64, before: u64| now.saturating_sub(before) / interval.as_secs().max(1);
        format!(
            "dates {}/{}  records +{}/s  vectors {} (+{}/s)  lag {}",
            self.dates,
            self.dates_total,
            rate(self.received, before.received),
            self.vectors,
            rate(self.vectors, before.vectors),
            self.lag,
        )
    }

    /// Returns what else is shown on a terminal.
    fn detail(&self) -> String {
        format!("newest {}  rejected {}  held {}", self.newest, self.rejected, self.held)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_fits_80_columns() {
        let before = Totals { vectors: 99_990_000, ..Totals::default() };
        let now = Totals {
            dates: 99_999,
            dates_total: 99_999,
            vectors: 99_999_999,
            newest: "ABCDEFGHIJ (13 sets)".to_owned(),
            received: 999_999,
            rejected: 9_999_999,
            held: 9_999_999,
            lag: 999_999,
            ..Totals::default()
        };
        let lines = [now.summary(&before, REDRAW_INTERVAL), now.detail()];
        assert!(lines.iter().all(|line| line.len() < 80), "{lines:?}");
        assert!(now.summary(&before, PROGRESS_INTERVAL).contains("records +199999/s"));
    }
}
