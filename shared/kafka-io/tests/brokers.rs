//! Unreachable brokers: a stage and a producer report them, and the lag is unknown meanwhile. On a mocked broker.
#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

mod common;

use std::sync::{Arc, Mutex};

use common::{Mock, Running, eventually, runtime};
use contracts::Topic;
use kafka_io::{BatchProducer, BrokerMonitor, Hooks, OutRecord, ProducerLimits, ReachabilityHook};
use pipeline::Stop;

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
    let mock = Mock::start();
    let (stage, edge) = (Received::default(), Received::default());
    let hooks = Hooks { unreachable: stage.hook(), ..Hooks::default() };
    let running = Running::start_with(&mock.config, "tapeline.test", &[], hooks).ready();
    let monitor = BrokerMonitor::new("test", "edge", edge.hook());
    let producer = BatchProducer::monitored(&mock.config, ProducerLimits::default(), monitor).unwrap();
    let send = |text: &str| {
        let record = OutRecord::new(Topic::AlertRaised, 0, "key", text.as_bytes().to_vec());
        runtime().block_on(producer.produce(vec![record]))
    };
    assert!(send("emit before").iter().all(Result::is_ok));
    eventually("the record is processed", || running.counts.latest().counts.emitted == 1);
    eventually("the ends are known", || running.counts.latest().ends_known);
    assert_eq!((stage.last(), edge.last()), (None, None));

    mock.cluster().broker_down(1).unwrap();
    eventually("the stage reports the outage", || stage.names_the_outage());
    eventually("the producer reports the outage", || edge.names_the_outage());
    eventually("the lag is unknown", || !running.counts.latest().ends_known);

    mock.cluster().broker_up(1).unwrap();
    eventually("the stage reports the recovery", || stage.last() == Some(None));
    eventually("the producer reports the recovery", || edge.last() == Some(None));
    eventually("the lag is known", || running.counts.latest().ends_known);
    assert!(send("emit after").iter().all(Result::is_ok));
    eventually("the stage continues", || running.counts.latest().counts.emitted == 2);
    assert_eq!(running.stop(), Stop::Drained);
}
