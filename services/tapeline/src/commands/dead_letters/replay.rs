//! `tapeline dead-letters replay`: letters go back to where they came from, each acknowledged before the group moves past it.
//!
//! A replay that is killed between an acknowledgement and the commit after it sends those letters again when it goes on: at most
//! one batch, a tenth of a second of the rate. Two replays at the same time under one group send everything twice.

use std::collections::BTreeMap;
use std::time::Duration;

use chassis::{Shutdown, signals};
use contracts::Topic;
use kafka_io::{
    BatchProducer, ClusterQuery, GroupOffsets, KafkaConfig, OutRecord, ProduceError, ProducerLimits,
    RecordMetadata,
};
use tokio::task::block_in_place;
use tokio::time::Instant;

use super::args::ReplayArgs;
use super::filter::{Filter, Place};
use super::letter::Letter;
use super::letters::{Bounds, Letters, Offsets};
use super::now_ms;
use super::pace::Pace;
use super::plan::{Hold, Plan, Step};
use super::progress::Progress;
use crate::cluster;
use crate::exit::Failure;

/// Batches a second: what a kill may repeat is the batch between two commits.
const BATCHES_A_SECOND: u32 = 10;

/// How long acknowledgements are waited for: longer than librdkafka tries, so that its answer is known.
const ACKNOWLEDGED_WITHIN: Duration = Duration::from_secs(40);

/// A batch is sent before it holds more bytes; a letter alone may be larger.
const BATCH_BYTES: usize = 8 << 20;

/// Sends what is meant, until the end of the letters as they are now or a signal.
///
/// # Errors
/// [`Failure::NotOk`] when a letter that is meant was held back, or a signal ended the replay before its end.
pub async fn run(args: &ReplayArgs) -> Result<(), Failure> {
    let shutdown = Shutdown::new();
    signals::listen(&shutdown).map_err(|e| Failure::NotOk(format!("signals: {e}")))?;
    replay(args, &cluster::kafka(&args.cluster)?, &shutdown).await
}

/// [`run`] on this cluster, until `shutdown` begins.
///
/// # Errors
/// As [`run`].
pub async fn replay(args: &ReplayArgs, kafka: &KafkaConfig, shutdown: &Shutdown) -> Result<(), Failure> {
    let filter = Filter::new(&args.filter, now_ms());
    let payload = match &args.payload_file {
        Some(path) => {
            Some(std::fs::read(path).map_err(|e| Failure::Usage(format!("{}: {e}", path.display())))?)
        }
        None => None,
    };
    let place = filter.place()?;
    let partitions = block_in_place(|| partitions(kafka))?;
    let plan = Plan { filter, max_generation: args.max_generation, payload, partitions };
    let mut replay = match place {
        Some(place) => block_in_place(|| Replay::of_one(args, kafka, plan, place))?,
        None => block_in_place(|| Replay::of_group(args, kafka, plan))?,
    };
    let end = replay.run(shutdown).await;
    println!("{}", replay.progress.summary(if args.dry_run { "would send" } else { "sent" }));
    end?;
    let held = replay.progress.held_total();
    if held > 0 {
        return Err(Failure::NotOk(format!(
            "{held} letters were held back: see `tapeline dead-letters show`"
        )));
    }
    Ok(())
}

/// How many partitions each topic of events has.
fn partitions(kafka: &KafkaConfig) -> Result<BTreeMap<Topic, i32>, Failure> {
    let inquirer = ClusterQuery::new(kafka).map_err(Failure::of)?;
    let topics = Topic::ALL.iter().copied().filter(|topic| !topic.is_dead_letter());
    topics.map(|topic| Ok((topic, inquirer.partitions(topic).map_err(Failure::of)?))).collect()
}

struct Replay {
    plan: Plan,
    source: Source,
    /// None in a dry run.
    producer: Option<BatchProducer>,
    /// Remembers how far the replay is; none for a single letter and in a dry run.
    group: Option<GroupOffsets>,
    batch_records: usize,
    pace: Pace,
    progress: Progress,
    batch: Batch,
}

enum Source {
    One(Option<Letter>),
    Many(Box<Letters>),
}

/// What was looked at since the last commit.
#[derive(Default)]
struct Batch {
    letters: Vec<Letter>,
    records: Vec<OutRecord>,
    bytes: usize,
    /// Behind what was looked at.
    offsets: Offsets,
}

impl Replay {
    fn of_one(args: &ReplayArgs, kafka: &KafkaConfig, plan: Plan, place: Place) -> Result<Self, Failure> {
        let letter = Letters::one(kafka, place)?;
        Self::new(args, kafka, plan, (Source::One(Some(letter)), None, 1))
    }

