//! Followers of the tables of a stage, in reads of random size, and the restoration of its own outputs.

use std::collections::{BTreeMap, BTreeSet};

use contracts::Topic;
use kafka_io::{KafkaStage, TableScope};
use kit::SaturatingFrom;
use pipeline::{InputPartition, Start};

use crate::defects::Defect;
use crate::kafka::Kafka;
use crate::log::At;

/// Records of one read.
const READ_RECORDS_MAX: u64 = 30;

/// The progress of a followed partition.
#[derive(Debug, Default)]
struct Followed {
    position: i64,
    /// The end when following began. `None` until it is queried.
    target: Option<i64>,
    loaded: bool,
}

/// The followed partitions of one scope.
#[derive(Debug)]
pub(crate) struct Tables {
    scope: TableScope,
    followed: BTreeMap<At, Followed>,
}

impl Tables {
    pub(crate) fn new(scope: TableScope) -> Self {
        Self { scope, followed: BTreeMap::new() }
    }

    /// Follows exactly these partitions from now on.
    pub(crate) fn follow(&mut self, partitions: &BTreeSet<At>, stage: &mut impl KafkaStage, kafka: &Kafka) {
        let removed: Vec<At> = self.followed.keys().filter(|at| !partitions.contains(at)).copied().collect();
        for at in removed {
            self.followed.remove(&at);
            self.release(at, stage);
        }
        for at in partitions {
            self.followed.entry(*at).or_insert_with(|| {
                let back = stage.table_back(at.0).map(|back| i64::saturating_from(back.as_micros()));
                let since = |back: i64| kafka.log.begin_of(*at, kafka.now.wall_micros - back);
                Followed { position: back.map_or(0, since), target: None, loaded: false }
            });
        }
    }

    /// Follows no partition any more.
    pub(crate) fn unfollow(&mut self, stage: &mut impl KafkaStage) {
        for at in std::mem::take(&mut self.followed).into_keys() {
            self.release(at, stage);
        }
    }

    fn release(&self, (topic, partition): At, stage: &mut impl KafkaStage) {
        match self.scope {
            TableScope::CoPartitioned => stage.table_released(topic, partition),
            TableScope::Global => stage.table_position(self.scope, topic, partition, 0),
        }
    }

    /// Passes some records of one partition to the stage; a stage that `skips` them gets only the position.
    pub(crate) fn read(&mut self, stage: &mut impl KafkaStage, kafka: &mut Kafka, skips: bool) {
        let all: Vec<At> = self.followed.keys().copied().collect();
        let Some(&at) = kafka.rng.pick(&all) else { return };
        let Some(followed) = self.followed.get_mut(&at) else { return };
        let (topic, partition) = at;
        let target = *followed.target.get_or_insert_with(|| kafka.log.end_of(at));
        let max = if kafka.calm {
            usize::MAX
        } else {
            usize::saturating_from(1 + kafka.rng.below(READ_RECORDS_MAX))
        };
        let (records, next) = kafka.log.read(at, followed.position, max);
        for (offset, entry) in records {
            if !skips {
                let stored = entry.stored(offset);
                stage.table_record(self.scope, &stored.as_input()).expect("schemas are available");
            }
            kafka.counts.table_records += 1;
        }
        if next != followed.position {
            followed.position = next;
            stage.table_position(self.scope, topic, partition, next);
        }
        if !followed.loaded && next >= target {
            followed.loaded = true;
            stage.table_loaded(self.scope, topic, partition);
        }
    }

    /// Passes the current ends of these partitions to the stage. Returns `true` if one is not reached yet.
    pub(crate) fn update_ends(
        &self,
        partitions: impl Iterator<Item = At>,
        stage: &mut impl KafkaStage,
        kafka: &Kafka,
    ) -> bool {
        let mut ahead = false;
        for at in partitions {
            let end = kafka.log.end_of(at);
            ahead |= self.followed.get(&at).is_none_or(|followed| followed.position < end);
            stage.table_end(self.scope, at.0, at.1, end);
        }
        ahead
    }

