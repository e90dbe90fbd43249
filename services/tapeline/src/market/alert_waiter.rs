//! Waits until each posted alert has its vectors, its failure, or its place among the dropped.

use std::sync::Arc;
use std::time::{Duration, Instant};

use contracts::Topic;
use kafka_io::{GroupQuery, QueryError};

use crate::exit::Failure;
use crate::flow::{Place, Progress};
use crate::follow::Follower;

/// How long to wait for news before looking at the bridge's offsets.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Without any movement for this long something is stuck.
const PATIENCE: Duration = Duration::from_secs(30);

/// Waits for alerts on one cluster.
pub struct Settler {
    follower: Follower,
    bridge: Arc<GroupQuery>,
    partitions: i32,
}

impl Settler {
    /// A settler that reads the bridge's offsets through `bridge`.
    #[must_use]
    pub fn new(follower: Follower, bridge: GroupQuery, partitions: i32) -> Self {
        Self { follower, bridge: Arc::new(bridge), partitions }
    }

    /// Returns when all of them have come to their end.
    ///
    /// # Errors
    /// When nothing moves for half a minute, with the first alert that is stuck; when the cluster can't be asked.
    pub async fn settle(&mut self, mut open: Vec<Place>) -> Result<(), Failure> {
        let mut moved_at = Instant::now();
        loop {
            let before = open.len();
            self.follower.look(|flow| {
                open.retain(|place| {
                    let is_open = flow.progress(*place) != Progress::Ended;
                    if !is_open {
                        flow.forget(*place);
                    }
                    is_open
                });
            });
            if open.is_empty() {
                return Ok(());
            }
            if open.len() < before {
                moved_at = Instant::now();
            }
            self.follower.news(LOOK_EVERY).await;
            self.drop_covered(&mut open).await?;
            if moved_at.elapsed() > PATIENCE {
                return Err(stuck(&open, &self.follower));
            }
        }
    }

    /// Takes out the alerts that the bridge has finished with and that are in no request: a window covers them, or they are
    /// dead letters.
    async fn drop_covered(&mut self, open: &mut Vec<Place>) -> Result<(), Failure> {
        let progress = |follower: &Follower, place: Place| follower.look(|flow| flow.progress(place));
        let waiting = |place: &Place, follower: &Follower| {
            matches!(progress(follower, *place), Progress::NotAsked | Progress::Unread)
        };
        if !open.iter().any(|place| waiting(place, &self.follower)) {
            return Ok(());
        }
        let finished = self.bridge_offsets().await?;
        let is_finished = |(partition, offset): &Place| {
            finished.iter().any(|(p, committed)| p == partition && committed.is_some_and(|c| c > *offset))
        };
        let candidates: Vec<Place> =
            open.iter().copied().filter(|p| is_finished(p) && waiting(p, &self.follower)).collect();
        if candidates.is_empty() {
            return Ok(());
        }
        // Requests are acknowledged before the bridge's offset moves: what isn't in one after reading on never will be.
        if !self.follower.sync().await {
            return Err(Failure::Unreachable("the follower of the run has ended".to_owned()));
        }
        let covered: Vec<Place> = candidates.into_iter().filter(|p| waiting(p, &self.follower)).collect();
        self.follower.look(|flow| covered.iter().for_each(|place| flow.forget(*place)));
        open.retain(|place| !covered.contains(place));
        Ok(())
    }

    async fn bridge_offsets(&self) -> Result<Vec<(i32, Option<i64>)>, Failure> {
        let (bridge, partitions) = (Arc::clone(&self.bridge), self.partitions);
        let asked =
            tokio::task::spawn_blocking(move || bridge.committed(Topic::AlertRaised, partitions)).await;
        let failed = |e: QueryError| Failure::of_cause(&e, format!("the bridge's offsets: {e}"));
        asked.map_err(|e| Failure::Unreachable(e.to_string()))?.map_err(failed)
    }
}

fn stuck(open: &[Place], follower: &Follower) -> Failure {
    let text = open.first().map_or(String::new(), |place| {
        let (topic, (partition, offset)) = (Topic::AlertRaised, place);
        match follower.look(|flow| flow.progress(*place)) {
            Progress::Unread => format!("{topic} partition {partition} offset {offset} can't be read back"),
            Progress::NotAsked => {
                format!("bridge has not finished {topic} partition {partition} offset {offset}")
            }
            Progress::Asked | Progress::Ended => {
                format!("feature has not answered {topic} partition {partition} offset {offset}")
            }
        }
    });
    Failure::NotOk(format!(
        "{} alerts have not ended and nothing has moved for {} s; the first: {text}",
        open.len(),
        PATIENCE.as_secs()
    ))
}
