//! Unreachable brokers: a stage and a producer report them, and the lag is unknown meanwhile. On a mocked broker. The recorder is global,
//! so this binary has one test.
#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

mod common;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use common::{Mock, Running, eventually, runtime};
use contracts::Topic;
use kafka_io::{
    BatchProducer, BrokerMonitor, Hooks, OutRecord, ProduceError, ProducerBreaker, ProducerLimits,
    ReachabilityHook,
};
use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use pipeline::Stop;

const REACHABLE: &str = "tapeline_kafka_reachable_brokers";
const LAGS: [&str; 2] = ["tapeline_stage_lag_records", "tapeline_stage_lag_seconds"];

/// The values of gauges by name and last label, as bits.
type Bits = BTreeMap<(String, String), Arc<AtomicU64>>;

/// Keeps the values of gauges.
#[derive(Clone, Default)]
struct Gauges(Arc<Mutex<Bits>>);

impl Gauges {
    fn value(&self, name: &str, label: &str) -> f64 {
        let bits = Arc::clone(&self.0.lock().unwrap()[&(name.to_owned(), label.to_owned())]);
        f64::from_bits(bits.load(Ordering::Relaxed))
    }

    /// Returns `true` if the gauge of the stage and that of the edge have this value.
    fn reach(&self, brokers: f64) -> bool {
        ["test", "edge"].iter().all(|client| self.value(REACHABLE, client) == brokers)
    }
}

impl Recorder for Gauges {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, _: &Key, _: &Metadata<'_>) -> Counter {
        Counter::noop()
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        let label = key.labels().last().map_or("", |label| label.value()).to_owned();
        let mut gauges = self.0.lock().unwrap();
        Gauge::from_arc(Arc::clone(gauges.entry((key.name().to_owned(), label)).or_default()))
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

/// The arguments of a hook.
#[derive(Clone, Default)]
struct Received(Arc<Mutex<Vec<Option<String>>>>);

impl Received {
    fn hook(&self) -> Box<ReachabilityHook> {
        let received = self.clone();
        Box::new(move |cause| received.0.lock().unwrap().push(cause.map(str::to_owned)))
    }

    fn last(&self) -> Option<Option<String>> {
        self.0.lock().unwrap().last().cloned()
    }

    fn names_the_outage(&self) -> bool {
        let text = self.last().flatten();
        text.is_some_and(|text| text == "kafka: 0 of 1 brokers reachable: Connection refused")
    }
}

#[test]
fn outage_is_reported_by_stage_and_producer_until_it_ends() {
    let gauges = Gauges::default();
    metrics::set_global_recorder(gauges.clone()).unwrap();
    let lag = |name: &str| gauges.value(name, "test");
    let mock = Mock::start();
    let (stage, edge) = (Received::default(), Received::default());
    let hooks = Hooks { unreachable: stage.hook(), ..Hooks::default() };
    let running = Running::start_with(&mock.config, "tapeline.test", &[], hooks).ready();
    let broken = Received::default();
    let breaker = ProducerBreaker::new("test", broken.hook());
    let (tripped, mut report) = (breaker.clone(), edge.hook());
    let unreachable = move |cause: Option<&str>| {
        report(cause);
        cause.into_iter().for_each(|cause| tripped.trip(cause));
    };
    let monitor = BrokerMonitor::new("test", "edge", Box::new(unreachable));
    let producer = BatchProducer::guarded(&mock.config, ProducerLimits::default(), monitor, breaker).unwrap();
    let send = |text: &str| {
        let record = OutRecord::new(Topic::AlertRaised, 0, "key", text.as_bytes().to_vec());
        runtime().block_on(producer.produce(vec![record]))
    };
    assert!(send("emit before").iter().all(Result::is_ok));
    eventually("the record is processed", || running.counts.latest().counts.emitted == 1);
    eventually("the ends are known", || running.counts.latest().ends_known);
    eventually("the brokers are exported", || gauges.reach(1.0));
    eventually("the lag is exported", || LAGS.iter().all(|name| lag(name) == 0.0));
    assert_eq!((stage.last(), edge.last()), (None, None));

    mock.cluster().broker_down(1).unwrap();
    eventually("the stage reports the outage", || stage.names_the_outage());
    eventually("the producer reports the outage", || edge.names_the_outage());
    assert!(gauges.reach(0.0));
    eventually("the breaker is open", || producer.is_rejecting());
    assert_eq!(send("rejected"), [Err(ProduceError::BreakerOpen)]);
    let cause = "circuit breaker open: kafka: 0 of 1 brokers reachable: Connection refused";
    assert_eq!(broken.last(), Some(Some(cause.to_owned())));
    eventually("the lag is unknown", || !running.counts.latest().ends_known);
    for name in LAGS {
        assert!(lag(name).is_nan(), "{name} is {}", lag(name));
    }

    mock.cluster().broker_up(1).unwrap();
    eventually("the stage reports the recovery", || stage.last() == Some(None));
    eventually("the producer reports the recovery", || edge.last() == Some(None));
    assert!(gauges.reach(1.0));
    eventually("the lag is known", || running.counts.latest().ends_known);
    eventually("the lag is exported again", || LAGS.iter().all(|name| lag(name) == 0.0));
    eventually("the breaker admits a call", || !producer.is_rejecting());
    for text in ["emit after", "emit later"] {
        assert!(send(text).iter().all(Result::is_ok));
    }
    assert_eq!(broken.last(), Some(None));
    eventually("the stage continues", || running.counts.latest().counts.emitted == 3);
    assert_eq!(running.stop(), Stop::Drained);
}
