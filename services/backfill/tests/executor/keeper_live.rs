//! The keeper and live bars: what they keep complete is covered without a fetch, and exactly what they lack is requested.

use backfill::metric_names as names;
use backfill::stage::executor::INPUT;
use contracts::{ClosedBar, CoverageChange, Span, Topic, ids};
use domain::Timeframe;
use kafka_io::{KafkaStage, Missing, OutRecord, TableRecord, TableScope};
use pipeline::Stage;
use testkit::StoredRecord;
use testkit::stage_bench::START_MICROS;

use crate::bench::{Bench, day, now};
use crate::keeper::{DAY_MICROS, series};

const MINUTE: i64 = 60_000_000;

/// 04:00 in New York on 2024-07-11, in seconds after the start, which is the close of the session before.
const FOUR: u64 = 12 * 3_600;
const DAY: u64 = 24 * 3_600;

pub(crate) fn live(timeframe: &str, open_time: i64) -> ClosedBar {
    ClosedBar {
        event_id: ids::event_id(),
        occurred_at: open_time,
        source: "feed".into(),
        correlation_id: None,
        symbol: "AAPL".into(),
        timeframe: timeframe.into(),
        open_time,
        open: 1.0,
        high: 1.0,
        low: 1.0,
        close: 1.0,
        volume: 1.0,
        vwap: None,
        trades: None,
        backfilled: false,
    }
}

impl Bench {
    /// Passes a record of the topic of the bars, appended this many seconds after the start, to the stage.
    fn bar_record(&mut self, record: &OutRecord, second: u64) -> TableRecord {
        let stored = StoredRecord::new(record).appended_at(now(second));
        let outcome = self.stage.table_record(TableScope::CoPartitioned, &stored.as_input());
        outcome.expect("schemas without a registry")
    }

    pub(crate) fn bar(&mut self, bar: &ClosedBar, second: u64) {
        let record = self.wire.write(bar, None).expect("a bar is small");
        assert_eq!(self.bar_record(&record, second), TableRecord::Taken);
    }

    /// A keeper of day bars, which are covered until 2024-07-09.
    fn of_days() -> Self {
        let mut bench = Self::keeping(&[Timeframe::Day1]);
        bench.table_record(&days_covered());
        bench.assign_loaded(now(0));
        bench
    }

    fn requested(&self) -> Vec<(i64, i64)> {
        self.outputs.requested.iter().map(|request| (request.start, request.end)).collect()
    }

    fn sessions_by_live_bars(&mut self) -> u64 {
        self.note(names::KEEPER_LIVE_SESSIONS.name)
    }
}

/// The coverage of the dates until 2024-07-09.
pub(crate) fn days_covered() -> CoverageChange {
    let span = Span { start: day("2024-05-01"), end: day("2024-07-10") - 1 };
    CoverageChange { intervals: vec![span], ..series(&[], Some("2024-05-01")) }
}

#[test]
fn complete_live_session_is_covered_without_a_fetch() {
    let mut bench = Bench::of_days();
    bench.bar(&live("1day", day("2024-07-10")), 60);
    bench.tick(now(FOUR - 1));
    assert!(bench.outputs.emissions.is_empty(), "not final: {:?}", bench.outputs.emissions);
    bench.tick(now(FOUR + 60));
    assert_eq!(bench.outputs.emissions, [[Topic::CoverageChanged]]);
    let whole = Span { start: day("2024-05-01"), end: day("2024-07-11") - 1 };
    assert_eq!(bench.outputs.coverage[0].intervals, [whole]);
    assert_eq!(bench.outputs.coverage[0].wanted, days_covered().wanted);
    // Its bar is no longer held.
    for days in 1..4 {
        bench.bar(&live("1day", day("2024-07-10") + i64::try_from(days).unwrap() * DAY_MICROS), days * DAY);
        bench.tick(now(days * DAY + FOUR + 60));
    }
    assert_eq!((bench.requested(), bench.sessions_by_live_bars()), (vec![], 3), "07-13 is a Saturday");
}

#[test]
fn exactly_the_session_without_a_live_bar_is_requested() {
    let mut bench = Bench::of_days();
    for date in ["2024-07-10", "2024-07-12"] {
        bench.bar(
            &live("1day", day(date)),
            u64::try_from((day(date) - START_MICROS) / 1_000_000).unwrap_or(0),
        );
        bench.tick(now(FOUR + 60));
    }
    bench.tick(now(2 * DAY + FOUR + 120));
    assert_eq!(bench.requested(), [(day("2024-07-11"), day("2024-07-12") - 1)]);
    assert_eq!(bench.sessions_by_live_bars(), 2);
}

