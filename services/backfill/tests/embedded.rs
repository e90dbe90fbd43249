//! The whole service on the embedded broker and registry: a fact in, history out, and a restart that fetches nothing twice.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use backfill::config::{BackfillConfig, SourceKind};
use backfill::service::Backfill;
use chassis::admin::Version;
use chassis::run::Process;
use chassis::telemetry::logs::LogSettings;
use chassis::{Context, Host, Service, Shutdown};
use contracts::topics::DEFAULT_PARTITIONS;
use contracts::{BackfillErrorClass, Event, Qualification, RangeCompletion, RangeFailure, Topic, ids};
use devstack::broker::EmbeddedBroker;
use devstack::registry::EmbeddedRegistry;
use hosting::{KafkaSection, RegistrySection};
use kafka_io::{
    BatchProducer, Headers, InRecord, KafkaConfig, Missing, OutRecord, OwnedRecord, ProducerLimits,
    RegistryConfig, TopicReader, Wire,
};
use tokio::runtime::Handle;

const TIMEOUT: Duration = Duration::from_secs(30);

fn any_port() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, 0))
}

struct Bench {
    kafka: KafkaConfig,
    config: BackfillConfig,
    host: Host,
    wire: Wire,
    _broker: EmbeddedBroker,
    _registry: EmbeddedRegistry,
}

impl Bench {
    async fn start() -> Self {
        let topics: Vec<_> = Topic::ALL.iter().map(|topic| (topic.name(), DEFAULT_PARTITIONS)).collect();
        let broker = EmbeddedBroker::start(&topics).expect("an embedded broker");
        let registry = EmbeddedRegistry::start(any_port()).await.expect("an embedded registry");
        let kafka = KafkaConfig::embedded(&broker.bootstrap());
        let logs = LogSettings { filter: "warn".to_owned(), ..LogSettings::default() };
        let process = Process { admin: any_port(), logs, ..Process::default() };
        let mut config = BackfillConfig { process: process.clone(), ..BackfillConfig::default() };
        config.kafka = KafkaSection(kafka.clone());
        config.registry =
            RegistrySection(RegistryConfig { url: registry.url(), ..RegistryConfig::default() });
        config.source.kind = SourceKind::Synthetic;
        config.executor.gather_ms = 50.into();
        config.market_data_in_day_bars();
        let version = Version { name: "backfill", version: Backfill::VERSION, features: &[] };
        let host = Host::start(&process, &Backfill::catalogue(), version, Handle::current(), Shutdown::new());
        let host = host.expect("a host");
        let context = host.context("test", Shutdown::new());
        let writes = [Topic::SymbolQualified, Topic::RangeCompleted];
        let connection =
            hosting::connect(&context, &kafka, &config.registry, Topic::BackfillDeadLetter, &writes, &[])
                .await;
        let wire = connection.unwrap_or_else(|failure| panic!("{failure}")).wire;
        Self { kafka, config, host, wire, _broker: broker, _registry: registry }
    }

    async fn launch(&self) -> Context {
        let context = self.host.context(Backfill::NAME, Shutdown::new());
        let running = self.host.launch::<Backfill>(self.config.clone(), &context).await;
        let running = running.unwrap_or_else(|failure| panic!("{failure}"));
        let stages: Vec<_> = running.iter().map(|hosted| (hosted.stage, hosted.group)).collect();
        let expected = [
            ("backfill-planner", "tapeline.backfill.planner"),
            ("backfill-executor", "tapeline.backfill.executor"),
        ];
        assert_eq!(stages, expected);
        context
    }

    async fn qualify(&self, occurred_at: &str, layer: i32) {
        let occurred_at = domain::Timestamp::parse(occurred_at).expect("an instant").micros();
        let event = Qualification {
            event_id: ids::event_id(),
            occurred_at,
            source: "test".into(),
            correlation_id: None,
            symbol: "SPY".into(),
            layer,
            reason: "liquid".into(),
            metrics: [].into(),
        };
        self.produce(self.wire.write(&event, None).expect("a small event")).await;
    }

    /// Deletes the coverage of the day bars of SPY.
    async fn delete_coverage(&self) {
        let partition = self.wire.partition_of("SPY");
        let record = OutRecord::new(Topic::CoverageChanged, partition, "SPY|market_data|1day", Vec::new());
        self.produce(OutRecord { missing: Missing { key: false, payload: true }, ..record }).await;
    }

    async fn produce(&self, record: OutRecord) {
        let limits = ProducerLimits { in_flight_max_bytes: 1 << 20, timeout: TIMEOUT };
        let producer = BatchProducer::new(&self.kafka, limits).expect("a producer");
        let acknowledgements = producer.produce(vec![record]).await;
        for acknowledgement in acknowledgements {
            acknowledgement.expect("an acknowledged record");
        }
    }

