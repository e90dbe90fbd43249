//! The executor while the number of workers changes: a pool on a manual clock, whose workers panic and hang.

use std::sync::{Arc, Mutex};

use backfill::config::ExecutorSection;
use backfill::service::start_workers;
use backfill::sources::{Source, SourceBars, SourceError};
use backfill::worker::{Job, JobResult};
use chassis::pool::Pool;
use contracts::RangeRequest;
use domain::{DataType, Interval, Symbol, Timeframe};
use hosting::Reserved;
use kit::Millis;
use testkit::WorkerBench;
use testkit::worker_bench::Attempts;

use crate::bench::{Bench, Script, now, request};

const PANICS: Symbol = Symbol::constant("AAPL");
const HANGS: Symbol = Symbol::constant("MSFT");

/// A source whose calls wait until the gate is opened. The first ones for two symbols fail.
struct FailingSource {
    script: Script,
    attempts: Attempts<Symbol>,
}

impl Source for FailingSource {
    fn name(&self) -> &'static str {
        self.script.name()
    }

    fn serves(&self, data_type: DataType, timeframe: Option<Timeframe>) -> bool {
        self.script.serves(data_type, timeframe)
    }

    fn bars(&self, symbol: Symbol, timeframe: Timeframe, range: Interval) -> Result<SourceBars, SourceError> {
        self.attempts.meet(&symbol);
        self.script.bars(symbol, timeframe, range)
    }
}

/// An executor with the workers of the service.
struct Running {
    bench: Bench,
    pool: Pool<Job, JobResult>,
    workers: WorkerBench<Symbol, JobResult>,
}

impl Running {
    fn new(section: &ExecutorSection) -> Self {
        let (workers, done) = WorkerBench::new(section.running_max, PANICS, HANGS);
        let script = Script { timeframes: Mutex::new(vec![Timeframe::Day1]), ..Script::default() };
        let source = Arc::new(FailingSource { script, attempts: workers.attempts.clone() });
        let started =
            start_workers(section, &workers.context, (source, Reserved::default()), done).expect("threads");
        let pool = started.pool().clone();
        let bench = Bench::with_workers(section.clone(), Box::new(started));
        Self { bench, pool, workers }
    }

    fn target_after(&self, millis: u64) -> usize {
        self.workers.target_after(millis, &self.pool)
    }

    /// Passes the results of this number of calls to the stage, and retries those whose wait has ended.
    fn complete(&mut self, count: usize, seconds: u64) {
        for _ in 0..count {
            self.bench.complete(self.workers.next_result(), now(seconds));
            self.bench.tick(now(seconds));
        }
        // Retries wait for up to a second.
        self.bench.tick(now(seconds + 1));
    }
}

fn requests() -> impl Iterator<Item = RangeRequest> {
    let of = |(number, symbol): (u128, &str)| RangeRequest {
        symbol: symbol.to_owned(),
        ..request(number, "2024-01-02", "2024-01-31")
    };
    [(1, "AAPL"), (2, "MSFT"), (3, "SPY")].into_iter().map(of)
}

/// Returns symbol and open time of each bar, in order.
fn bars(bench: &Bench) -> Vec<(String, i64)> {
    let mut bars: Vec<_> = bench.outputs.bars.iter().map(|bar| (bar.symbol.clone(), bar.open_time)).collect();
    bars.sort_unstable();
    bars
}

#[test]
fn bars_are_exact_while_workers_grow_fail_and_shrink() {
    let worker_deadline_ms = Millis::new(30_000);
    let section =
        ExecutorSection { day_bars_chunk_days: 10, worker_deadline_ms, ..ExecutorSection::default() };
    let mut reference = Bench::with(section.clone());
    requests().for_each(|request| reference.hold(&request, now(0)));
    reference.work_until_all_ended(2);

    let mut running = Running::new(&section);
    requests().for_each(|request| running.bench.hold(&request, now(0)));
    running.bench.tick(now(2));
    running.workers.next_started();
    for workers in 2..=3 {
        assert_eq!(running.target_after(100), workers);
        running.workers.next_started();
    }
    // The call for one symbol panics, that for another hangs. Both are repeated; a symbol has three chunks.
    running.workers.open_gate();
    running.complete(1 + 3, 3);
    running.complete(3, 5);
    assert_eq!(running.bench.outputs.completed.len(), 2);
    assert_eq!(running.target_after(30_001), 3);
    running.complete(1, 70);
    running.complete(3, 72);
    assert_eq!((running.target_after(60_000), running.target_after(60_000)), (2, 1));
    let outputs = &running.bench.outputs;
    assert_eq!((outputs.completed.len(), outputs.failed.len()), (3, 0));
    assert!(outputs.completed.iter().all(|end| end.success));
    assert_eq!(bars(&running.bench), bars(&reference));
}
