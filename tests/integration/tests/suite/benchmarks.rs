//! Benchmark features on real Kafka: every instance computes the same vector, before and after an instance is killed.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use contracts::codec::{Codec, schema};
use contracts::{
    ClosedBar, Event, FeatureRequest, RequestedSymbol, Topic, Vector, WriterError, WriterSchemas, encode,
    ids, partition_for,
};
use domain::calendar::{Date, day_open, session_close};
use integration::{Binaries, Service, Stack, real_parts_missing, run_to_end, wait_until};
use kafka_io::{KafkaConfig, OutRecord, Registry, RegistryConfig, TopicReader};
use tokio::runtime::Runtime;

use crate::alerts;

/// The session and the transaction of a killed member expire after 15 s each; the machine is busy and runs two JVMs.
const LIMIT: Duration = Duration::from_secs(120);

/// One vector is requested for each. They are in most of the partitions, which two instances share.
const SYMBOLS: [&str; 8] = ["AAPL", "MSFT", "NVDA", "F", "GE", "BAC", "XOM", "BRK.B"];

/// Returns the weekdays of March and April 2024, regardless of holidays.
fn days() -> Vec<Date> {
    let all = (1..=31)
        .map(|day| Date::constant(2024, 3, day))
        .chain((1..=30).map(|day| Date::constant(2024, 4, day)));
    all.filter(|date| date.weekday().to_monday_zero_offset() < 5).collect()
}

/// Returns bars that move with the market's, at a price level of their own.
fn bars(symbol: &str, height: f64) -> Vec<ClosedBar> {
    let one = |(number, date): (usize, Date)| {
        let close = height * (1.0 + 0.1 * (number as f64).sin());
        ClosedBar {
            event_id: ids::event_id(),
            occurred_at: session_close(date).micros(),
            source: "test".into(),
            correlation_id: None,
            symbol: symbol.into(),
            timeframe: "1day".into(),
            open_time: day_open(date).micros(),
            open: close,
            high: close,
            low: close,
            close,
            volume: 10.0,
            vwap: None,
            trades: None,
            backfilled: false,
        }
    };
    days().into_iter().enumerate().map(one).collect()
}

/// Returns a request. `later` is the distance to the last close in microseconds; an equal one is a duplicate.
fn request(symbol: &str, later: i64) -> FeatureRequest {
    let occurred_at = session_close(*days().last().unwrap()).micros() + later;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros();
    FeatureRequest {
        event_id: ids::event_id(),
        occurred_at,
        source: "test".into(),
        correlation_id: None,
        request_id: format!("{symbol} {later}"),
        symbols: vec![RequestedSymbol { symbol: symbol.into(), first_seen: occurred_at, occurred_at }],
        feature_sets: vec!["correlation_features".into(), "market_regime".into(), "relative_strength".into()],
        timeframe: "1day".into(),
        priority: 5,
        requester: "test".into(),
        source_scanners: vec![],
        correlation_ids: vec![],
        requested_at: i64::try_from(now).unwrap(),
    }
}

struct Client {
    kafka: KafkaConfig,
    registry: Registry,
}

impl Client {
    fn write<E: Event>(&self, events: &[E]) {
        let record = |event: &E| {
            let topic = event.topic();
            let mut payload = Vec::new();
            encode(event, self.registry.id(topic).unwrap(), &mut payload).unwrap();
            let partition = partition_for(event.symbol().as_bytes(), self.kafka.partitions);
            OutRecord::new(topic, partition, event.key().as_bytes().to_vec(), payload)
        };
        alerts::produce(&self.kafka, events.iter().map(record).collect());
    }

    /// Returns all vectors once there are this many.
    fn vectors(&self, count: usize) -> Vec<Vector> {
        struct CurrentSchema;
        impl WriterSchemas for CurrentSchema {
            fn writer(&self, _: u32) -> Result<Arc<apache_avro::Schema>, WriterError> {
                Ok(Arc::new(schema::<Vector>().clone()))
            }
        }
        let deadline = Instant::now() + LIMIT;
        loop {
            let records = TopicReader::read_all(&self.kafka, &[Topic::VectorComputed], LIMIT).unwrap();
            if records.len() >= count {
                let codec = Codec::new();
                return records
                    .iter()
                    .map(|it| codec.decode(it.payload.as_deref(), &CurrentSchema).unwrap())
                    .collect();
            }
            assert!(Instant::now() < deadline, "{} of {count} vectors", records.len());
            std::thread::park_timeout(Duration::from_millis(100));
        }
    }
}