    /// From where the group's replay stopped to the end of the letters as they are now.
    fn of_group(args: &ReplayArgs, kafka: &KafkaConfig, plan: Plan) -> Result<Self, Failure> {
        let topics = plan.filter.topics();
        let Bounds { lows, ends } = Bounds::ask(kafka, &topics)?;
        let group = GroupOffsets::new(kafka, &args.group).map_err(Failure::of)?;
        let committed = group.committed(ends.keys().copied()).map_err(Failure::of)?;
        let text = plan.filter.text();
        // Someone who resets the group by Kafka's own tool leaves no words, and knows what he does.
        if let Some(other) = committed.values().find(|it| !it.metadata.is_empty() && it.metadata != text) {
            return Err(Failure::Usage(format!(
                "group {} has replayed with {}, and passed over for good what that left out; now it is {text}: give another --group",
                args.group, other.metadata
            )));
        }
        let starts: Offsets = committed.into_iter().map(|(place, it)| (place, it.offset)).collect();
        let from = |place| starts.get(place).copied().unwrap_or(0).max(lows[place]);
        let letters = ends.iter().map(|(place, end)| u64::try_from(end - from(place)).unwrap_or(0)).sum();
        if !starts.is_empty() {
            eprintln!("group {} goes on where it ended; at most {letters} letters are left", args.group);
        }
        let source = Source::Many(Box::new(Letters::open(kafka, &topics, &starts, ends)?));
        Self::new(args, kafka, plan, (source, Some(group), letters))
    }

    fn new(
        args: &ReplayArgs,
        kafka: &KafkaConfig,
        plan: Plan,
        (source, group, letters): (Source, Option<GroupOffsets>, u64),
    ) -> Result<Self, Failure> {
        let limits = ProducerLimits { timeout: ACKNOWLEDGED_WITHIN, ..ProducerLimits::default() };
        let producer = (!args.dry_run).then(|| BatchProducer::new(kafka, limits)).transpose();
        Ok(Self {
            plan,
            source,
            group: group.filter(|_| !args.dry_run),
            producer: producer.map_err(Failure::of)?,
            batch_records: usize::try_from(args.rate.div_ceil(BATCHES_A_SECOND)).unwrap_or(1),
            pace: Pace::new(args.rate, Instant::now()),
            progress: Progress::new(letters),
            batch: Batch::default(),
        })
    }

    async fn run(&mut self, shutdown: &Shutdown) -> Result<(), Failure> {
        while let Some(letters) = block_in_place(|| self.source.more())? {
            for letter in letters {
                self.take(letter);
                if self.batch.records.len() >= self.batch_records || self.batch.bytes >= BATCH_BYTES {
                    self.settle(shutdown).await?;
                }
            }
            self.settle(shutdown).await?;
        }
        Ok(())
    }

    /// Decides about one letter.
    fn take(&mut self, letter: Letter) {
        let record = letter.record();
        self.batch.offsets.insert((record.topic, record.partition), record.offset + 1);
        match self.plan.step(&letter) {
            Step::PassOver => self.progress.passed_over(),
            Step::HoldBack(hold) => self.progress.held(&letter, hold, ""),
            Step::Send(_) if self.producer.is_none() => self.progress.sent(&letter),
            Step::Send(record) => {
                self.batch.bytes += record.size_bytes();
                self.batch.records.push(record);
                self.batch.letters.push(letter);
            }
        }
    }

    /// Sends the batch, and commits what is acknowledged and passed over. Nothing of it goes out when the end has begun.
    async fn settle(&mut self, shutdown: &Shutdown) -> Result<(), Failure> {
        let batch = std::mem::take(&mut self.batch);
        if shutdown.is_begun() {
            return Err(interrupted());
        }
        if !batch.records.is_empty() {
            tokio::select! {
                biased;
                () = shutdown.begun() => return Err(interrupted()),
                () = self.pace.wait_for(batch.records.len()) => {}
            }
        }
        let answers = match &self.producer {
            Some(producer) => producer.produce(batch.records).await,
            None => Vec::new(),
        };
        let mut offsets = batch.offsets;
        let mut end = Ok(());
        for (letter, answer) in batch.letters.iter().zip(answers) {
            if let Err(cause) = self.answered(letter, answer) {
                // The group stays before the first letter of a partition that isn't known to be written.
                let record = letter.record();
                let place = (record.topic, record.partition);
                offsets.entry(place).and_modify(|offset| *offset = (*offset).min(record.offset));
                end = end.and(Err(stopped(letter, &cause)));
            }
        }
        if let Some(group) = self.group.as_ref().filter(|_| !offsets.is_empty()) {
            block_in_place(|| group.commit(&offsets, &self.plan.filter.text())).map_err(Failure::of)?;
        }
        end
    }

    /// Counts what became of a letter; an answer that leaves it open comes back.
    fn answered(
        &mut self,
        letter: &Letter,
        answer: Result<RecordMetadata, ProduceError>,
    ) -> Result<(), ProduceError> {
        match answer {
            Ok(_) => self.progress.sent(letter),
            Err(ProduceError::Rejected { cause }) => {
                self.progress.held(letter, Hold::Refused, &format!(": {cause}"));
            }
            Err(open) => return Err(open),
        }
        Ok(())
    }
}

impl Source {
    fn more(&mut self) -> Result<Option<Vec<Letter>>, Failure> {
        match self {
            Self::One(letter) => Ok(letter.take().map(|letter| vec![letter])),
            Self::Many(letters) => letters.more(),
        }
    }
}

fn interrupted() -> Failure {
    Failure::NotOk("interrupted before the end; the same command goes on from here".to_owned())
}

fn stopped(letter: &Letter, cause: &ProduceError) -> Failure {
    let text = format!(
        "{} was not sent back to {}: {cause}; the same command goes on from there",
        letter.place(),
        letter.original_place()
    );
    match cause {
        ProduceError::Denied { .. } => Failure::Refused(text),
        _ => Failure::Unreachable(text),
    }
}
