//! The keeper over kills of the instance: what was committed decides, and each hole is requested once and filled once.
//!
//! An instance queues its emissions. A transaction commits the first ones; a kill discards the rest. The next instance restores the
//! committed coverage and ends, and receives the requests that are not resolved.
#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use backfill::config::{ExecutorSection, KeeperSection};
use backfill::stage::executor::{ExecutorStage, INPUT, Settings, Workers};
use backfill::worker::{Job, fetch_chunk};
use contracts::{ClosedBar, RangeRequest, Topic};
use domain::Timeframe;
use kafka_io::{KafkaStage, OutRecord, TableScope};
use pipeline::{Effect, Stage, Verdict};
use rand_core::{RngCore, SeedableRng};
use rand_pcg::Pcg64Mcg;
use testkit::stage_bench::{now_after, wire};
use testkit::{StageBench, StoredRecord};

use crate::bench::{Script, day};
use crate::keeper::{holes, series_with_holes};

const SEEDS: u64 = 300;
/// Steps with kills, then the same number without.
const STEPS: u64 = 120;

#[derive(Clone, Default)]
struct Jobs(Arc<Mutex<Vec<Job>>>);

impl Workers for Jobs {
    fn start(&self, job: Job) -> Result<(), Job> {
        self.0.lock().unwrap().push(job);
        Ok(())
    }
}

/// Outputs that a transaction commits together, and the requests (by index) that it resolves.
pub(crate) struct Emission {
    resolved: Vec<usize>,
    outputs: Vec<OutRecord>,
}

/// Everything that is committed.
#[derive(Default)]
pub(crate) struct Log {
    pub(crate) coverage: BTreeMap<Vec<u8>, OutRecord>,
    pub(crate) requests: Vec<OutRecord>,
    pub(crate) resolved: Vec<bool>,
    pub(crate) ends: Vec<OutRecord>,
    pub(crate) bars: Vec<OutRecord>,
    pub(crate) keeper: KeeperSection,
    /// Bars of another producer, with their append times.
    pub(crate) live: Vec<(OutRecord, u64)>,
}

impl Log {
    pub(crate) fn commit(&mut self, emission: Emission) {
        for index in emission.resolved {
            self.resolved[index] = true;
        }
        for output in emission.outputs {
            match output.topic {
                Topic::CoverageChanged => drop(self.coverage.insert(output.key.clone(), output)),
                Topic::RangeRequested => {
                    self.requests.push(output);
                    self.resolved.push(false);
                }
                Topic::RangeCompleted | Topic::RangeFailed => self.ends.push(output),
                Topic::BarClosed => self.bars.push(output),
                _ => {}
            }
        }
    }
}

/// One life of the service.
pub(crate) struct Owner {
    bench: StageBench<ExecutorStage>,
    jobs: Jobs,
    source: Arc<Script>,
    delivered: usize,
    pub(crate) queued: Vec<Emission>,
    /// The number of live bars that were read.
    read: usize,
}

impl Owner {
    pub(crate) fn start(log: &Log, second: u64) -> Self {
        let wire = wire("backfill", Topic::BackfillDeadLetter);
        let section = ExecutorSection { day_bars_chunk_days: 3, ..ExecutorSection::default() };
        let settings = section.settings();
        let (keeper, live_bars) = (log.keeper.keeper(settings.settle), log.keeper.live_bars());
        let settings = Settings { keeper, live_bars, ..settings };
        let source = Arc::new(Script { timeframes: Mutex::new(vec![Timeframe::Day1]), ..Script::default() });
        let jobs = Jobs::default();
        let stage = ExecutorStage::new(wire.clone(), source.clone(), settings, Box::new(jobs.clone()), 7);
        let mut bench = StageBench::new(wire, &[INPUT], stage);
        let now = now_after(Duration::from_secs(second));
        for end in &log.ends {
            bench.restore(end, now, now);
        }
        for (offset, record) in (0..).zip(log.coverage.values()) {
            let stored = StoredRecord::new(record).at_offset(offset);
            bench.stage.table_record(TableScope::CoPartitioned, &stored.as_input()).unwrap();
        }
        let partition = bench.wire.partition_of("AAPL");
        let input = bench.input(INPUT, partition);
        bench.assign(&[input], now);
        bench.stage.table_loaded(TableScope::CoPartitioned, Topic::CoverageChanged, partition);
        let back = bench.stage.table_back(Topic::BarClosed).unwrap().as_secs();
        let read = log.live.iter().filter(|(_, appended)| appended + back < second).count();
        let mut owner = Self { bench, jobs, source, delivered: 0, queued: Vec::new(), read };
        owner.read_live(log);
        owner.bench.stage.table_loaded(TableScope::CoPartitioned, Topic::BarClosed, partition);
        owner
    }