/// Asserts the values that follow from bars that move with the market's.
fn assert_compared(vector: &Vector) {
    let value = |set: &str, name: &str| vector.sets[set].values[name];
    assert!((value("correlation_features", "corr_spy_20") - 1.0).abs() < 1e-9, "{vector:?}");
    assert!(value("relative_strength", "rs_spy_20").abs() < 1e-9, "{vector:?}");
    assert!(value("market_regime", "spy_realized_20") > 0.0, "{vector:?}");
    // All bars are in the table, those of the benchmark too.
    let reason = vector.sets["relative_strength"].reason.as_deref().unwrap();
    let held = days().len();
    assert_eq!(
        reason,
        format!("253 bars in common with SPY needed, {held} held; no bars of QQQ; no bars of IWM")
    );
}

fn feature(binaries: &Binaries, stack: &Stack, ordinal: u32) -> Service {
    let sections = format!(
        "[kafka]\nbrokers = \"{}\"\nordinal = {ordinal}\n\n[registry]\nurl = \"{}\"\n",
        stack.broker.address(),
        stack.registry.url()
    );
    let folder = stack.folder().join(ordinal.to_string());
    std::fs::create_dir_all(&folder).unwrap();
    Service::start(binaries, "feature", &sections, &folder).unwrap()
}

#[test]
fn benchmark_vector_is_equal_on_every_instance_and_after_a_kill() {
    if real_parts_missing() {
        return;
    }
    let (binaries, stack) = (Binaries::built().unwrap(), Stack::start().unwrap());
    let kafka = KafkaConfig { brokers: stack.broker.address(), ..KafkaConfig::default() };
    let mut apply = binaries.command("tapeline");
    apply.args(["topics", "apply", "--replication", "1", "--brokers", &kafka.brokers]);
    assert_eq!(run_to_end("apply", apply, stack.folder(), LIMIT).unwrap().code, Some(0));
    let runtime = Runtime::new().unwrap();
    let registry = RegistryConfig { url: stack.registry.url(), ..RegistryConfig::default() };
    let registry = Registry::new(&registry, runtime.handle().clone()).unwrap();
    runtime.block_on(registry.register(&[Topic::BarClosed, Topic::BatchRequested])).unwrap();
    let client = Client { kafka, registry };

    let mut instances = [0, 1].map(|ordinal| feature(&binaries, &stack, ordinal));
    for instance in &mut instances {
        instance.wait_until_ready().unwrap();
    }
    // Two topics of twelve partitions: each instance owns half of them.
    let owned = |instance: &Service| {
        instance.metrics().map_or(0.0, |metrics| metrics.sum("tapeline_stage_assigned_partitions", &[]))
    };
    let shared = wait_until(LIMIT, || instances.iter().all(|instance| (owned(instance) - 12.0).abs() < 0.5));
    assert!(shared, "{:?}", instances.each_ref().map(owned));
    let heights = (1_u8..).map(|number| 10.0 * f64::from(number));
    let all: Vec<ClosedBar> = SYMBOLS
        .into_iter()
        .chain(["SPY"])
        .zip(heights)
        .flat_map(|(symbol, height)| bars(symbol, height))
        .collect();
    client.write(&all);
    client.write(&SYMBOLS.map(|symbol| request(symbol, 0)));
    client.vectors(SYMBOLS.len()).iter().for_each(assert_compared);

    client.write(&SYMBOLS.map(|symbol| request(symbol, 1)));
    instances[0].process().signal("KILL").unwrap();
    instances[0].process().wait(LIMIT).unwrap();
    instances[0].restart().unwrap();
    client.write(&SYMBOLS.map(|symbol| request(symbol, 2)));
    let vectors = client.vectors(3 * SYMBOLS.len());
    assert_eq!(vectors.len(), 3 * SYMBOLS.len());
    vectors.iter().for_each(assert_compared);
    let mut request_ids = BTreeSet::new();
    for vector in &vectors {
        assert!(request_ids.insert(&vector.request_id), "{} twice", vector.request_id);
        let first = vectors.iter().find(|other| other.symbol == vector.symbol).unwrap();
        assert_eq!(vector.sets, first.sets);
    }
    for instance in &mut instances {
        assert_eq!(instance.terminate().unwrap(), Some(0), "{}", instance.process().excerpt());
    }
}
