//! `tapeline coverage rebuild`: its rules on topics of the embedded broker, and its rejection there as a process.

use std::sync::Mutex;
use std::time::Duration;

use backfill::rules::deletions::READ_TO;
use contracts::{
    ClosedBar, Codec, CoverageChange, DataKind, Event, RefetchAttempt, Span, Topic, WantedSeries, ids,
};
use devstack::broker::EmbeddedBroker;
use devstack::registry::EmbeddedRegistry;
use domain::calendar::{Date, day_open};
use domain::{DataType, Interval, Symbol, Timeframe};
use kafka_io::{
    BatchProducer, KafkaConfig, Missing, OutRecord, ProducerLimits, Registry, RegistryConfig, TopicReader,
    Wire,
};
use tapeline::commands::coverage::rebuild::{CoverageWriter, Rebuild, RebuildCounts};
use tapeline::history::SymbolHistory;

use crate::process::{stderr, tapeline};

const TIMEOUT: Duration = Duration::from_secs(30);

struct Bench {
    kafka: KafkaConfig,
    registry: Registry,
    wire: Wire,
    broker: EmbeddedBroker,
    _server: EmbeddedRegistry,
}

impl Bench {
    async fn start() -> Self {
        let topics: Vec<(&str, i32)> = Topic::ALL.iter().map(|topic| (topic.name(), 12)).collect();
        let broker = EmbeddedBroker::start(&topics).unwrap();
        let server = EmbeddedRegistry::start("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let config = RegistryConfig { url: server.url(), ..RegistryConfig::default() };
        let registry = Registry::new(&config, tokio::runtime::Handle::current()).unwrap();
        let written = [Topic::BarClosed, Topic::CoverageChanged];
        let wire = tapeline::cluster::wire(&registry, &written, 12).await.unwrap();
        let kafka = KafkaConfig::embedded(&broker.bootstrap());
        Self { kafka, registry, wire, broker, _server: server }
    }

    fn producer(&self) -> BatchProducer {
        BatchProducer::new(&self.kafka, ProducerLimits::default()).unwrap()
    }

    async fn write(&self, event: &impl Event) {
        let record = self.wire.write(event, None).unwrap();
        self.producer().produce(vec![record]).await.remove(0).unwrap();
    }

    /// Rebuilds, and returns the counts with the printed lines.
    async fn rebuild(&self, symbol: Option<&str>, is_dry: bool) -> (RebuildCounts, String) {
        let writer = CoverageWriter { wire: self.wire.clone(), producer: self.producer() };
        let rebuild = Rebuild {
            kafka: &self.kafka,
            writers: &self.registry,
            symbol: symbol.map(|symbol| Symbol::parse(symbol).unwrap()),
            operator: "me".to_owned(),
            writer: (!is_dry).then_some(writer),
        };
        let lines = Mutex::new(String::new());
        let print = |line: &str| {
            lines.lock().unwrap().push_str(line);
            Ok(())
        };
        let counts = rebuild.run(print).await.unwrap();
        (counts, lines.into_inner().unwrap())
    }

    /// Returns the records of coverage, in the order of each partition.
    fn coverage(&self) -> Vec<CoverageChange> {
        let codec = Codec::new();
        tokio::task::block_in_place(|| {
            let records = TopicReader::read_all(&self.kafka, &[Topic::CoverageChanged], TIMEOUT).unwrap();
            let events = records.iter().map(|record| {
                assert!(record.headers.iter().all(|(name, _)| !name.starts_with("tapeline.")), "{record:?}");
                codec.decode(record.payload.as_deref(), &self.registry).unwrap()
            });
            events.collect()
        })
    }
}

fn day(text: &str) -> Date {
    text.parse().unwrap()
}

fn span(first: &str, last: &str) -> Span {
    Span::from(Interval::new(day_open(day(first)), day_open(day(last).tomorrow().unwrap())).unwrap())
}

fn coverage(symbol: &str, span: Span) -> CoverageChange {
    CoverageChange {
        event_id: ids::event_id(),
        occurred_at: 0,
        source: "backfill".into(),
        correlation_id: None,
        symbol: symbol.into(),
        data_type: DataKind::MarketData,
        timeframe: "1day".into(),
        intervals: vec![span],
        wanted: Some(WantedSeries { layer: 2, from: 5, at: 6 }),
        asked: Vec::new(),
        refetching: Some(RefetchAttempt { backfill_id: ids::event_id(), attempt: 3 }),
    }
}

fn bar(symbol: &str, date: &str) -> ClosedBar {
    ClosedBar {
        event_id: ids::event_id(),
        occurred_at: domain::calendar::session_close(day(date)).micros(),
        source: "csv".into(),
        correlation_id: None,
        symbol: symbol.into(),
        timeframe: "1day".into(),
        open_time: day_open(day(date)).micros(),
        open: 1.0,
        high: 1.0,
        low: 1.0,
        close: 1.0,
        volume: 1.0,
        vwap: None,
        trades: None,
        backfilled: true,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn coverage_is_rewritten_by_held_bars() {
    let bench = Bench::start().await;
    // Thursday 2024-03-14 to Tuesday: an earlier version covered all of it, and the source had two bars. BBB has no coverage.
    let old = coverage("AAA", span("2024-03-14", "2024-03-19"));
    bench.write(&old).await;
    for (symbol, date) in [("AAA", "2024-03-15"), ("AAA", "2024-03-18"), ("BBB", "2024-03-14")] {
        bench.write(&bar(symbol, date)).await;
    }

    let (counts, lines) = bench.rebuild(None, true).await;
    let changed = RebuildCounts { series: 2, changed: 2, ..RebuildCounts::default() };
    assert_eq!(counts, changed);
    assert!(lines.contains("AAA       1day   intervals 1 -> 1, days 6 -> 4\n"), "{lines}");
    assert_eq!(bench.coverage().len(), 1, "a dry run writes nothing");

    let (counts, _) = bench.rebuild(Some("AAA"), false).await;
    assert_eq!(counts, RebuildCounts { series: 1, changed: 1, ..RebuildCounts::default() });
    let (counts, _) = bench.rebuild(None, false).await;
    assert_eq!(counts, RebuildCounts { series: 2, changed: 1, ..RebuildCounts::default() });
    let records = bench.coverage();
    let newest = |symbol: &str| records.iter().rfind(|record| record.symbol == symbol).unwrap();
    assert_eq!(newest("AAA").intervals, [span("2024-03-15", "2024-03-18")]);
    assert_eq!((newest("AAA").wanted, &newest("AAA").refetching), (old.wanted, &old.refetching));
    assert_eq!(newest("AAA").source, "me");
    assert_eq!(newest("BBB").intervals, [span("2024-03-14", "2024-03-14")]);
    let (counts, lines) = bench.rebuild(None, false).await;
    assert_eq!((counts.changed, lines.as_str()), (0, ""), "nothing changes any more");
    let brokers = bench.broker.bootstrap();
    let rejected = tapeline(&["coverage", "rebuild", "--brokers", &brokers]).output().unwrap();
    assert_eq!(rejected.status.code(), Some(2), "{}", stderr(&rejected));
    let cause = "the embedded broker does not list the members of group tapeline.backfill.executor";
    assert!(stderr(&rejected).contains(cause), "{}", stderr(&rejected));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn coverage_that_a_tombstone_deletes_does_not_count() {
    let bench = Bench::start().await;
    let covered = bench.wire.write(&coverage("AAA", span("2024-03-14", "2024-03-19")), None).unwrap();
    let tombstone = OutRecord {
        payload: Vec::new(),
        headers: Vec::new(),
        missing: Missing { key: false, payload: true },
        ..covered.clone()
    };
    // Written before the executor had read the tombstone, which precedes it.
    let records = vec![tombstone, covered.with_header(READ_TO, "0")];
    assert!(bench.producer().produce(records).await.iter().all(Result::is_ok));
    bench.write(&bar("AAA", "2024-03-15")).await;
    let (_, lines) = bench.rebuild(None, true).await;
    assert!(lines.contains("AAA       1day   intervals 0 -> 1, days 0 -> 1\n"), "{lines}");
    let symbol = Symbol::parse("AAA").unwrap();
    let partition = bench.wire.partition_of("AAA");
    let history = tokio::task::block_in_place(|| {
        SymbolHistory::read(&bench.kafka, &bench.registry, symbol, partition).unwrap()
    });
    let of_days = &history.series[&(DataType::MarketData, Some(Timeframe::Day1))];
    assert!(of_days.covered.is_empty() && !of_days.is_refetching, "{of_days:?}");
}
