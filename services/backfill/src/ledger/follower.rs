//! The thread that follows the topics and writes the ledger.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use chassis::health::Latch;
use chassis::{Failure, Shutdown};
use contracts::Topic;
use kafka_io::{KafkaConfig, OwnedRecord, TopicReader, Wire};
use kit::{Backoff, ErrorChain};
use tokio::runtime::Handle;
use tokio::task::JoinSet;

use super::batch::{Batch, TOPICS};
use super::error::LedgerError;
use super::meters::LedgerMeters;
use super::store::Store;
use crate::config::LedgerSection;
use crate::coverage_reader::CoverageReader;
use crate::owned_partitions::OwnedPartitions;

/// The wait of a read for its first record: the time until changed partitions and a shutdown are noticed.
const READ_WAIT: Duration = Duration::from_millis(250);

/// The time between two queries of the topics' ends, for the lag.
const LAG_EVERY: Duration = Duration::from_secs(5);

/// Wait after another instance has moved a position.
const CONFLICT_WAIT: Duration = Duration::from_secs(1);

/// Waits after failures.
const BACKOFF: Backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(30));

/// The follower, before it runs.
pub struct Follower {
    pub section: LedgerSection,
    pub kafka: KafkaConfig,
    pub wire: Wire,
    pub owned: OwnedPartitions,
    pub runtime: Handle,
    pub shutdown: Shutdown,
    pub meters: LedgerMeters,
    /// Reports the ledger in `/ready` as degraded while it can't be written.
    pub latch: Latch,
}

/// An open reader with the positions of the database.
struct Session {
    store: Store,
    partitions: BTreeSet<i32>,
    reader: TopicReader,
    positions: BTreeMap<(Topic, i32), i64>,
    /// The tombstones that were read since the reader was opened. They are not stored: a record that one of them makes stale follows it by the
    /// time of one transaction at most.
    coverage: CoverageReader,
    lag_due: Instant,
}

impl Follower {
    /// Follows the topics until the shutdown. Blocks: it has a thread of its own.
    ///
    /// # Errors
    /// None: every failure is retried.
    pub fn run(self) -> Result<(), Failure> {
        let mut backoff = BACKOFF;
        let mut session = None;
        while !self.shutdown.is_begun() {
            match self.step(&mut session) {
                Ok(()) if backoff.failures() > 0 => {
                    backoff.reset();
                    self.latch.degraded(None);
                    tracing::info!("ledger is written again");
                }
                Ok(()) => {}
                Err(error) => {
                    session = None;
                    self.failed(&error, &mut backoff);
                }
            }
        }
        Ok(())
    }

    fn failed(&self, error: &LedgerError, backoff: &mut Backoff) {
        self.meters.failed();
        // The other owner of a partition has written: no failure of a part. Two owners do not hold each other up without a wait.
        if matches!(error, LedgerError::Conflict { .. }) {
            return self.wait(CONFLICT_WAIT);
        }
        if backoff.failures() == 0 {
            let cause = ErrorChain(error).to_string();
            tracing::warn!(%cause, "failed to write the ledger; the work continues without it");
            self.latch.degraded(Some(&format!("ledger not written: {cause}")));
        }
        self.wait(backoff.fail());
    }

    /// Waits, at most until the shutdown.
    fn wait(&self, wait: Duration) {
        let shutdown = self.shutdown.clone();
        self.runtime.block_on(async move {
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = shutdown.begun() => {}
            }
        });
    }

    /// Opens a session if there is none for the owned partitions, and writes what one read returns.
    fn step(&self, session: &mut Option<Session>) -> Result<(), LedgerError> {
        let owned = self.owned.get();
        if session.as_ref().is_none_or(|session| session.partitions != owned) {
            let store = session.take().map(|session| session.store);
            *session = Some(self.open(owned, store)?);
        }
        let Some(session) = session else { return Ok(()) };
        let records = session.reader.read(READ_WAIT)?;
        let batches = self.fold(&session.positions, &mut session.coverage, &records)?;
        self.write(session, batches)?;
        if Instant::now() >= session.lag_due {
            session.lag_due = Instant::now() + LAG_EVERY;
            session.reader.aim()?;
        }
        self.meters.lag(session.reader.lag());
        Ok(())
    }

    fn open(&self, partitions: BTreeSet<i32>, store: Option<Store>) -> Result<Session, LedgerError> {
        let store = match store {
            Some(store) => store,
            None => self.runtime.block_on(Store::open(&self.section))?,
        };
        let positions = self.runtime.block_on(store.positions(&partitions))?;
        let reader = TopicReader::open_partitions(&self.kafka, &TOPICS, &partitions, &positions)?;
        let positions = reader.positions();
        let (coverage, lag_due) = (CoverageReader::default(), Instant::now() + LAG_EVERY);
        Ok(Session { store, partitions, reader, positions, coverage, lag_due })
    }

    fn fold(
        &self,
        positions: &BTreeMap<(Topic, i32), i64>,
        coverage: &mut CoverageReader,
        records: &[OwnedRecord],
    ) -> Result<Vec<Batch>, LedgerError> {
        let mut batches: BTreeMap<i32, Batch> = BTreeMap::new();
        for record in records {
            let expected = positions.get(&(record.topic, record.partition)).copied().unwrap_or_default();
            let batch = batches.entry(record.partition).or_insert_with(|| Batch::new(record.partition));
            batch.add(&self.wire, record, expected, coverage).map_err(LedgerError::Registry)?;
        }
        Ok(batches.into_values().collect())
    }

    /// Writes the partitions' batches at once, each in a transaction of its own.
    fn write(&self, session: &mut Session, batches: Vec<Batch>) -> Result<(), LedgerError> {
        let written = self.runtime.block_on(async {
            let mut writes = JoinSet::new();
            for batch in batches {
                let store = session.store.clone();
                writes.spawn(async move { store.write(&batch).await.map(|()| batch) });
            }
            writes.join_all().await
        });
        for batch in written {
            let batch = batch?;
            self.meters.written(&batch);
            for (topic, range) in &batch.positions {
                session.positions.insert((*topic, batch.partition), range.next);
            }
        }
        Ok(())
    }
}
