//! Follows a run while it goes: one thread reads the topics that tell how far each finding has come.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use contracts::{
    Alert, Codec, FeatureRequest, RangeCompletion, RangeFailure, RequestFailure, Topic, Vector, WriterSchemas,
};
use kafka_io::{KafkaConfig, OwnedRecord, ReadError, Start, TopicReader};
use tokio::sync::watch;

use crate::dump::{Lines, VectorLine};
use crate::exit::Failure;
use crate::flow::Flow;

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

/// How long one read waits; also how soon the thread sees what it is asked for.
const READ_WAIT: Duration = Duration::from_millis(10);

/// The shared view of a run.
#[derive(Clone)]
pub struct Follower {
    flow: Arc<Mutex<Flow>>,
    reads: watch::Receiver<u64>,
    asked: Arc<watch::Sender<Asked>>,
    synced: watch::Receiver<u64>,
}

/// What the thread is asked for.
#[derive(Debug, Clone, Copy, Default)]
struct Asked {
    /// To read up to the ends as they are now; each asking has a number.
    sync: u64,
    /// To end.
    end: bool,
}

/// The thread's side.
pub struct Following {
    reader: TopicReader,
    codec: Codec,
    writers: Arc<dyn WriterSchemas + Send + Sync>,
    flow: Arc<Mutex<Flow>>,
    reads: watch::Sender<u64>,
    asked: watch::Receiver<Asked>,
    synced: watch::Sender<u64>,
    vectors: Option<Lines>,
}

/// Begins to follow: records written from now on. The second part is to be run on a thread of its own.
///
/// # Errors
/// When the topics can't be read.
pub fn follow(
    kafka: &KafkaConfig,
    writers: Arc<dyn WriterSchemas + Send + Sync>,
    vectors: Option<Lines>,
) -> Result<(Follower, Following), Failure> {
    let reader = TopicReader::open(kafka, &TOPICS, Start::Latest).map_err(|e| unreadable(&e))?;
    let flow = Arc::new(Mutex::new(Flow::default()));
    let (reads, news) = watch::channel(0);
    let (ask, asked) = watch::channel(Asked::default());
    let (sync_done, synced) = watch::channel(0);
    let follower = Follower { flow: Arc::clone(&flow), reads: news, asked: Arc::new(ask), synced };
    let codec = Codec::new();
    let following = Following { reader, codec, writers, flow, reads, asked, synced: sync_done, vectors };
    Ok((follower, following))
}

impl Follower {
    /// Looks at what has been read.
    pub fn look<T>(&self, at: impl FnOnce(&mut Flow) -> T) -> T {
        at(&mut self.flow.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Returns when something has been read since the last call, or after `patience`.
    pub async fn news(&mut self, patience: Duration) {
        // Either way the caller looks again; a follower that has ended shows in what it never reads.
        drop(tokio::time::timeout(patience, self.reads.changed()).await);
    }

    /// Returns when everything has been read that was acknowledged before this call; `false` when the follower has ended.
    pub async fn sync(&mut self) -> bool {
        let mut number = 0;
        self.asked.send_modify(|asked| {
            asked.sync += 1;
            number = asked.sync;
        });
        self.synced.wait_for(|synced| *synced >= number).await.is_ok()
    }

    /// Asks the thread to end.
    pub fn end(&self) {
        self.asked.send_modify(|asked| asked.end = true);
    }
}

impl Following {
    /// Reads until [`Follower::end`]. Blocks.
    ///
    /// # Errors
    /// When a topic can't be read any more, or the vectors' file can't be written.
    pub fn run(mut self) -> Result<(), Failure> {
        let (mut reads, mut aimed, mut synced) = (0, 0, 0);
        loop {
            let Asked { sync, end } = *self.asked.borrow();
            if end {
                return self.vectors.as_mut().map_or(Ok(()), Lines::finish);
            }
            if sync > aimed {
                self.reader.aim().map_err(|e| unreadable(&e))?;
                aimed = sync;
            }
            let records = self.reader.read(READ_WAIT).map_err(|e| unreadable(&e))?;
            for record in &records {
                self.take(record)?;
            }
            if !records.is_empty() {
                reads += 1;
                self.reads.send_replace(reads);
            }
            if synced < aimed && self.reader.is_at_end() {
                synced = aimed;
                self.synced.send_replace(synced);
            }
        }
    }

    /// A record that holds no valid event tells nothing; the audit finds what is missing.
    fn take(&mut self, record: &OwnedRecord) -> Result<(), Failure> {
        let mut flow = self.flow.lock().unwrap_or_else(PoisonError::into_inner);
        let (codec, writers, payload) = (&self.codec, self.writers.as_ref(), record.payload.as_deref());
        match record.topic {
            Topic::AlertRaised => {
                if let Ok(alert) = codec.decode::<Alert>(payload, writers) {
                    flow.alert((record.partition, record.offset), alert);
                }
            }
            Topic::BatchRequested | Topic::BatchUrgent => {
                if let Ok(request) = codec.decode::<FeatureRequest>(payload, writers) {
                    flow.request(request);
                }
            }
            Topic::VectorComputed => {
                if let Ok(vector) = codec.decode::<Vector>(payload, writers) {
                    if let Some(lines) = &mut self.vectors {
                        lines.write(&VectorLine::of(&vector))?;
                    }
                    flow.vector(vector);
                }
            }
            Topic::RequestFailed => {
                if let Ok(failure) = codec.decode::<RequestFailure>(payload, writers) {
                    flow.failure(failure);
                }
            }
            Topic::RangeCompleted => {
                if let Ok(completion) = codec.decode::<RangeCompletion>(payload, writers) {
                    flow.backfill_completed(completion);
                }
            }
            Topic::RangeFailed => {
                if let Ok(failure) = codec.decode::<RangeFailure>(payload, writers) {
                    flow.backfill_failed(failure);
                }
            }
            _ => {}
        }
        Ok(())
    }
}

fn unreadable(error: &ReadError) -> Failure {
    Failure::of_cause(error, format!("following the run: {error}"))
}
