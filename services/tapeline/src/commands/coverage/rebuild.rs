//! `tapeline coverage rebuild`: writes the coverage of each series by its held bars.
//!
//! A record has the whole coverage of a series and no header of the executor, so it counts like that of any other producer: the executor
//! reads it at its next assignment. The executor must not run meanwhile, because it would write the coverage that it has in memory.

use std::collections::BTreeMap;
use std::time::Instant;

use backfill::coverage_reader::CoverageReader;
use backfill::service::EXECUTOR_GROUP;
use chassis::{Clock, SystemClock};
use contracts::{BarKey, CoverageChange, CoverageKey, DataKind, Span, Topic, WriterSchemas, ids};
use domain::calendar::date_of;
use domain::{DataType, IntervalSet, Symbol, Timeframe, Timestamp};
use indicatif::ProgressBar;
use kafka_io::{BatchProducer, GroupQuery, KafkaConfig, ProducerLimits, Wire, cluster as kafka_cluster};
use tokio::task::block_in_place;

use super::args::RebuildArgs;
use crate::cluster::{self, EndReader};
use crate::commands::backfill::operator;
use crate::exit::{Cause, Failure};
use crate::history::{Decoder, HeldBars, rebuilt};
use crate::output::{ProgressLines, bar_style, print};

/// The topics that are read.
const TOPICS: [Topic; 2] = [Topic::CoverageChanged, Topic::BarClosed];

/// Records that are written at once.
const BATCH: usize = 500;

/// The maximum number of intervals of a series (`backfill.coverage.changed`).
const INTERVALS_MAX: usize = 10_000;

/// Series with bars: symbol and timeframe.
type BarSeries = (Symbol, Timeframe);

/// Writes coverage.
pub struct CoverageWriter {
    /// Encodes the records.
    pub wire: Wire,
    pub producer: BatchProducer,
}

/// The rebuild of one cluster.
pub struct Rebuild<'a> {
    pub kafka: &'a KafkaConfig,
    pub writers: &'a (dyn WriterSchemas + Sync),
    pub symbol: Option<Symbol>,
    pub operator: String,
    /// `None` in a dry run.
    pub writer: Option<CoverageWriter>,
}

/// Counts of a rebuild.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RebuildCounts {
    pub series: u64,
    pub changed: u64,
    /// Series of which the coverage would have too many intervals: they are not written.
    pub too_large: u64,
    /// Records without a valid event or key.
    pub skipped: u64,
}

/// The state of one partition.
#[derive(Default)]
struct PartitionSeries {
    coverage: BTreeMap<BarSeries, CoverageChange>,
    bars: BTreeMap<BarSeries, HeldBars>,
}

/// Rebuilds the coverage of the cluster.
///
/// # Errors
/// [`Failure::NotOk`] while the executor's group has members, or if a series was not written; a cluster or registry that is unreachable or
/// denies access.
pub async fn run(args: RebuildArgs) -> Result<(), Failure> {
    let kafka = cluster::kafka(&args.cluster)?;
    let registry = cluster::registry(&args.cluster)?;
    block_in_place(|| require_no_members(&kafka))?;
    let writer = match args.dry_run {
        true => None,
        false => {
            block_in_place(|| kafka_cluster::check(&kafka, &TOPICS)).map_err(Failure::query)?;
            let wire = cluster::wire(&registry, &[Topic::CoverageChanged], kafka.partitions).await?;
            let limits = ProducerLimits::default();
            let producer = BatchProducer::new(&kafka, limits).map_err(Failure::unreachable)?;
            Some(CoverageWriter { wire, producer })
        }
    };
    let operator = operator(args.operator.as_deref());
    let rebuild = Rebuild { kafka: &kafka, writers: &registry, symbol: args.symbol, operator, writer };
    let counts = rebuild.run(print).await?;
    let RebuildCounts { series, changed, too_large, skipped } = counts;
    let verb = if args.dry_run { "would change" } else { "changed" };
    print(&format!("{series} series: {changed} {verb}, {too_large} too large, {skipped} records skipped\n"))?;
    block_in_place(|| require_no_members(&kafka))
        .map_err(|failure| failure.context("a service has joined meanwhile, run the command again"))?;
    match too_large {
        0 => Ok(()),
        _ => Err(Failure::not_ok(format!("{too_large} series have more than {INTERVALS_MAX} intervals"))),
    }
}

