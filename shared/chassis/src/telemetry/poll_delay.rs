//! Poll delay of the async runtime: high if a task blocks its worker threads.

use std::time::Duration;

use metrics::Histogram;
use tokio::time::{Instant, sleep_until};

use crate::telemetry::catalogue::Metric;

pub const POLL_DELAY: Metric = Metric::histogram(
    "chassis_runtime_poll_delay_seconds",
    &[0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0],
    "Delay between the expiry of a timer and the poll of its task.",
);

/// Records the poll delay once per `every`, indefinitely.
pub async fn watch(every: Duration, delays: Histogram) {
    loop {
        let due = Instant::now() + every;
        sleep_until(due).await;
        delays.record(due.elapsed().as_secs_f64());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::RecvTimeoutError;

    use super::*;
    use crate::telemetry::catalogue::Catalogue;
    use crate::telemetry::metrics::Metrics;

    #[tokio::test(flavor = "current_thread")]
    async fn blocked_worker_causes_a_long_poll_delay() {
        let metrics = Metrics::new(&Catalogue::new().with(&[POLL_DELAY])).unwrap();
        let delays = metrics.process_scope().histogram(&POLL_DELAY, &[]);
        let work = async {
            tokio::task::yield_now().await;
            // Blocks the only worker thread: nothing is ever sent on this channel.
            let (_keep, never) = std::sync::mpsc::sync_channel::<()>(0);
            assert_eq!(never.recv_timeout(Duration::from_millis(300)), Err(RecvTimeoutError::Timeout));
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        tokio::select! {
            () = watch(Duration::from_millis(5), delays) => {}
            () = work => {}
        }
        let scrape = metrics.render();
        let count = |bucket: &str| -> u64 {
            let start = format!("chassis_runtime_poll_delay_seconds{bucket} ");
            let line = scrape.lines().find_map(|line| line.strip_prefix(&start));
            line.unwrap_or_else(|| panic!("{start} is missing in\n{scrape}")).parse().unwrap()
        };
        let long = count("_count") - count("_bucket{le=\"0.25\"}");
        assert!(long >= 1, "no delay above 250 ms in\n{scrape}");
    }
}
