//! Follows a run while it goes: a thread reads the topics that show the state of each alert.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use contracts::{
    Alert, Codec, FeatureRequest, RangeCompletion, RangeFailure, RequestFailure, Topic, Vector, WriterSchemas,
};
use kafka_io::{KafkaConfig, OwnedRecord, ReadError, Start, TopicReader};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::alert_tracker::AlertTracker;
use super::vector_line::VectorLine;
use crate::exit::Failure;
use crate::output::NdjsonFile;

/// The topics that are followed.
const TOPICS: [Topic; 7] = [
    Topic::AlertRaised,
    Topic::BatchRequested,
    Topic::BatchUrgent,
    Topic::VectorComputed,
    Topic::RequestFailed,
    Topic::RangeCompleted,
    Topic::RangeFailed,
];

/// Timeout of one read. Also the delay until the thread sees a command.
const READ_TIMEOUT: Duration = Duration::from_millis(10);

/// Handle of the thread, shared by the tasks of a run.
#[derive(Clone)]
pub struct TopicFollower {
    tracker: Arc<Mutex<AlertTracker>>,
    reads: watch::Receiver<u64>,
    commands: Arc<watch::Sender<FollowerCommand>>,
    synced: watch::Receiver<u64>,
}

/// The command for the thread.
#[derive(Debug, Clone, Copy, Default)]
struct FollowerCommand {
    /// Number of the last sync: read up to the ends at that time.
    sync: u64,
    stop: bool,
}

/// The thread's side.
pub struct FollowerTask {
    reader: TopicReader,
    codec: Codec,
    writers: Arc<dyn WriterSchemas + Send + Sync>,
    tracker: Arc<Mutex<AlertTracker>>,
    reads: watch::Sender<u64>,
    commands: watch::Receiver<FollowerCommand>,
    synced: watch::Sender<u64>,
    vectors: Option<NdjsonFile>,
}

/// Follows the records written from now on. The task must run on a thread of its own.
///
/// # Errors
/// If the topics cannot be read.
pub fn follow(
    kafka: &KafkaConfig,
    writers: Arc<dyn WriterSchemas + Send + Sync>,
    vectors: Option<NdjsonFile>,
) -> Result<(TopicFollower, FollowerTask), Failure> {
    let reader = TopicReader::open(kafka, &TOPICS, Start::Latest).map_err(unreadable)?;
    let tracker = Arc::new(Mutex::new(AlertTracker::default()));
    let (reads, read_count) = watch::channel(0);
    let (sender, commands) = watch::channel(FollowerCommand::default());
    let (sync_done, synced) = watch::channel(0);
    let follower = TopicFollower {
        tracker: Arc::clone(&tracker),
        reads: read_count,
        commands: Arc::new(sender),
        synced,
    };
    let codec = Codec::new();
    let task = FollowerTask { reader, codec, writers, tracker, reads, commands, synced: sync_done, vectors };
    Ok((follower, task))
}

/// Ends the thread after it has read, and written to the vectors file, what was acknowledged before this call.
///
/// # Errors
/// The failure of the thread, which is also the cause of a run that failed because its topics were not followed any more.
pub async fn end_following(
    mut follower: TopicFollower,
    reading: JoinHandle<Result<(), Failure>>,
) -> Result<(), Failure> {
    let synced = follower.sync().await;
    follower.stop();
    reading.await.map_err(Failure::not_ok)?.and(synced)
}

impl TopicFollower {
    /// Runs `f` on the state of the alerts.
    pub fn with<T>(&self, f: impl FnOnce(&mut AlertTracker) -> T) -> T {
        f(&mut self.tracker.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Returns when records were read since the last call, or after `timeout`.
    ///
    /// # Errors
    /// The thread has stopped. The result of its task has the cause.
    pub async fn changed(&mut self, timeout: Duration) -> Result<(), Failure> {
        match tokio::time::timeout(timeout, self.reads.changed()).await {
            Ok(Ok(())) | Err(_) => Ok(()),
            Ok(Err(_)) => Err(stopped()),
        }
    }

    /// Returns when all records are read that were acknowledged before this call.
    ///
    /// # Errors
    /// As for [`changed`](Self::changed).
    pub async fn sync(&mut self) -> Result<(), Failure> {
        let mut number = 0;
        self.commands.send_modify(|command| {
            command.sync += 1;
            number = command.sync;
        });
        self.synced.wait_for(|synced| *synced >= number).await.map(drop).map_err(|_| stopped())
    }

    /// Stops the thread.
    pub fn stop(&self) {
        self.commands.send_modify(|command| command.stop = true);
    }
}

impl FollowerTask {
    /// Reads until [`TopicFollower::stop`]. Blocks.
    ///
    /// # Errors
    /// If a topic cannot be read, or the vectors file cannot be written.
    pub fn run(mut self) -> Result<(), Failure> {
        let (mut reads, mut requested, mut synced) = (0, 0, 0);
        loop {
            let FollowerCommand { sync, stop } = *self.commands.borrow();
            if stop {
                return self.vectors.as_mut().map_or(Ok(()), NdjsonFile::flush);
            }
            if sync > requested {
                self.reader.aim().map_err(unreadable)?;
                requested = sync;
            }
            let records = self.reader.read(READ_TIMEOUT).map_err(unreadable)?;
            for record in &records {
                self.track(record)?;
            }
            if !records.is_empty() {
                reads += 1;
                self.reads.send_replace(reads);
            }
            if synced < requested && self.reader.is_at_end() {
                synced = requested;
                self.synced.send_replace(synced);
            }
        }
    }

    /// Skips records without a valid event. The audit finds what is missing.
    fn track(&mut self, record: &OwnedRecord) -> Result<(), Failure> {
        let mut tracker = self.tracker.lock().unwrap_or_else(PoisonError::into_inner);
        let (codec, writers, payload) = (&self.codec, self.writers.as_ref(), record.payload.as_deref());
        match record.topic {
            Topic::AlertRaised => {
                if let Ok(alert) = codec.decode::<Alert>(payload, writers) {
                    tracker.alert((record.partition, record.offset), alert);
                }
            }
            Topic::BatchRequested | Topic::BatchUrgent => {
                if let Ok(request) = codec.decode::<FeatureRequest>(payload, writers) {
                    tracker.request(request);
                }
            }
            Topic::VectorComputed => {
                if let Ok(vector) = codec.decode::<Vector>(payload, writers) {
                    if let Some(vectors) = &mut self.vectors {
                        vectors.write(&VectorLine::of(&vector))?;
                    }
                    tracker.vector(vector);
                }
            }
            Topic::RequestFailed => {
                if let Ok(failure) = codec.decode::<RequestFailure>(payload, writers) {
                    tracker.failure(failure);
                }
            }
            Topic::RangeCompleted => {
                if let Ok(completion) = codec.decode::<RangeCompletion>(payload, writers) {
                    tracker.backfill_completed(completion);
                }
            }
            Topic::RangeFailed => {
                if let Ok(failure) = codec.decode::<RangeFailure>(payload, writers) {
                    tracker.backfill_failed(failure);
                }
            }
            _ => {}
        }
        Ok(())
    }
}

fn stopped() -> Failure {
    Failure::not_ok("the topics are not followed any more")
}

fn unreadable(error: ReadError) -> Failure {
    Failure::query_context("failed to follow the run", error)
}
