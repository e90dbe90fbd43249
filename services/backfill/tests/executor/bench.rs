//! Test bench: the executor without Kafka, with a scripted source, and workers that the test runs.

use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use backfill::config::{ExecutorSection, KeeperSection};
use backfill::metric_names::METRICS;
use backfill::range_counts::RangeCounts;
use backfill::sources::Source;
use backfill::stage::executor::{ExecutorStage, INPUT, Settings, SourceHook, Workers};
use backfill::worker::{Job, fetch_chunk};
use chassis::telemetry::{Catalogue, Metrics};
use contracts::{
    BackfillTrigger, ClosedBar, CorporateAction, CoverageChange, DataKind, Event, NewsItem, RangeCompletion,
    RangeFailure, RangeProgress, RangeRequest, Topic, ids,
};
use domain::Timeframe;
use domain::calendar::{Date, day_open};
use kafka_io::{BreakerMeters, KafkaStage, Missing, OutRecord, TableRecord, TableScope};
use pipeline::{Effect, InputPartition, Now, Stage, Verdict};
use testkit::stage_bench::{START_MICROS, now_after, wire};
use testkit::{StageBench, StoredRecord};

pub(crate) use crate::script::{Script, permanent, transient, unknown_symbol};

pub(crate) fn now(seconds: u64) -> Now {
    now_after(Duration::from_secs(seconds))
}

/// Returns the open time of a day bar.
pub(crate) fn day(text: &str) -> i64 {
    day_open(text.parse::<Date>().expect("a date")).micros()
}

/// Workers that record their jobs.
#[derive(Clone, Default)]
struct RecordingWorkers(Arc<Mutex<Vec<Job>>>);

impl Workers for RecordingWorkers {
    fn start(&self, job: Job) -> Result<(), Job> {
        self.0.lock().expect("an intact lock").push(job);
        Ok(())
    }
}

/// The outputs by event.
#[derive(Default)]
pub(crate) struct Outputs {
    pub(crate) bars: Vec<ClosedBar>,
    pub(crate) news: Vec<NewsItem>,
    pub(crate) actions: Vec<CorporateAction>,
    pub(crate) progress: Vec<RangeProgress>,
    pub(crate) coverage: Vec<CoverageChange>,
    /// The records of `coverage`.
    pub(crate) coverage_records: Vec<OutRecord>,
    pub(crate) completed: Vec<RangeCompletion>,
    pub(crate) failed: Vec<RangeFailure>,
    /// The requests of the keeper.
    pub(crate) requested: Vec<RangeRequest>,
    /// The topics of each emission.
    pub(crate) emissions: Vec<Vec<Topic>>,
}

impl Outputs {
    /// Returns (backfill, attempt) of each terminal event.
    pub(crate) fn ends(&self) -> Vec<(String, i32)> {
        let completed = self.completed.iter().map(|end| (end.backfill_id.clone(), end.attempt));
        let failed = self.failed.iter().map(|end| (end.backfill_id.clone(), end.attempt));
        completed.chain(failed).collect()
    }
}

/// A bench that records the outputs, the jobs and the number of released requests.
pub(crate) struct Bench {
    bench: StageBench<ExecutorStage>,
    pub(crate) source: Arc<Script>,
    /// The source of the stage: `source`, unless the test has another.
    fetcher: Arc<dyn Source>,
    pub(crate) outputs: Outputs,
    /// All jobs that reached a worker.
    pub(crate) started: Vec<Job>,
    pub(crate) released: usize,
    jobs: RecordingWorkers,
    metrics: Metrics,
}

impl Deref for Bench {
    type Target = StageBench<ExecutorStage>;

    fn deref(&self) -> &Self::Target {
        &self.bench
    }
}

