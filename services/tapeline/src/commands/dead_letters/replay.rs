//! `tapeline dead-letters replay`: sends dead letters back. The group's offset moves only past acknowledged ones.
//!
//! A replay that is killed between an acknowledgement and the commit after it sends those records again when it continues: at most one
//! batch, a tenth of a second at the rate. Two concurrent replays of one group send everything twice.

use std::collections::BTreeMap;
use std::time::Duration;

use chassis::{Clock, Shutdown, SystemClock, signals};
use contracts::Topic;
use kafka_io::{
    BatchProducer, ClusterQuery, GroupOffsets, KafkaConfig, OutRecord, ProduceError, ProducerLimits,
    RecordMetadata,
};
use kit::SaturatingFrom;
use tokio::task::block_in_place;
use tokio::time::Instant;

use super::args::DeadLetterReplayArgs;
use super::dead_letter::DeadLetter;
use super::filter::Filter;
use super::rate_limiter::RateLimiter;
use super::reader::{Bounds, DeadLetterReader, Offsets};
use super::replay_plan::{ReplayAction, ReplayPlan, WithholdReason};
use super::replay_progress::ReplayProgress;
use crate::cluster;
use crate::exit::{Cause, Failure};
use crate::output::print;
use crate::record_position::RecordPosition;

/// Batches a second. A killed replay may repeat the batch between two commits.
const BATCHES_PER_SECOND: u32 = 10;

/// Time limit of an acknowledgement. Longer than librdkafka retries, so that its result is known.
const ACKNOWLEDGE_TIMEOUT: Duration = Duration::from_secs(40);

/// Size at which a batch is sent. A single record may be larger.
const BATCH_BYTES: usize = 8 << 20;

/// Sends the selected dead letters up to their end at the start, or until a signal.
///
/// # Errors
/// [`Failure::NotOk`] if a dead letter was withheld or a signal interrupted the replay; a failed cluster query or write.
pub async fn run(args: &DeadLetterReplayArgs) -> Result<(), Failure> {
    let shutdown = Shutdown::new();
    signals::listen(&shutdown).map_err(|error| Failure::start("signal handlers", error))?;
    replay(args, &cluster::kafka(&args.cluster)?, &shutdown).await
}

/// Runs the replay on this cluster, until `shutdown` begins.
///
/// # Errors
/// As for [`run`].
pub async fn replay(
    args: &DeadLetterReplayArgs,
    kafka: &KafkaConfig,
    shutdown: &Shutdown,
) -> Result<(), Failure> {
    let filter = Filter::new(&args.filter, SystemClock::new().wall_micros().div_euclid(1_000));
    let read =
        |path: &std::path::PathBuf| std::fs::read(path).map_err(|error| Failure::file("read", path, error));
    let payload = args.payload_file.as_ref().map(read).transpose()?;
    let position = filter.position()?;
    let partitions = block_in_place(|| partitions(kafka))?;
    let plan = ReplayPlan { filter, generation_max: args.max_generation, payload, partitions };
    let mut replay = match position {
        Some(position) => block_in_place(|| Replay::of_one(args, kafka, plan, position))?,
        None => block_in_place(|| Replay::of_group(args, kafka, plan))?,
    };
    let result = replay.run(shutdown).await;
    let printed = print(&replay.progress.summary(if args.dry_run { "would send" } else { "sent" }));
    result.and(printed)?;
    let withheld = replay.progress.withheld_total();
    if withheld > 0 {
        return Err(Failure::not_ok(format!(
            "{withheld} dead letters withheld: see `tapeline dead-letters show`"
        )));
    }
    Ok(())
}

/// Fetches the partition count of each topic of events.
fn partitions(kafka: &KafkaConfig) -> Result<BTreeMap<Topic, i32>, Failure> {
    let cluster = ClusterQuery::new(kafka).map_err(Failure::query)?;
    let topics = Topic::ALL.iter().copied().filter(|topic| !topic.is_dead_letter());
    topics.map(|topic| Ok((topic, cluster.partitions(topic).map_err(Failure::query)?))).collect()
}