    /// Returns `true` if every partition was read to its end.
    pub(crate) fn is_at_rest(&self, kafka: &Kafka) -> bool {
        self.followed
            .iter()
            .all(|(at, followed)| followed.loaded && followed.position >= kafka.log.end_of(*at))
    }
}

/// The progress of one restored output partition.
#[derive(Debug)]
struct Output {
    /// `None` until the target is set for the first time.
    position: Option<i64>,
    target: Option<i64>,
}

/// The outputs of one partition number, which inputs share.
#[derive(Debug)]
struct Restoration {
    starts: Vec<Start>,
    outputs: BTreeMap<Topic, Output>,
}

/// The partitions that are being restored.
#[derive(Debug, Default)]
pub(crate) struct Restorations {
    partitions: BTreeMap<i32, Restoration>,
}

impl Restorations {
    /// Begins the restoration of an assigned partition, whose stable committed offset was fetched.
    pub(crate) fn begin(&mut self, start: Start, stage: &impl KafkaStage) {
        let restoration = self.partitions.entry(start.input.partition).or_insert_with(|| {
            let output = |topic| (topic, Output { position: None, target: None });
            let outputs = stage.restores().iter().map(|restore| output(restore.topic)).collect();
            Restoration { starts: Vec::new(), outputs }
        });
        for output in restoration.outputs.values_mut() {
            output.target = None;
        }
        restoration.starts.push(start);
    }

    pub(crate) fn contains(&self, input: InputPartition) -> bool {
        let of = self.partitions.get(&input.partition);
        of.is_some_and(|restoration| restoration.starts.iter().any(|start| start.input == input))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.partitions.is_empty()
    }

    /// Passes some records of one partition number to the stage. Returns the starts of a complete restoration.
    pub(crate) fn read(
        &mut self,
        stage: &mut impl KafkaStage,
        kafka: &mut Kafka,
        defect: Option<Defect>,
    ) -> Vec<Start> {
        let numbers: Vec<i32> = self.partitions.keys().copied().collect();
        let Some(&number) = kafka.rng.pick(&numbers) else { return Vec::new() };
        let Some(restoration) = self.partitions.get_mut(&number) else { return Vec::new() };
        let mut done = true;
        let restores = stage.restores().to_vec();
        for restore in restores {
            let at = (restore.topic, number);
            let Some(output) = restoration.outputs.get_mut(&restore.topic) else { continue };
            let target = *output.target.get_or_insert_with(|| kafka.log.end_of(at));
            let position = *output.position.get_or_insert_with(|| {
                let back = i64::saturating_from(restore.back.as_micros());
                kafka.log.begin_of(at, kafka.now.wall_micros - back)
            });
            let max = usize::saturating_from(1 + kafka.rng.below(READ_RECORDS_MAX));
            let (records, next) = kafka.log.read(at, position, max);
            for (offset, entry) in records {
                if defect != Some(Defect::RestoresNothing) {
                    let stored = entry.stored(offset);
                    stage.restore_record(&stored.as_input(), kafka.now).expect("schemas are available");
                }
                kafka.counts.restored += 1;
            }
            output.position = Some(next);
            done &= next >= target;
        }
        match done {
            true => self.partitions.remove(&number).map_or_else(Vec::new, |restoration| restoration.starts),
            false => Vec::new(),
        }
    }

    /// Cancels the restoration of revoked partitions. Returns the numbers of which no input is being restored any more.
    pub(crate) fn cancel(&mut self, inputs: &BTreeSet<InputPartition>) -> Vec<i32> {
        for restoration in self.partitions.values_mut() {
            restoration.starts.retain(|start| !inputs.contains(&start.input));
        }
        let cancelled = self.partitions.extract_if(.., |_, restoration| restoration.starts.is_empty());
        cancelled.map(|(number, _)| number).collect()
    }

    /// Cancels all restorations. Returns their numbers.
    pub(crate) fn cancel_all(&mut self) -> Vec<i32> {
        std::mem::take(&mut self.partitions).into_keys().collect()
    }
}