impl DerefMut for Bench {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.bench
    }
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self::with(ExecutorSection::default())
    }

    pub(crate) fn with(section: ExecutorSection) -> Self {
        let source = Arc::new(Script { timeframes: Mutex::new(vec![Timeframe::Day1]), ..Script::default() });
        Self::start(section.settings(), Arc::clone(&source), source, None)
    }

    /// A bench of a stage with these workers: the test passes their results to the stage.
    pub(crate) fn with_workers(section: ExecutorSection, workers: Box<dyn Workers>) -> Self {
        let source = Arc::new(Script { timeframes: Mutex::new(vec![Timeframe::Day1]), ..Script::default() });
        Self::start(section.settings(), Arc::clone(&source), source, Some(workers))
    }

    /// A bench of a stage with this source; the script has no effect.
    pub(crate) fn over(source: impl Source + 'static) -> Self {
        Self::over_with(ExecutorSection::default(), source)
    }

    /// As [`Self::over`], with these settings.
    pub(crate) fn over_with(section: ExecutorSection, source: impl Source + 'static) -> Self {
        Self::start(section.settings(), Arc::new(Script::default()), Arc::new(source), None)
    }

    /// A bench of a stage with the default keeper and a source of bars of these timeframes.
    pub(crate) fn keeping(timeframes: &[Timeframe]) -> Self {
        Self::keeping_with(KeeperSection::default(), timeframes)
    }

    /// As [`Self::keeping`], with these settings of the keeper.
    pub(crate) fn keeping_with(section: KeeperSection, timeframes: &[Timeframe]) -> Self {
        let settings = ExecutorSection::default().settings();
        let (keeper, live_bars) = (section.keeper(settings.settle), section.live_bars());
        let settings = Settings { keeper, live_bars, ..settings };
        let source = Arc::new(Script { timeframes: Mutex::new(timeframes.to_vec()), ..Script::default() });
        Self::start(settings, Arc::clone(&source), source, None)
    }

    fn start(
        settings: Settings,
        source: Arc<Script>,
        fetcher: Arc<dyn Source>,
        workers: Option<Box<dyn Workers>>,
    ) -> Self {
        let wire = wire("backfill", Topic::BackfillDeadLetter);
        let jobs = RecordingWorkers::default();
        let stage = ExecutorStage::new(
            wire.clone(),
            Arc::clone(&fetcher),
            settings,
            workers.unwrap_or_else(|| Box::new(jobs.clone())),
            7,
        );
        let metrics = Metrics::new(&Catalogue::new().with(METRICS)).expect("valid metrics");
        let stage = stage.with_counts(RangeCounts::new(&metrics.scope("backfill")));
        Self {
            metrics,
            bench: StageBench::new(wire, &[INPUT], stage),
            source,
            fetcher,
            outputs: Outputs::default(),
            started: Vec::new(),
            released: 0,
            jobs,
        }
    }

    /// Reports the source's circuit breaker to these. Before the first request.
    pub(crate) fn guard_source(&mut self, meters: BreakerMeters, hook: Box<SourceHook>) {
        let settings = ExecutorSection::default().settings();
        let source = Arc::clone(&self.fetcher);
        let empty = ExecutorStage::new(self.wire.clone(), source, settings, Box::new(self.jobs.clone()), 7);
        let stage = std::mem::replace(&mut self.bench.stage, empty);
        self.bench.stage = stage.with_source_guard(meters, hook);
    }

    pub(crate) fn partition(&self) -> i32 {
        self.wire.partition_of("AAPL")
    }

    /// Returns the series of ended requests that are above 0, as `outcome class count`.
    pub(crate) fn ended(&self) -> Vec<String> {
        let rendered = self.metrics.render();
        let series = rendered.lines().filter_map(|line| {
            let line = line.strip_prefix("backfill_ranges_total{service=\"backfill\",outcome=\"")?;
            let (outcome, rest) = line.split_once("\",class=\"")?;
            let (class, count) = rest.split_once("\"} ")?;
            (count != "0").then(|| format!("{outcome} {class} {count}"))
        });
        let mut series: Vec<String> = series.collect();
        series.sort_unstable();
        series
    }

    fn own_input(&self) -> InputPartition {
        self.input(INPUT, self.partition())
    }

    /// Processes a request and ticks the stage. Outputs of the verdict are recorded.
    pub(crate) fn request(&mut self, request: &RangeRequest, at: Now) -> Verdict<OutRecord> {
        let verdict = self.process(request, at);
        if let Verdict::Emit(outputs) = &verdict {
            self.record(outputs);
        }
        self.tick(at);
        verdict
    }

    pub(crate) fn hold(&mut self, request: &RangeRequest, at: Now) {
        let verdict = self.request(request, at);
        assert!(matches!(verdict, Verdict::Hold), "{verdict:?}");
    }

    /// Ticks the stage and records its outputs.
    pub(crate) fn tick(&mut self, at: Now) {
        self.bench.tick(at);
        self.record_effects();
    }

    /// Drains the partition and records the outputs.
    pub(crate) fn drain(&mut self, at: Now) {
        let input = self.own_input();
        self.bench.drain(&[input], at);
        self.record_effects();
    }

    /// Returns the jobs that reached a worker since the last call.
    pub(crate) fn take_jobs(&mut self) -> Vec<Job> {
        let jobs = std::mem::take(&mut *self.jobs.0.lock().expect("an intact lock"));
        self.started.extend(&jobs);
        jobs
    }

    /// Runs one job.
    pub(crate) fn work(&mut self, job: &Job, at: Now) {
        let result = fetch_chunk(self.fetcher.as_ref(), job);
        self.complete(result, at);
        self.tick(at);
    }

    /// Runs jobs until no more are started.
    pub(crate) fn work_all(&mut self, at: Now) {
        self.tick(at);
        loop {
            let jobs = self.take_jobs();
            if jobs.is_empty() {
                return;
            }
            for job in jobs {
                self.work(&job, at);
            }
        }
    }

    /// Runs jobs in steps of one second until no request is held.
    pub(crate) fn work_until_all_ended(&mut self, from_seconds: u64) {
        for second in from_seconds..from_seconds + 600 {
            if self.held().is_empty() {
                return;
            }
            self.work_all(now(second));
        }
        panic!("still held: {:?}", self.held());
    }

    pub(crate) fn table_record(&mut self, change: &CoverageChange) {
        let record = self.wire.write(change, None).expect("coverage is small");
        self.stored(&record, 0);
    }

    /// Passes a record of the coverage table to the stage.
    pub(crate) fn stored(&mut self, record: &OutRecord, offset: i64) -> TableRecord {
        let stored = StoredRecord::new(record).at_offset(offset);
        let outcome = self.stage.table_record(TableScope::CoPartitioned, &stored.as_input());
        outcome.expect("schemas without a registry")
    }

    /// Passes a tombstone with this key, in the partition of AAPL, to the coverage table.
    pub(crate) fn tombstone(&mut self, key: &str) -> TableRecord {
        self.stored(&tombstone(self.partition(), key), 0)
    }

    pub(crate) fn table_ends_at(&mut self, end: i64) {
        let partition = self.partition();
        self.stage.table_end(TableScope::CoPartitioned, Topic::CoverageChanged, partition, end);
    }

    pub(crate) fn table_reaches(&mut self, position: i64) {
        let partition = self.partition();
        self.stage.table_position(TableScope::CoPartitioned, Topic::CoverageChanged, partition, position);
    }

    /// Assigns the partition, whose tables are loaded.
    pub(crate) fn assign_loaded(&mut self, at: Now) {
        let input = self.own_input();
        self.assign(&[input], at);
        self.load(Topic::CoverageChanged);
        self.load(Topic::BarClosed);
        self.stage.reached_end(input);
    }

    /// The partition has delivered the requests that it had at assignment.
    pub(crate) fn catch_up(&mut self) {
        let input = self.own_input();
        self.stage.reached_end(input);
    }

    /// The table of this topic has been read up to its end at assignment.
    pub(crate) fn load(&mut self, table: Topic) {
        let partition = self.partition();
        self.stage.table_loaded(TableScope::CoPartitioned, table, partition);
    }

    /// Revokes the partition and assigns it again.
    pub(crate) fn reassign(&mut self, at: Now) {
        let input = self.own_input();
        self.unassign(&[input]);
        self.assign(&[input], at);
    }

    fn record_effects(&mut self) {
        for effect in self.effects() {
            match effect {
                Effect::Emit { outputs, .. }
                | Effect::Append { outputs, .. }
                | Effect::Originate { outputs, .. } => self.record(&outputs),
                Effect::Release { ids } => self.released += ids.len(),
                other => panic!("{other:?}"),
            }
        }
    }

    /// Records outputs. Decoding them proves that they are valid.
    fn record(&mut self, outputs: &[OutRecord]) {
        self.outputs.emissions.push(outputs.iter().map(|output| output.topic).collect());
        for output in outputs {
            match output.topic {
                Topic::BarClosed => self.outputs.bars.push(self.bench.decode(output)),
                Topic::NewsPublished => self.outputs.news.push(self.bench.decode(output)),
                Topic::CorporateActionAnnounced => self.outputs.actions.push(self.bench.decode(output)),
                Topic::RangeProgressed => self.outputs.progress.push(self.bench.decode(output)),
                Topic::CoverageChanged => {
                    self.outputs.coverage.push(self.bench.decode(output));
                    self.outputs.coverage_records.push(output.clone());
                }
                Topic::RangeCompleted => self.outputs.completed.push(self.bench.decode(output)),
                Topic::RangeFailed => self.outputs.failed.push(self.bench.decode(output)),
                Topic::RangeRequested => self.outputs.requested.push(self.bench.decode(output)),
                other => panic!("{other}"),
            }
        }
    }
}

/// Returns a tombstone of the coverage table.
pub(crate) fn tombstone(partition: i32, key: &str) -> OutRecord {
    OutRecord {
        missing: Missing { key: false, payload: true },
        ..OutRecord::new(Topic::CoverageChanged, partition, key, Vec::new())
    }
}

/// Returns a request for the day bars of AAPL (market data of layer 0); its last instant is the open time of the bar of `to`.
pub(crate) fn request(number: u128, from: &str, to: &str) -> RangeRequest {
    assert_eq!(INPUT, RangeRequest::TOPIC);
    RangeRequest {
        event_id: ids::event_id(),
        occurred_at: START_MICROS,
        source: "test".into(),
        correlation_id: Some(format!("cause {number}")),
        backfill_id: id(number),
        attempt: 1,
        symbol: "AAPL".into(),
        layer: 0,
        data_types: vec![DataKind::MarketData],
        start: day(from),
        end: day(to),
        priority: 5,
        trigger: BackfillTrigger::Manual,
        refetch: false,
        cancel: false,
    }
}

/// Returns the text of a backfill id.
pub(crate) fn id(number: u128) -> String {
    uuid::Uuid::from_u128(number).to_string()
}