struct Replay {
    plan: ReplayPlan,
    letters: Letters,
    /// `None` in a dry run.
    producer: Option<BatchProducer>,
    /// Stores the progress. `None` for a single dead letter and in a dry run.
    group: Option<GroupOffsets>,
    batch_records: usize,
    limiter: RateLimiter,
    progress: ReplayProgress,
    batch: Batch,
}

/// The dead letters of a replay.
enum Letters {
    One(Option<DeadLetter>),
    Many(Box<DeadLetterReader>),
}

/// The dead letters processed since the last commit.
#[derive(Default)]
struct Batch {
    letters: Vec<DeadLetter>,
    records: Vec<OutRecord>,
    bytes: usize,
    /// The offsets after what was processed.
    offsets: Offsets,
}

impl Replay {
    fn of_one(
        args: &DeadLetterReplayArgs,
        kafka: &KafkaConfig,
        plan: ReplayPlan,
        position: RecordPosition,
    ) -> Result<Self, Failure> {
        let dead_letter = DeadLetterReader::read_one(kafka, position)?;
        Self::new(args, kafka, plan, (Letters::One(Some(dead_letter)), None, 1))
    }

    /// Replays from the group's committed offsets to the current ends.
    fn of_group(args: &DeadLetterReplayArgs, kafka: &KafkaConfig, plan: ReplayPlan) -> Result<Self, Failure> {
        let topics = plan.filter.topics();
        let Bounds { lows, ends } = Bounds::fetch(kafka, &topics)?;
        let group = GroupOffsets::new(kafka, &args.group).map_err(Failure::query)?;
        let committed = group.committed(ends.keys().copied()).map_err(Failure::query)?;
        let text = plan.filter.text();
        // Offsets reset by Kafka's own tool have no metadata. They are accepted with any filters.
        if let Some(other) = committed.values().find(|it| !it.metadata.is_empty() && it.metadata != text) {
            return Err(Failure::usage(format!(
                "group {} was used with other filters ({}) and skipped what they exclude; current filters: {text}; use another --group",
                args.group, other.metadata
            )));
        }
        let starts: Offsets = committed.into_iter().map(|(partition, it)| (partition, it.offset)).collect();
        let from = |partition| starts.get(partition).copied().unwrap_or(0).max(lows[partition]);
        let total = ends.iter().map(|(partition, end)| u64::saturating_from(end - from(partition))).sum();
        if !starts.is_empty() {
            chassis::output::note(&format!(
                "group {} continues from its committed offsets: at most {total} dead letters remain",
                args.group
            ));
        }
        let letters = Letters::Many(Box::new(DeadLetterReader::open(kafka, &topics, &starts, ends)?));
        Self::new(args, kafka, plan, (letters, Some(group), total))
    }

    fn new(
        args: &DeadLetterReplayArgs,
        kafka: &KafkaConfig,
        plan: ReplayPlan,
        (letters, group, total): (Letters, Option<GroupOffsets>, u64),
    ) -> Result<Self, Failure> {
        let limits = ProducerLimits { timeout: ACKNOWLEDGE_TIMEOUT, ..ProducerLimits::default() };
        let producer = (!args.dry_run).then(|| BatchProducer::new(kafka, limits)).transpose();
        Ok(Self {
            plan,
            letters,
            group: group.filter(|_| !args.dry_run),
            producer: producer.map_err(Failure::query)?,
            batch_records: usize::saturating_from(args.rate.div_ceil(BATCHES_PER_SECOND)),
            limiter: RateLimiter::new(args.rate, Instant::now()),
            progress: ReplayProgress::new(total),
            batch: Batch::default(),
        })
    }