#[test]
fn fetched_and_deleted_bars_are_not_live() {
    let mut bench = Bench::of_days();
    let open_time = day("2024-07-10");
    bench.bar(&ClosedBar { backfilled: true, ..live("1day", open_time) }, 60);
    bench.tick(now(FOUR + 60));
    let date = [(open_time, day("2024-07-11") - 1)];
    assert_eq!(bench.requested(), date);

    let mut bench = Bench::of_days();
    bench.bar(&live("1day", open_time), 60);
    let key = format!("AAPL|1day|{open_time}");
    let tombstone = OutRecord {
        missing: Missing { key: false, payload: true },
        ..OutRecord::new(Topic::BarClosed, bench.partition(), key, Vec::new())
    };
    assert_eq!(bench.bar_record(&tombstone, 70), TableRecord::Taken);
    bench.tick(now(FOUR + 60));
    assert_eq!(bench.requested(), date);
}

#[test]
fn invalid_bar_is_skipped_and_an_old_one_is_not_read() {
    let mut bench = Bench::of_days();
    let mut record = bench.wire.write(&live("1day", day("2024-07-10")), None).unwrap();
    record.payload.truncate(7);
    assert_eq!(bench.bar_record(&record, 60), TableRecord::Skipped);
    assert_eq!(bench.bar_record(&record, 5 * DAY), TableRecord::Taken);
    record.key = b"AAPL|1day".to_vec();
    assert_eq!(bench.bar_record(&record, 60), TableRecord::Skipped);
}

#[test]
fn keeper_starts_when_the_live_bars_are_read() {
    let mut bench = Bench::keeping(&[Timeframe::Day1]);
    let (input, partition) = (bench.input(INPUT, bench.partition()), bench.partition());
    bench.table_record(&days_covered());
    bench.assign(&[input], now(0));
    bench.load(Topic::CoverageChanged);
    bench.stage.reached_end(input);
    bench.tick(now(FOUR + 60));
    assert!(bench.outputs.emissions.is_empty());
    assert!(bench.stage.table_back(Topic::BarClosed).is_some_and(|back| back.as_secs() == 2 * DAY));
    bench.bar(&live("1day", day("2024-07-10")), 60);
    bench.load(Topic::BarClosed);
    bench.tick(now(FOUR + 61));
    assert_eq!((bench.requested(), bench.sessions_by_live_bars()), (vec![], 1));
    // The topic is read again after a revocation.
    bench.reassign(now(FOUR + 62));
    for topic in [Topic::CoverageChanged, Topic::BarClosed] {
        bench.stage.table_released(topic, partition);
    }
    bench.table_record(&days_covered());
    bench.assign_loaded(now(FOUR + 63));
    bench.tick(now(FOUR + 64));
    assert_eq!(bench.requested(), [(day("2024-07-10"), day("2024-07-11") - 1)]);
}

/// Minutes of the session that closes at the start.
#[test]
fn missing_minutes_of_a_live_session_are_requested() {
    let mut bench = Bench::keeping(&[Timeframe::Minute1]);
    let change = CoverageChange { timeframe: "1min".into(), ..days_covered() };
    bench.table_record(&change);
    bench.assign_loaded(now(0));
    let open = START_MICROS - 390 * MINUTE;
    let bar = |bench: &mut Bench, minute: i64| bench.bar(&live("1min", open + minute * MINUTE), 0);
    // Three bars lack from 12:30, two from 14:30.
    (0..390).filter(|minute| !(180..183).contains(minute) && !(300..302).contains(minute)).for_each(
        |minute| {
            bar(&mut bench, minute);
        },
    );
    bench.tick(now(3_600));
    let hole = (open + 180 * MINUTE, open + 183 * MINUTE - 1);
    assert_eq!(bench.requested(), [hole]);
    // The feed delivers them late.
    (180..183).chain(300..302).for_each(|minute| bar(&mut bench, minute));
    bench.tick(now(FOUR + 60));
    assert_eq!((bench.requested().len(), bench.sessions_by_live_bars()), (1, 1));
    let session = Span { start: open, end: START_MICROS - 1 };
    let last = bench.outputs.coverage.last().unwrap();
    assert_eq!((last.intervals.last(), last.asked.len()), (Some(&session), 0));
}