    /// Reads the live bars that are not read.
    pub(crate) fn read_live(&mut self, log: &Log) {
        for (record, appended) in &log.live[self.read..] {
            let stored = StoredRecord::new(record).appended_at(now_after(Duration::from_secs(*appended)));
            self.bench.stage.table_record(TableScope::CoPartitioned, &stored.as_input()).unwrap();
        }
        self.read = log.live.len();
    }

    pub(crate) fn deliver(&mut self, log: &Log, second: u64) {
        let now = now_after(Duration::from_secs(second));
        while self.delivered < log.requests.len() {
            let index = self.delivered;
            self.delivered += 1;
            if log.resolved[index] {
                continue;
            }
            self.bench.set_next_offset(i64::try_from(index).unwrap());
            let outputs = match self.bench.process_record(&log.requests[index], now) {
                Verdict::Hold => continue,
                Verdict::Emit(outputs) => outputs,
                Verdict::Drop(_) => Vec::new(),
                other => panic!("{other:?}"),
            };
            self.collect();
            self.queued.push(Emission { resolved: vec![index], outputs });
        }
        let input = self.bench.input(INPUT, self.bench.wire.partition_of("AAPL"));
        self.bench.stage.reached_end(input);
    }

    pub(crate) fn work(&mut self, second: u64) {
        let job = self.jobs.0.lock().unwrap().pop();
        if let Some(job) = job {
            let result = fetch_chunk(self.source.as_ref(), &job);
            self.bench.complete(result, now_after(Duration::from_secs(second)));
        }
    }

    pub(crate) fn tick(&mut self, second: u64) {
        self.bench.tick(now_after(Duration::from_secs(second)));
    }

    pub(crate) fn collect(&mut self) {
        for effect in self.bench.effects() {
            self.queued.push(match effect {
                Effect::Emit { ids, outputs, .. } => {
                    let index = |id: pipeline::RecordId| usize::try_from(id.offset).unwrap();
                    Emission { resolved: ids.into_iter().map(index).collect(), outputs }
                }
                Effect::Append { outputs, .. } | Effect::Originate { outputs, .. } => {
                    Emission { resolved: Vec::new(), outputs }
                }
                other => panic!("{other:?}"),
            });
        }
    }
}

/// Runs a seed and returns everything that is committed at the end, and the number of kills.
fn run(seed: u64) -> (Log, u32) {
    let (mut rng, mut log, mut kills) = (Pcg64Mcg::seed_from_u64(seed), Log::default(), 0);
    let wire = wire("backfill", Topic::BackfillDeadLetter);
    let first = wire.write(&series_with_holes(), None).unwrap();
    log.coverage.insert(first.key.clone(), first);
    let mut owner = Owner::start(&log, 0);
    for second in 0..2 * STEPS {
        match rng.next_u32() % 4 {
            0 => owner.deliver(&log, second),
            1 => owner.work(second),
            _ => owner.tick(second),
        }
        owner.collect();
        let is_calm = second >= STEPS;
        let committed = match rng.next_u32() % 3 {
            _ if is_calm => owner.queued.len(),
            0 => rng.next_u32() as usize % (owner.queued.len() + 1),
            _ => 0,
        };
        owner.queued.drain(..committed).for_each(|emission| log.commit(emission));
        if !is_calm && rng.next_u32() % 12 == 0 {
            kills += 1;
            owner = Owner::start(&log, second);
        }
    }
    (log, kills)
}

#[test]
fn killed_keeper_requests_and_fills_each_hole_once() {
    let wire = wire("backfill", Topic::BackfillDeadLetter);
    let mut kills = 0;
    for seed in 0..SEEDS {
        let (log, killed) = run(seed);
        kills += killed;
        let request = |record: &OutRecord| -> RangeRequest {
            wire.read_table(&StoredRecord::new(record).as_input()).unwrap().unwrap()
        };
        let mut requested: Vec<(i64, i64)> =
            log.requests.iter().map(request).map(|request| (request.start, request.end)).collect();
        requested.sort_unstable();
        assert_eq!(requested, holes(), "seed {seed}");
        assert!(log.resolved.iter().all(|resolved| *resolved), "seed {seed}: {:?}", log.resolved);
        let mut filled: BTreeMap<i64, u32> = BTreeMap::new();
        for record in &log.bars {
            let bar: ClosedBar = wire.read_table(&StoredRecord::new(record).as_input()).unwrap().unwrap();
            *filled.entry(bar.open_time).or_default() += 1;
        }
        for session in ["2024-05-10", "2024-05-13", "2024-06-03", "2024-06-04", "2024-07-08", "2024-07-09"] {
            assert_eq!(filled.get(&day(session)), Some(&1), "seed {seed}: {session}");
        }
        assert!(filled.values().all(|times| *times == 1), "seed {seed}: {filled:?}");
    }
    assert!(kills > 1_000, "{kills}");
}