    async fn run(&mut self, shutdown: &Shutdown) -> Result<(), Failure> {
        while let Some(letters) = block_in_place(|| self.letters.next_batch())? {
            for dead_letter in letters {
                self.add(dead_letter);
                if self.batch.records.len() >= self.batch_records || self.batch.bytes >= BATCH_BYTES {
                    self.send_and_commit(shutdown).await?;
                }
            }
            self.send_and_commit(shutdown).await?;
        }
        Ok(())
    }

    /// Adds a dead letter to the batch, or counts it as skipped or withheld.
    fn add(&mut self, dead_letter: DeadLetter) {
        let record = dead_letter.record();
        self.batch.offsets.insert((record.topic, record.partition), record.offset + 1);
        match self.plan.action(&dead_letter) {
            ReplayAction::Skip => self.progress.skipped(),
            ReplayAction::Withhold(reason) => self.progress.withheld(&dead_letter, reason, ""),
            ReplayAction::Send(_) if self.producer.is_none() => self.progress.sent(&dead_letter),
            ReplayAction::Send(record) => {
                self.batch.bytes += record.size_bytes();
                self.batch.records.push(record);
                self.batch.letters.push(dead_letter);
            }
        }
    }

    /// Sends the batch, and commits the offsets after what is acknowledged, skipped and withheld. Sends nothing once the shutdown has
    /// begun.
    async fn send_and_commit(&mut self, shutdown: &Shutdown) -> Result<(), Failure> {
        let batch = std::mem::take(&mut self.batch);
        if shutdown.is_begun() {
            return Err(interrupted());
        }
        if !batch.records.is_empty() {
            tokio::select! {
                biased;
                () = shutdown.begun() => return Err(interrupted()),
                () = self.limiter.wait_for(batch.records.len()) => {}
            }
        }
        let results = match &self.producer {
            Some(producer) => producer.produce(batch.records).await,
            None => Vec::new(),
        };
        let mut offsets = batch.offsets;
        let mut result = Ok(());
        for (dead_letter, produced) in batch.letters.iter().zip(results) {
            if let Err(error) = self.count(dead_letter, produced) {
                // The group's offset stays at the first record of a partition whose write failed or is in doubt.
                let record = dead_letter.record();
                let partition = (record.topic, record.partition);
                offsets.entry(partition).and_modify(|offset| *offset = (*offset).min(record.offset));
                result = result.and(Err(not_sent(dead_letter, error)));
            }
        }
        if let Some(group) = self.group.as_ref().filter(|_| !offsets.is_empty()) {
            block_in_place(|| group.commit(&offsets, &self.plan.filter.text())).map_err(Failure::query)?;
        }
        result
    }

    /// Counts an acknowledged or rejected record. Returns any other error.
    fn count(
        &mut self,
        dead_letter: &DeadLetter,
        produced: Result<RecordMetadata, ProduceError>,
    ) -> Result<(), ProduceError> {
        match produced {
            Ok(_) => self.progress.sent(dead_letter),
            Err(ProduceError::Rejected { cause }) => {
                self.progress.withheld(dead_letter, WithholdReason::Rejected, &format!(": {cause}"));
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

impl Letters {
    /// Reads the next dead letters. `None` at the end. Blocks.
    fn next_batch(&mut self) -> Result<Option<Vec<DeadLetter>>, Failure> {
        match self {
            Self::One(dead_letter) => Ok(dead_letter.take().map(|dead_letter| vec![dead_letter])),
            Self::Many(reader) => reader.next_batch(),
        }
    }
}

fn interrupted() -> Failure {
    Failure::not_ok("replay interrupted: run the same command to continue")
}

fn not_sent(dead_letter: &DeadLetter, error: ProduceError) -> Failure {
    let context = format!(
        "failed to send {} back to {}, run the same command to retry",
        dead_letter.position(),
        dead_letter.original_position()
    );
    let is_denied = matches!(error, ProduceError::Denied { .. });
    let cause = Cause::new(context, error);
    if is_denied { Failure::AccessDenied(cause) } else { Failure::Unreachable(cause) }
}