    async fn records(&self, topic: Topic) -> Vec<OwnedRecord> {
        let kafka = self.kafka.clone();
        let read =
            move || TopicReader::read_all(&kafka, &[topic], TIMEOUT).expect("a topic that can be read");
        tokio::task::spawn_blocking(read).await.expect("a thread")
    }

    /// Returns the completions as soon as there are `count` of them.
    async fn completions(&self, count: usize) -> Vec<RangeCompletion> {
        let enough = async {
            loop {
                let records = self.records(Topic::RangeCompleted).await;
                if records.len() >= count {
                    return records.iter().map(|record| self.event(record)).collect();
                }
            }
        };
        let completions = tokio::time::timeout(TIMEOUT, enough).await;
        completions.unwrap_or_else(|_| panic!("fewer than {count} completions within {TIMEOUT:?}"))
    }

    fn event<E: Event>(&self, record: &OwnedRecord) -> E {
        let record = InRecord {
            topic: record.topic,
            partition: record.partition,
            offset: record.offset,
            timestamp_ms: record.timestamp_ms,
            key: record.key.as_deref(),
            payload: record.payload.as_deref(),
            epoch: None,
            traceparent: None,
            headers: Headers::none(),
        };
        self.wire.read_table(&record).expect("a registry").expect("a valid event in its place")
    }
}

async fn end(context: Context) {
    let outcome = context.drain(TIMEOUT).await;
    assert!(outcome.failed.is_empty() && outcome.unfinished.is_empty(), "{outcome:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn restart_fetches_only_uncovered_history() {
    let bench = Bench::start().await;
    let context = bench.launch().await;
    bench.qualify("2024-03-15T20:00:00Z", 1).await;
    let first = bench.completions(1).await.remove(0);
    assert!(first.success && first.layer == 1, "{first:?}");
    let bars = bench.records(Topic::BarClosed).await.len();
    assert_eq!(i64::try_from(bars), Ok(first.records["market_data"]));
    assert!((240..260).contains(&bars), "{bars} sessions in a year");
    end(context).await;

    let context = bench.launch().await;
    bench.qualify("2024-06-14T20:00:00Z", 1).await;
    let second = bench.completions(2).await.into_iter().find(|end| end.backfill_id != first.backfill_id);
    let second = second.expect("another backfill");
    assert!(second.success && second.skipped.len() == 1, "{second:?}");
    let fetched = usize::try_from(second.records["market_data"]).expect("a count");
    assert!((55..70).contains(&fetched), "{fetched} sessions in three months");
    assert_eq!(bench.records(Topic::BarClosed).await.len(), bars + fetched);
    end(context).await;
    coverage_is_deleted_by_a_tombstone(&bench, &first).await;
    service_without_a_source_is_degraded(bench).await;
}

/// The same request as the first is fetched as a whole again.
async fn coverage_is_deleted_by_a_tombstone(bench: &Bench, first: &RangeCompletion) {
    bench.delete_coverage().await;
    let context = bench.launch().await;
    bench.qualify("2024-03-15T20:00:00Z", 1).await;
    let again =
        bench.completions(3).await.into_iter().find(|end| end.attempt == 2).expect("a second attempt");
    assert_eq!(again.backfill_id, first.backfill_id);
    assert_eq!(again.records.get("market_data"), first.records.get("market_data"));
    assert!(again.success && again.skipped.is_empty(), "{again:?}");
    let readiness = bench.host.health().readiness();
    assert!(readiness.degraded.is_empty(), "{readiness:?}");
    end(context).await;
}

async fn service_without_a_source_is_degraded(mut bench: Bench) {
    bench.config.source.kind = SourceKind::None;
    let context = bench.launch().await;
    let degraded = bench.host.health().readiness().degraded;
    let cause = degraded.get("backfill").and_then(|of| of.get("source")).expect("a degraded source");
    assert_eq!(cause, "no source of bars: every request for history fails (source.kind is none)");
    bench.qualify("2024-03-15T20:00:00Z", 0).await;
    let failures = async {
        loop {
            let records = bench.records(Topic::RangeFailed).await;
            if let Some(record) = records.first() {
                return bench.event::<RangeFailure>(record);
            }
        }
    };
    let failure = tokio::time::timeout(TIMEOUT, failures).await.expect("a failure in time");
    assert_eq!(failure.error_class, BackfillErrorClass::NoSource);
    let counted = "backfill_ranges_total{service=\"backfill\",outcome=\"failed\",class=\"no_source\"} 1";
    let metrics = bench.host.metrics().render();
    assert!(metrics.lines().any(|line| line == counted), "{metrics}");
    end(context).await;
}
