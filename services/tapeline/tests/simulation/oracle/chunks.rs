//! Chunks and coverage: the transactions of the executors are replayed in the order of their commits.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use backfill::sources::Source;
use contracts::{ClosedBar, CoverageChange, RangeProgress, Topic};
use domain::{Bar, Interval, IntervalSet, Symbol, Timeframe, Timestamp};
use kafka_io::Wire;

use super::{Broken, broken, decoded};
use crate::log::{Entry, Log};

/// Symbol and name of the timeframe.
type Series = (String, String);

/// A backfill and its attempt.
type Attempt = (String, i32);

/// The records of one transaction, in their order.
#[derive(Default)]
struct Written {
    bars: BTreeMap<Series, Vec<i64>>,
    chunks: BTreeMap<Series, VecDeque<Interval>>,
    coverage: Vec<(Series, CoverageChange)>,
}

/// The state of the replay.
#[derive(Default)]
struct Replay {
    covered: BTreeMap<Series, IntervalSet>,
    /// The refetches that have taken their range out of the coverage.
    refetching: BTreeSet<(Series, Attempt)>,
    counts: ChunkCounts,
}

/// Counts of a run.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct ChunkCounts {
    pub(super) chunks: u64,
    pub(super) refetches: u64,
}

/// Replays all transactions.
pub(super) fn check(log: &Log, wire: &Wire, source: &dyn Source) -> Result<ChunkCounts, Broken> {
    let mut replay = Replay::default();
    for transaction in &log.committed {
        let mut written = Written::default();
        for (at, offset) in transaction {
            if let Some(entry) = log.entry(*at, *offset) {
                written.add(at.0, entry, wire)?;
            }
        }
        written.check_bars(source)?;
        replay.apply(written)?;
    }
    Ok(replay.counts)
}

fn interval(start: i64, last: i64) -> Result<Interval, Broken> {
    let range = Interval::from_inclusive(Timestamp::from_micros(start), Timestamp::from_micros(last));
    range.map_err(|error| Broken { law: "chunk", cause: error.to_string() })
}

impl Written {
    fn add(&mut self, topic: Topic, entry: &Entry, wire: &Wire) -> Result<(), Broken> {
        match topic {
            Topic::BarClosed => {
                let bar: ClosedBar = decoded(wire, entry)?;
                self.bars.entry((bar.symbol, bar.timeframe)).or_default().push(bar.open_time);
            }
            Topic::RangeProgressed => {
                let chunk: RangeProgress = decoded(wire, entry)?;
                let range = interval(chunk.chunk_start, chunk.chunk_end)?;
                self.chunks.entry((chunk.symbol, chunk.timeframe)).or_default().push_back(range);
            }
            Topic::CoverageChanged => {
                let change: CoverageChange = decoded(wire, entry)?;
                self.coverage.push(((change.symbol.clone(), change.timeframe.clone()), change));
            }
            _ => {}
        }
        Ok(())
    }

    /// The transaction has the bars of the source in the ranges of its chunks, each once.
    fn check_bars(&mut self, source: &dyn Source) -> Result<(), Broken> {
        let all: BTreeSet<Series> = self.bars.keys().chain(self.chunks.keys()).cloned().collect();
        for series in all {
            let mut expected = Vec::new();
            for range in self.chunks.get(&series).into_iter().flatten() {
                let fetched = fetched(&series, *range, source)?;
                expected.extend(fetched.iter().map(|bar| bar.open_time.micros()));
            }
            let mut found = self.bars.remove(&series).unwrap_or_default();
            found.sort_unstable();
            expected.sort_unstable();
            if found != expected {
                let (found, expected) = (found.len(), expected.len());
                return broken(
                    "chunk",
                    format!("{found} bars of {series:?} are written, {expected} fetched"),
                );
            }
        }
        Ok(())
    }
}

fn fetched(series: &Series, range: Interval, source: &dyn Source) -> Result<Vec<Bar>, Broken> {
    let symbol =
        Symbol::parse(&series.0).map_err(|error| Broken { law: "chunk", cause: error.to_string() })?;
    let timeframe = Timeframe::from_name(&series.1).unwrap_or(Timeframe::Day1);
    let bars = source.bars(symbol, timeframe, range);
    Ok(bars.map_err(|error| Broken { law: "chunk", cause: error.to_string() })?.records)
}

impl Replay {
    /// Each coverage record of a transaction is the coverage so far, or adds the next chunk, or takes the range of a refetch out.
    fn apply(&mut self, mut written: Written) -> Result<(), Broken> {
        for (series, change) in &written.coverage {
            let mut covered = IntervalSet::new();
            for span in &change.intervals {
                covered.insert(interval(span.start, span.end)?);
            }
            let before = self.covered.entry(series.clone()).or_default();
            let attempt = change.refetching.as_ref().map(|it| (it.backfill_id.clone(), it.attempt));
            if attempt.is_some_and(|attempt| self.refetching.insert((series.clone(), attempt))) {
                self.counts.refetches += 1;
                if covered.iter().any(|range| !before.missing(range).is_empty()) {
                    return broken("coverage", format!("a refetch covers more of {series:?}"));
                }
                *before = covered;
                continue;
            }
            if covered == *before {
                continue;
            }
            let chunk = written.chunks.get_mut(series).and_then(VecDeque::pop_front);
            if let Some(chunk) = chunk {
                self.counts.chunks += 1;
                if before.missing(chunk) != [chunk] {
                    return broken("chunk", format!("{chunk:?} of {series:?} is fetched again"));
                }
                before.insert(chunk);
            }
            if covered != *before {
                let text = format!("{series:?} is covered in {covered:?}, written is {before:?}");
                return broken("coverage", text);
            }
        }
        match written.chunks.iter().find(|(_, chunks)| !chunks.is_empty()) {
            Some((series, chunks)) => broken("coverage", format!("{chunks:?} of {series:?} are not covered")),
            None => Ok(()),
        }
    }
}
