//! Transactional calls that do not return: the driver continues with another client, from the outcome of the transaction.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use pipeline::{Effects, Now, RecordId, Stage, Verdict};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

use crate::client::{self, LogContext};
use crate::config::{GroupProtocol, Profile};
use crate::driver::output::tests::scripted_broker::ScriptedBroker;
use crate::driver::*;
use crate::record::{InRecord, OutRecord};
use crate::wire::Unavailable;

const GROUP: &str = "tapeline.test";
const INPUT: Topic = Topic::AlertRaised;
const TABLE: Topic = Topic::BarClosed;
const TIMEOUT: Duration = Duration::from_secs(20);

/// A table that the stage writes.
const OWN_TABLE: Topic = Topic::CoverageChanged;

/// Emits each record as it is. Has these tables.
struct EchoStage(Arc<ScriptedBroker>, &'static [Topic]);

impl Stage for EchoStage {
    type Record<'a> = InRecord<'a>;
    type Output = OutRecord;
    type Completion = ();

    fn process(
        &mut self,
        _: RecordId,
        record: InRecord<'_>,
        _: Now,
        _: &mut Effects<OutRecord>,
    ) -> Verdict<OutRecord> {
        let payload = record.payload.unwrap().to_vec();
        self.0.record(&format!("process {}", String::from_utf8_lossy(&payload)));
        Verdict::Emit(vec![OutRecord::new(Topic::VectorComputed, record.partition, "key", payload)])
    }

    fn completed(&mut self, (): (), _: Now, _: &mut Effects<OutRecord>) {}
}

impl KafkaStage for EchoStage {
    fn tables(&self) -> &[Topic] {
        self.1
    }

    fn is_own_table(&self, topic: Topic) -> bool {
        topic == OWN_TABLE
    }

    fn globals(&self) -> BTreeSet<(Topic, i32)> {
        BTreeSet::from([(TABLE, 0)])
    }

    fn table_record(&mut self, scope: TableScope, record: &InRecord<'_>) -> Result<TableRecord, Unavailable> {
        let text = String::from_utf8_lossy(record.payload.unwrap());
        self.0.record(&format!("{scope:?} table {}: {text}", record.partition));
        Ok(TableRecord::Taken)
    }

    fn table_released(&mut self, _: Topic, partition: i32) {
        self.0.record(&format!("release table {partition}"));
    }
}

struct Running {
    host: BaseProducer<LogContext>,
    broker: Arc<ScriptedBroker>,
    hung: HungClients,
    counts: StageCounts,
    shutdown: Shutdown,
    thread: JoinHandle<Result<Stop, DriverError>>,
}

impl Running {
    fn start(broker: &Arc<ScriptedBroker>) -> Self {
        Self::start_with(broker, &[TABLE])
    }

    fn start_with(broker: &Arc<ScriptedBroker>, tables: &'static [Topic]) -> Self {
        let host = client::mock_host().unwrap();
        let mut config = {
            let cluster = host.client().mock_cluster().unwrap();
            for topic in Topic::ALL {
                cluster.create_topic(topic.name(), 12, 1).unwrap();
            }
            KafkaConfig::embedded(&cluster.bootstrap_servers())
        };
        config.profile = Profile::Real;
        config.delivery = Delivery::Transactional;
        config.group_protocol = Some(GroupProtocol::Consumer);
        let hung = HungClients::default();
        let hooks = Hooks { hung_clients: hung.clone(), ..Hooks::default() };
        let options = DriverOptions {
            service: "test",
            stage: "test",
            group: GROUP.to_owned(),
            inputs: vec![INPUT],
            outputs: vec![Topic::VectorComputed],
            kafka: config,
            hooks,
        };
        let mut driver =
            Driver::new(EchoStage(Arc::clone(broker), tables), completions(1).1, options).unwrap();
        driver.producers = broker.producers();
        let (counts, shutdown) = (driver.counts(), driver.shutdown());
        let thread = std::thread::spawn(move || driver.run());
        Self { host, broker: Arc::clone(broker), hung, counts, shutdown, thread }
    }

    fn write(&self, text: &str) {
        self.write_to(INPUT, 3, text);
    }

    fn write_to(&self, topic: Topic, partition: i32, text: &str) {
        let record = BaseRecord::to(topic.name()).partition(partition).key("key").payload(text);
        self.host.send(record).unwrap();
        self.host.flush(TIMEOUT).unwrap();
    }

    fn eventually(&self, what: &str, holds: impl Fn(&ScriptedBroker) -> bool) {
        let deadline = Instant::now() + TIMEOUT;
        while !holds(&self.broker) {
            let state = || {
                let status = self.counts.latest();
                format!(
                    "{:?}, {} partitions, {}",
                    self.broker.steps.lock(),
                    status.partitions,
                    status.unready_cause
                )
            };
            assert!(Instant::now() < deadline, "not within {TIMEOUT:?}: {what}: {}", state());
            assert!(!self.thread.is_finished(), "the driver has ended: {what}: {}", state());
            std::thread::park_timeout(Duration::from_millis(5));
        }
    }

    fn commits(&self, texts: &[&str]) {
        self.eventually("outputs are committed", |broker| *broker.committed.lock().unwrap() == texts);
    }

    fn steps(&self) -> Vec<String> {
        self.broker.steps.lock().unwrap().clone()
    }

    fn stop(self) {
        self.shutdown.request();
        assert_eq!(self.thread.join().unwrap().unwrap(), Stop::Drained);
    }
}

/// Returns the steps of a client that processes this record and commits it.
fn transaction(client: u32, record: &str) -> Vec<String> {
    let calls = ["begin", "produce", "send_offsets", "commit"].map(|call| format!("{client} {call}"));
    [format!("process {record}")].into_iter().chain(calls).collect()
}

#[test]
fn commit_without_a_response_is_decided_by_the_next_client() {
    let broker = Arc::new(ScriptedBroker::default());
    let _hanging = broker.hang("1 commit");
    let running = Running::start(&broker);
    running.write("a");
    running.commits(&["a"]);
    // Not aborted. The next client takes over before the committed positions are fetched: nothing was committed.
    let expected =
        [vec!["1 init".to_owned()], transaction(1, "a"), vec!["2 init".to_owned()], transaction(2, "a")];
    assert_eq!(running.steps(), expected.concat());
    assert_eq!(running.hung.count(), 1);
    running.stop();
    assert_eq!(*broker.destroyed.lock().unwrap(), [2]);
}

#[test]
fn tables_are_followed_over_an_abandonment() {
    let broker = Arc::new(ScriptedBroker::default());
    let hanging = broker.hang("1 commit");
    let running = Running::start(&broker);
    for (partition, text) in [(0, "x"), (3, "y")] {
        running.write_to(TABLE, partition, text);
    }
    running.eventually("tables are read", |broker| broker.steps.lock().unwrap().len() == 4);
    running.write("a");
    running.commits(&["a"]);
    let read =
        |steps: &[String]| steps.iter().filter(|step| step.contains("table")).cloned().collect::<Vec<_>>();
    let mut before = read(&running.steps());
    before.sort();
    assert_eq!(before, ["CoPartitioned table 0: x", "CoPartitioned table 3: y", "Global table 0: x"]);
    // What comes later is read too.
    running.write_to(TABLE, 3, "z");
    running.eventually("the table is read", |broker| read(&broker.steps.lock().unwrap()).len() == 4);
    assert_eq!(read(&running.steps())[3], "CoPartitioned table 3: z");
    drop(hanging);
    running.stop();
}

#[test]
fn own_table_is_read_again_after_an_abandonment() {
    let broker = Arc::new(ScriptedBroker::default());
    let hanging = broker.hang("1 commit");
    let running = Running::start_with(&broker, &[TABLE, OWN_TABLE]);
    running.write_to(TABLE, 3, "bar");
    running.write_to(OWN_TABLE, 3, "coverage");
    let reads = |broker: &ScriptedBroker, text: &str| {
        let step = format!("CoPartitioned table 3: {text}");
        broker.steps.lock().unwrap().iter().filter(|read| **read == step).count()
    };
    running.eventually("tables are read", |broker| reads(broker, "bar") + reads(broker, "coverage") == 2);
    running.write("a");
    running.commits(&["a"]);
    running.eventually("the own table is read again", |broker| reads(broker, "coverage") == 2);
    assert_eq!(reads(&broker, "bar"), 1);
    assert!(running.steps().contains(&"release table 3".to_owned()), "{:?}", running.steps());
    drop(hanging);
    running.stop();
}

/// Three clients hang, one after another.
#[test]
fn client_that_returned_does_not_count_to_the_limit() {
    let broker = Arc::new(ScriptedBroker::default());
    let calls = ["1 produce", "2 produce", "3 produce"].map(|call| broker.hang(call));
    let running = Running::start(&broker);
    running.write("a");
    for (number, hanging) in (1..).zip(calls) {
        running.eventually("the next client is created", |broker| {
            broker.steps.lock().unwrap().contains(&format!("{} init", number + 1))
        });
        drop(hanging);
        running.eventually("the client is destroyed", |broker| {
            broker.destroyed.lock().unwrap().contains(&number)
        });
    }
    running.commits(&["a"]);
    assert_eq!(running.hung.count(), 0);
    running.stop();
}

#[test]
fn late_response_of_an_abandoned_client_is_ignored() {
    let broker = Arc::new(ScriptedBroker::default());
    let hanging = broker.hang("1 commit");
    let running = Running::start(&broker);
    running.write("a");
    running.commits(&["a"]);
    hanging.send(()).unwrap();
    running.write("b");
    running.commits(&["a", "b"]);
    assert!(running.steps().ends_with(&transaction(2, "b")), "{:?}", running.steps());
    running.eventually("the client is destroyed", |broker| *broker.destroyed.lock().unwrap() == [1]);
    assert_eq!(running.hung.count(), 0);
    running.stop();
    assert_eq!(*broker.destroyed.lock().unwrap(), [1, 2]);
}

#[test]
fn two_abandoned_clients_in_succession_end_nothing() {
    let broker = Arc::new(ScriptedBroker::default());
    let _hanging = [broker.hang("1 send_offsets"), broker.hang("2 init")];
    let running = Running::start(&broker);
    running.write("a");
    running.commits(&["a"]);
    assert_eq!(running.hung.count(), 2);
    running.stop();
}

#[test]
fn third_hung_client_ends_the_driver() {
    let broker = Arc::new(ScriptedBroker::default());
    let _hanging = ["1 produce", "2 init", "3 begin"].map(|call| broker.hang(call));
    let running = Running::start(&broker);
    running.write("a");
    let error = running.thread.join().unwrap().unwrap_err();
    assert!(matches!(error, DriverError::ClientsAbandoned { hung: 3, .. }), "{error}");
    assert!(broker.steps.lock().unwrap().ends_with(&["3 begin".to_owned()]));
}
