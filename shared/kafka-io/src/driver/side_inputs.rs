//! Side inputs of a stage: co-partitioned and global tables.

use std::collections::BTreeSet;
use std::time::Duration;

use contracts::Topic;
use pipeline::Now;
use rdkafka::consumer::BaseConsumer;
use rdkafka::error::KafkaError;

use super::error::ConsumerError;
use super::followers::Followers;
use super::inputs::TopicPartition;
use super::stage::{KafkaStage, TableScope};
use super::tables::Tables;
use super::timeouts;
use super::watchdog::Stall;
use crate::client::LogContext;
use crate::config::KafkaConfig;
use crate::partition_ends::{EndError, ends_of};

/// The tables of one stage.
pub(super) struct SideInputs<'c> {
    topics: Vec<Topic>,
    globals: BTreeSet<TopicPartition>,
    /// Followed in the partitions whose numbers are assigned.
    co_partitioned: Option<Tables<'c>>,
    /// Followed all the time.
    global: Option<Tables<'c>>,
    ends: &'c BaseConsumer<LogContext>,
    query_timeout: Duration,
}

impl<'c> SideInputs<'c> {
    /// Creates the side inputs of a stage. `None` if a client has no queue.
    pub(super) fn new<S: KafkaStage>(
        followers: &'c Followers,
        stage: &S,
        group: &str,
        config: &KafkaConfig,
    ) -> Option<Self> {
        let ends = &followers.ends;
        let tables = |consumer: &'c Option<BaseConsumer<LogContext>>, scope| match consumer {
            Some(consumer) => Tables::new(scope, consumer, ends, group, config).map(Some),
            None => Some(None),
        };
        Some(Self {
            topics: stage.tables().to_vec(),
            globals: stage.globals(),
            co_partitioned: tables(&followers.tables, TableScope::CoPartitioned)?,
            global: tables(&followers.globals, TableScope::Global)?,
            ends,
            query_timeout: timeouts::query(config),
        })
    }

    /// Follows all global tables: they do not depend on the assignment.
    pub(super) fn follow_globals(&mut self, stage: &mut impl KafkaStage, now: Now) -> Result<(), KafkaError> {
        match &mut self.global {
            Some(tables) => tables.follow(&self.globals, stage, now),
            None => Ok(()),
        }
    }

    /// Follows exactly the partitions of these numbers of the co-partitioned tables.
    pub(super) fn follow(
        &mut self,
        numbers: &BTreeSet<i32>,
        stage: &mut impl KafkaStage,
        now: Now,
    ) -> Result<(), KafkaError> {
        let partitions = self.co_partitioned_with(numbers);
        match &mut self.co_partitioned {
            Some(tables) => tables.follow(&partitions, stage, now),
            None => Ok(()),
        }
    }

    /// Follows the tables that the stage writes no more: its partitions are lost, and the clients of the tables are kept.
    pub(super) fn unfollow_own(&mut self, stage: &mut impl KafkaStage) -> Result<(), KafkaError> {
        self.co_partitioned.as_mut().map_or(Ok(()), |tables| tables.unfollow_own(stage))
    }

    /// Follows no table any more: the clients are recreated.
    pub(super) fn unfollow_all(&mut self, stage: &mut impl KafkaStage) {
        for tables in [&mut self.global, &mut self.co_partitioned].into_iter().flatten() {
            tables.unfollow_all(stage);
        }
    }

    /// Passes the current ends of the tables to the stage: of the global tables, and of the co-partitioned tables in the partitions of
    /// these numbers. If one is unknown, passes none.
    pub(super) fn update_ends(
        &self,
        numbers: &BTreeSet<i32>,
        stage: &mut impl KafkaStage,
    ) -> Result<(), EndError> {
        let co_partitioned = self.co_partitioned_with(numbers);
        let all = co_partitioned.union(&self.globals).copied().collect();
        for (partition, end) in ends_of(self.ends, &all, self.query_timeout)? {
            let scopes = [(TableScope::CoPartitioned, &co_partitioned), (TableScope::Global, &self.globals)];
            for (scope, _) in scopes.into_iter().filter(|(_, partitions)| partitions.contains(&partition)) {
                stage.table_end(scope, partition.0, partition.1, end);
            }
        }
        Ok(())
    }

    fn co_partitioned_with(&self, numbers: &BTreeSet<i32>) -> BTreeSet<TopicPartition> {
        self.topics.iter().flat_map(|topic| numbers.iter().map(move |number| (*topic, *number))).collect()
    }

    /// Passes the fetched records to the stage. Returns their number.
    pub(super) fn read(&mut self, stage: &mut impl KafkaStage) -> Result<u64, ConsumerError> {
        let mut read = 0;
        for tables in [&mut self.global, &mut self.co_partitioned].into_iter().flatten() {
            read += tables.read(stage)?;
        }
        Ok(read)
    }

    /// The number of partitions that are still loading.
    pub(super) fn loading(&self) -> usize {
        self.all().map(Tables::loading).sum()
    }

    /// The number of partitions that wait for a record that cannot be decoded now.
    pub(super) fn undecoded(&self) -> usize {
        self.all().map(Tables::undecoded).sum()
    }

    /// The number of partitions in which a record was skipped since they are followed.
    pub(super) fn degraded(&self) -> usize {
        self.all().map(Tables::degraded).sum()
    }

    /// Describes the skipped records. `None` if there are none.
    pub(super) fn degraded_by(&self) -> Option<String> {
        let causes: Vec<String> = self.all().flat_map(Tables::degraded_by).collect();
        (!causes.is_empty()).then(|| causes.join("; "))
    }

    /// Runs the stall watchdogs of the tables.
    pub(super) fn check_stall(&mut self, now: impl Fn() -> Duration) -> Option<Stall<TopicPartition>> {
        let mut all = [&mut self.co_partitioned, &mut self.global].into_iter().flatten();
        all.find_map(|tables| tables.check_stall(&now))
    }

    fn all(&self) -> impl Iterator<Item = &Tables<'c>> {
        [&self.co_partitioned, &self.global].into_iter().flatten()
    }
}
