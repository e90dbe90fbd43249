//! All that a stage reads beside its work: its share of the tables, and what every instance has of them.

use std::collections::BTreeSet;
use std::time::Duration;

use contracts::Topic;
use rdkafka::consumer::BaseConsumer;

use super::clients::Clients;
use super::progress::Progress;
use super::stage::KafkaStage;
use super::tables::{Global, Place, Share, TableReader as _, Tables};
use super::watchdog::Stall;
use crate::client::LogContext;
use crate::config::KafkaConfig;
use crate::partition_ends::ends_of;

/// The tables of one stage.
pub(super) struct Beside<'c> {
    topics: Vec<Topic>,
    globals: BTreeSet<Place>,
    /// Followed with the numbers of the partitions that are owned.
    shares: Option<Tables<'c>>,
    /// Followed for as long as the clients live.
    global: Option<Tables<'c>>,
    ends: &'c BaseConsumer<LogContext>,
    query_timeout: Duration,
}

impl<'c> Beside<'c> {
    /// Over clients made for this stage; none when they lack a queue.
    pub(super) fn new<S: KafkaStage>(
        clients: &'c Clients,
        stage: &S,
        group: &str,
        config: &KafkaConfig,
    ) -> Option<Self> {
        let ends = &clients.ends;
        let tables = |consumer: &'c Option<BaseConsumer<LogContext>>, what| match consumer {
            Some(consumer) => Tables::new(consumer, ends, Progress::new(group, what), config).map(Some),
            None => Some(None),
        };
        Some(Self {
            topics: stage.tables().to_vec(),
            globals: stage.globals(),
            shares: tables(&clients.tables, "tables")?,
            global: tables(&clients.globals, "global tables")?,
            ends,
            query_timeout: Duration::from_millis(config.query_timeout_ms.into()),
        })
    }

    /// Follows what is for every instance, and of the rest exactly the partitions of these numbers.
    pub(super) fn follow<S: KafkaStage>(
        &mut self,
        numbers: &BTreeSet<i32>,
        stage: &mut S,
    ) -> Result<(), String> {
        if let Some(global) = &mut self.global {
            global.follow(&self.globals, &mut Global(stage))?;
        }
        let places = self.shares_of(numbers);
        let Some(shares) = &mut self.shares else { return Ok(()) };
        shares.follow(&places, &mut Share(stage))
    }

    /// Follows nothing more: the clients are given up.
    pub(super) fn leave<S: KafkaStage>(&mut self, stage: &mut S) {
        if let Some(global) = &mut self.global {
            global.leave(&mut Global(&mut *stage));
        }
        if let Some(shares) = &mut self.shares {
            shares.leave(&mut Share(&mut *stage));
        }
    }

    /// Tells the stage where the tables end now: of its share the partitions of these numbers, and all that is for every instance.
    /// Nothing is told unless everything is known.
    pub(super) fn tell_ends<S: KafkaStage>(
        &self,
        numbers: &BTreeSet<i32>,
        stage: &mut S,
    ) -> Result<(), String> {
        let shares = self.shares_of(numbers);
        let places = shares.union(&self.globals).copied().collect();
        let ends = ends_of(self.ends, &places, self.query_timeout).map_err(|error| error.to_string())?;
        for ((topic, number), end) in ends {
            if shares.contains(&(topic, number)) {
                Share(&mut *stage).end(topic, number, end);
            }
            if self.globals.contains(&(topic, number)) {
                Global(&mut *stage).end(topic, number, end);
            }
        }
        Ok(())
    }

    fn shares_of(&self, numbers: &BTreeSet<i32>) -> BTreeSet<Place> {
        self.topics.iter().flat_map(|topic| numbers.iter().map(move |number| (*topic, *number))).collect()
    }

    /// Hands over what has come; the number of records.
    pub(super) fn read<S: KafkaStage>(&mut self, stage: &mut S) -> Result<u64, String> {
        let mut read = 0;
        if let Some(global) = &mut self.global {
            read += global.read(&mut Global(&mut *stage))?;
        }
        if let Some(shares) = &mut self.shares {
            read += shares.read(&mut Share(&mut *stage))?;
        }
        Ok(read)
    }

    /// Partitions whose position isn't yet what it was told to reach.
    pub(super) fn loading(&self) -> usize {
        self.all().map(Tables::loading).sum()
    }

    /// Partitions that wait behind a record that can't be read now.
    pub(super) fn stuck(&self) -> usize {
        self.all().map(Tables::stuck).sum()
    }

    /// Partitions that hold less than they should: a record of theirs was skipped since they are followed.
    pub(super) fn degraded(&self) -> usize {
        self.all().map(Tables::degraded).sum()
    }

    /// Why, in words; none when nothing was skipped.
    pub(super) fn degraded_by(&self) -> Option<String> {
        let said: Vec<String> = self.all().flat_map(Tables::degraded_by).collect();
        (!said.is_empty()).then(|| said.join("; "))
    }

    /// Looks after partitions of which nothing comes.
    pub(super) fn watch(&mut self, now: impl Fn() -> Duration) -> Option<Stall<Place>> {
        [&mut self.shares, &mut self.global].into_iter().flatten().find_map(|tables| tables.watch(&now))
    }

    fn all(&self) -> impl Iterator<Item = &Tables<'c>> {
        [&self.shares, &self.global].into_iter().flatten()
    }
}