/// Fails while the executor's group has members.
fn require_no_members(kafka: &KafkaConfig) -> Result<(), Failure> {
    let group = GroupQuery::new(kafka, EXECUTOR_GROUP).map_err(Failure::query)?;
    let members = match group.members() {
        Ok(members) => members,
        Err(error @ kafka_io::QueryError::Embedded { .. }) => {
            return Err(Failure::Usage(Cause::new("coverage rebuild needs a Kafka cluster", error)));
        }
        Err(error) => return Err(Failure::query(error)),
    };
    match members.is_empty() {
        true => Ok(()),
        false => Err(Failure::not_ok(format!(
            "consumer group {EXECUTOR_GROUP} has members: stop the backfill services first: {}",
            members.join(", ")
        ))),
    }
}

impl Rebuild<'_> {
    /// Rebuilds the coverage, one partition at a time, and prints a line for each changed series.
    ///
    /// # Errors
    /// A cluster or registry that is unreachable or denies access; an error of `print`.
    pub async fn run(&self, print: impl Fn(&str) -> Result<(), Failure>) -> Result<RebuildCounts, Failure> {
        let count = block_in_place(|| cluster::partition_count(self.kafka, &TOPICS))?;
        let partitions = match self.symbol {
            Some(symbol) => {
                let own = contracts::partition_for(symbol.as_str().as_bytes(), count);
                own..own + 1
            }
            None => 0..count,
        };
        let bar = ProgressBar::new(u64::from(partitions.len().try_into().unwrap_or(u32::MAX)));
        bar.set_style(bar_style("{bar:24} {pos}/{len} partitions, {eta} left {wide_msg}"));
        let lines = ProgressLines::new(Instant::now());
        let mut counts = RebuildCounts::default();
        for partition in partitions {
            let series = block_in_place(|| self.read(partition, &mut counts))?;
            let changes = self.changes(series, &mut counts, |line| bar.suspend(|| print(line)))?;
            self.write(&changes).await?;
            bar.inc(1);
            if bar.is_hidden() && lines.is_due(Instant::now()) {
                chassis::output::note(&format!(
                    "{}/{} partitions",
                    bar.position(),
                    bar.length().unwrap_or(0)
                ));
            }
        }
        bar.finish_and_clear();
        Ok(counts)
    }

    fn read(&self, partition: i32, counts: &mut RebuildCounts) -> Result<PartitionSeries, Failure> {
        let mut reader = EndReader::of_partition(self.kafka, &TOPICS, partition, "bars and coverage")?;
        let mut decoder = Decoder::new(self.writers);
        let (mut series, mut coverage) = (PartitionSeries::default(), CoverageReader::default());
        let is_selected = |symbol| self.symbol.is_none_or(|selected| selected == symbol);
        while let Some(records) = reader.next_batch()? {
            for record in &records {
                let key = record.key.as_deref().unwrap_or_default();
                if record.topic == Topic::BarClosed {
                    let Some(key) = BarKey::parse(key) else {
                        counts.skipped += 1;
                        continue;
                    };
                    if is_selected(key.symbol) {
                        let of = (key.symbol, key.timeframe);
                        let bars = series.bars.entry(of).or_insert_with(|| HeldBars::new(key.timeframe));
                        bars.set(key.open_time, record.payload.is_some());
                    }
                    continue;
                }
                let Some(key) = CoverageKey::parse(key) else {
                    counts.skipped += 1;
                    continue;
                };
                let Some(timeframe) = key.timeframe.filter(|_| key.data_type == DataType::MarketData) else {
                    continue;
                };
                if !is_selected(key.symbol) || coverage.is_stale(record) {
                    continue;
                }
                if record.payload.is_none() {
                    series.coverage.remove(&(key.symbol, timeframe));
                } else if let Some(change) = decoder.event::<CoverageChange>(record)? {
                    series.coverage.insert((key.symbol, timeframe), change);
                }
            }
        }
        counts.skipped += decoder.skipped;
        Ok(series)
    }

    /// Returns the changed coverage of the series of a partition.
    fn changes(
        &self,
        mut series: PartitionSeries,
        counts: &mut RebuildCounts,
        print: impl Fn(&str) -> Result<(), Failure>,
    ) -> Result<Vec<CoverageChange>, Failure> {
        let now = SystemClock::new().wall_micros();
        let today = date_of(Timestamp::from_micros(now));
        for of in series.coverage.keys() {
            series.bars.entry(*of).or_insert_with(|| HeldBars::new(of.1));
        }
        let mut changes = Vec::new();
        for ((symbol, timeframe), bars) in &series.bars {
            counts.series += 1;
            let before = series.coverage.remove(&(*symbol, *timeframe));
            let covered = before.as_ref().and_then(|change| change.coverage().ok()).unwrap_or_default();
            let after = rebuilt(*timeframe, &covered, bars, today);
            if after == covered {
                continue;
            }
            print(&line(*symbol, *timeframe, &covered, &after))?;
            if after.len() > INTERVALS_MAX {
                counts.too_large += 1;
                continue;
            }
            counts.changed += 1;
            let kept = before.unwrap_or_else(|| without_coverage(*symbol, *timeframe));
            changes.push(CoverageChange {
                event_id: ids::event_id(),
                occurred_at: now,
                source: self.operator.clone(),
                correlation_id: None,
                intervals: after.iter().map(Span::from).collect(),
                ..kept
            });
        }
        Ok(changes)
    }

    async fn write(&self, changes: &[CoverageChange]) -> Result<(), Failure> {
        let Some(CoverageWriter { wire, producer }) = &self.writer else { return Ok(()) };
        for batch in changes.chunks(BATCH) {
            let records = batch.iter().map(|change| wire.write(change, None));
            let records = records.collect::<Result<Vec<_>, _>>().map_err(Failure::not_ok)?;
            for (change, result) in batch.iter().zip(producer.produce(records).await) {
                result.map_err(|error| {
                    let is_denied = matches!(error, kafka_io::ProduceError::Denied { .. });
                    let context = format!("failed to write the coverage of {}", change.symbol);
                    let cause = Cause::new(context, error);
                    if is_denied { Failure::AccessDenied(cause) } else { Failure::Unreachable(cause) }
                })?;
            }
        }
        Ok(())
    }
}

fn line(symbol: Symbol, timeframe: Timeframe, before: &IntervalSet, after: &IntervalSet) -> String {
    let days = |set: &IntervalSet| {
        let micros: i64 = set.iter().map(|part| part.end().micros_since(part.start())).sum();
        micros / 86_400_000_000
    };
    format!(
        "{:<8}  {:<5}  intervals {} -> {}, days {} -> {}\n",
        symbol.as_str(),
        timeframe.as_str(),
        before.len(),
        after.len(),
        days(before),
        days(after)
    )
}

fn without_coverage(symbol: Symbol, timeframe: Timeframe) -> CoverageChange {
    CoverageChange {
        event_id: String::new(),
        occurred_at: 0,
        source: String::new(),
        correlation_id: None,
        symbol: symbol.to_string(),
        data_type: DataKind::MarketData,
        timeframe: timeframe.as_str().to_owned(),
        intervals: Vec::new(),
        wanted: None,
        asked: Vec::new(),
        refetching: None,
    }
}
