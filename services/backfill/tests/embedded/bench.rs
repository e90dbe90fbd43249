//! The service on the embedded broker and registry.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use backfill::config::{BackfillConfig, SourceKind};
use backfill::service::Backfill;
use chassis::admin::Version;
use chassis::run::Process;
use chassis::telemetry::logs::LogSettings;
use chassis::{Context, Host, Service, Shutdown};
use contracts::topics::DEFAULT_PARTITIONS;
use contracts::{Event, Qualification, RangeCompletion, Topic, ids};
use devstack::broker::EmbeddedBroker;
use devstack::registry::EmbeddedRegistry;
use hosting::{KafkaSection, RegistrySection};
use kafka_io::{
    BatchProducer, Headers, InRecord, KafkaConfig, OutRecord, OwnedRecord, ProducerLimits, RegistryConfig,
    TopicReader, Wire,
};
use tokio::runtime::Handle;

pub(crate) const TIMEOUT: Duration = Duration::from_secs(30);

fn any_port() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, 0))
}

pub(crate) struct Bench {
    pub(crate) kafka: KafkaConfig,
    pub(crate) config: BackfillConfig,
    pub(crate) host: Host,
    pub(crate) wire: Wire,
    _broker: EmbeddedBroker,
    _registry: EmbeddedRegistry,
}

impl Bench {
    pub(crate) async fn start() -> Self {
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
        let version = Version { name: "backfill", version: Backfill::VERSION, features: &[] };
        let host = Host::start(&process, &Backfill::catalogue(), version, Handle::current(), Shutdown::new());
        let host = host.expect("a host");
        let context = host.context("test", Shutdown::new());
        let writes = [Topic::SymbolQualified, Topic::RangeCompleted, Topic::CoverageChanged];
        let connection =
            hosting::connect(&context, &kafka, &config.registry, Topic::BackfillDeadLetter, &writes, &[])
                .await;
        let wire = connection.unwrap_or_else(|failure| panic!("{failure}")).wire;
        Self { kafka, config, host, wire, _broker: broker, _registry: registry }
    }

    pub(crate) async fn launch(&self) -> Context {
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

    pub(crate) async fn qualify(&self, occurred_at: &str, layer: i32) {
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

    pub(crate) async fn produce(&self, record: OutRecord) {
        let limits = ProducerLimits { in_flight_max_bytes: 1 << 20, timeout: TIMEOUT };
        let producer = BatchProducer::new(&self.kafka, limits).expect("a producer");
        let acknowledgements = producer.produce(vec![record]).await;
        for acknowledgement in acknowledgements {
            acknowledgement.expect("an acknowledged record");
        }
    }

    pub(crate) async fn records(&self, topic: Topic) -> Vec<OwnedRecord> {
        let kafka = self.kafka.clone();
        let read =
            move || TopicReader::read_all(&kafka, &[topic], TIMEOUT).expect("a topic that can be read");
        tokio::task::spawn_blocking(read).await.expect("a thread")
    }

    /// Returns the completions as soon as there are `count` of them.
    pub(crate) async fn completions(&self, count: usize) -> Vec<RangeCompletion> {
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

    pub(crate) fn event<E: Event>(&self, record: &OwnedRecord) -> E {
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

pub(crate) async fn end(context: Context) {
    let outcome = context.drain(TIMEOUT).await;
    assert!(outcome.failed.is_empty() && outcome.unfinished.is_empty(), "{outcome:?}");
}
