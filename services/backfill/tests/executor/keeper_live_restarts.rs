//! The keeper and live bars over kills of the instance, against the calendar: each session is covered by its live bar or fetched once.
#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

use std::collections::{BTreeMap, BTreeSet};

use backfill::config::KeeperSection;
use contracts::{ClosedBar, CoverageChange, Event, RangeRequest, Topic};
use domain::calendar::{Date, day_open, is_session, session_close};
use kafka_io::OutRecord;
use rand_core::{RngCore, SeedableRng};
use rand_pcg::Pcg64Mcg;
use testkit::StoredRecord;
use testkit::stage_bench::{START_MICROS, wire};

use crate::keeper_live::{days_covered, live};
use crate::keeper_restarts::{Log, Owner};

const SEEDS: u64 = 40;
const DAYS: u64 = 24;
const HOUR: u64 = 3_600;
/// Two hours.
const STEP: u64 = 2 * HOUR;

/// The sessions after the initial coverage that are final at the end.
fn sessions() -> Vec<Date> {
    let first: Date = "2024-07-10".parse().unwrap();
    let dates = std::iter::successors(Some(first), |date| date.tomorrow().ok());
    let end = START_MICROS + i64::try_from(DAYS * 24 * HOUR).unwrap() * 1_000_000;
    let is_final = |date: &Date| day_open(*date).micros() + 28 * 3_600_000_000 <= end;
    dates.take_while(is_final).filter(|date| is_session(*date)).collect()
}

fn decoded<E: Event>(record: &OutRecord) -> E {
    wire("backfill", Topic::BackfillDeadLetter)
        .read_table(&StoredRecord::new(record).as_input())
        .unwrap()
        .unwrap()
}

/// Runs a seed, in which the feed omits these dates. Returns what is committed at the end, and the number of kills.
fn run(seed: u64, omitted: &BTreeSet<Date>, keeper: KeeperSection) -> (Log, u32) {
    let log = Log { keeper, ..Log::default() };
    let (mut rng, mut log, mut kills) = (Pcg64Mcg::seed_from_u64(seed), log, 0);
    let wire = wire("backfill", Topic::BackfillDeadLetter);
    let first = wire.write(&days_covered(), None).unwrap();
    log.coverage.insert(first.key.clone(), first);
    let mut feed = sessions().into_iter().filter(|date| !omitted.contains(date)).peekable();
    let mut owner = Owner::start(&log, 0);
    for second in (0..DAYS * 24 * HOUR).step_by(usize::try_from(STEP).unwrap()) {
        let wall = START_MICROS + i64::try_from(second).unwrap() * 1_000_000;
        while let Some(date) = feed.next_if(|date| session_close(*date).micros() <= wall) {
            log.live.push((wire.write(&live("1day", day_open(date).micros()), None).unwrap(), second));
        }
        let is_calm = second > (DAYS - 1) * 24 * HOUR;
        for moment in second..second + 12 {
            match rng.next_u32() % 5 {
                0 => owner.deliver(&log, moment),
                1 | 2 => owner.work(moment),
                3 => owner.read_live(&log),
                _ => owner.tick(moment),
            }
            owner.collect();
            let committed =
                if is_calm { owner.queued.len() } else { rng.next_u32() as usize % (owner.queued.len() + 1) };
            owner.queued.drain(..committed).for_each(|emission| log.commit(emission));
        }
        if !is_calm && rng.next_u32() % 8 == 0 {
            kills += 1;
            owner = Owner::start(&log, second + 12);
        }
    }
    (log, kills)
}

#[test]
fn killed_keeper_fetches_only_sessions_without_live_bars() {
    let mut kills = 0;
    for seed in 0..SEEDS {
        // None in the first seed.
        let mut rng = Pcg64Mcg::seed_from_u64(!seed);
        let omitted: BTreeSet<Date> =
            sessions().into_iter().filter(|_| seed > 0 && rng.next_u32() % 4 == 0).collect();
        let (log, killed) = run(seed, &omitted, KeeperSection::default());
        kills += killed;
        let of = |start: i64, end: i64| {
            sessions()
                .into_iter()
                .filter(|date| (start..=end).contains(&day_open(*date).micros()))
                .collect::<Vec<_>>()
        };
        let requests: Vec<RangeRequest> = log.requests.iter().map(decoded).collect();
        let requested: Vec<Vec<Date>> =
            requests.iter().map(|request| of(request.start, request.end)).collect();
        let expected: Vec<Vec<Date>> = omitted.iter().map(|date| vec![*date]).collect();
        assert_eq!(requested, expected, "seed {seed}");
        let mut filled: BTreeMap<Date, u32> = BTreeMap::new();
        for bar in log.bars.iter().map(decoded::<ClosedBar>) {
            of(bar.open_time, bar.open_time)
                .into_iter()
                .for_each(|date| *filled.entry(date).or_default() += 1);
        }
        assert_eq!(filled, omitted.iter().map(|date| (*date, 1)).collect(), "seed {seed}");
        let coverage: CoverageChange = decoded(log.coverage.values().next().unwrap());
        let is_covered = |date: &Date| coverage.coverage().unwrap().contains(day_open(*date));
        assert!(sessions().iter().all(is_covered), "seed {seed}: {:?}", coverage.intervals);
        assert!(coverage.intervals.len() == 1 && coverage.asked.is_empty(), "seed {seed}: {coverage:?}");
    }
    assert!(kills > 500, "{kills}");
}

#[test]
fn killed_keeper_restates_once_for_each_session() {
    let keeper = KeeperSection { restated_sessions: 3, ..KeeperSection::default() };
    let mut kills = 0;
    for seed in 0..SEEDS {
        let (log, killed) = run(seed, &BTreeSet::new(), keeper.clone());
        kills += killed;
        let mut expected: Vec<Vec<Date>> = Vec::new();
        for (index, _) in sessions().iter().enumerate() {
            expected.push(sessions()[index.saturating_sub(2)..=index].to_vec());
        }
        let requests: Vec<RangeRequest> = log.requests.iter().map(decoded).collect();
        assert!(requests.iter().all(|request| request.refetch), "seed {seed}");
        let of = |request: &RangeRequest| {
            let range = request.start..=request.end;
            sessions()
                .into_iter()
                .filter(|date| range.contains(&day_open(*date).micros()))
                .collect::<Vec<_>>()
        };
        assert_eq!(requests.iter().map(of).collect::<Vec<_>>(), expected, "seed {seed}");
        assert!(log.resolved.iter().all(|resolved| *resolved), "seed {seed}");
        let coverage: CoverageChange = decoded(log.coverage.values().next().unwrap());
        let shape = (coverage.intervals.len(), coverage.asked.len(), coverage.refetching);
        assert_eq!(shape, (1, 0, None), "seed {seed}: {:?}", coverage.intervals);
    }
    assert!(kills > 500, "{kills}");
}
