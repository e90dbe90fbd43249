//! Transactions whose calls hang when a test wants it, with a clock that runs only while the newest client hangs.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rdkafka::consumer::ConsumerGroupMetadata;
use rdkafka::topic_partition_list::TopicPartitionList;

use crate::call_error::CallError;
use crate::config::KafkaConfig;
use crate::driver::output::calls::{OutgoingBatch, TransactionalCalls};
use crate::driver::output::{Acknowledgements, Clock, Producers};

#[derive(Default)]
pub(in crate::driver) struct ScriptedBroker {
    /// `<client> <call>`, and what a test records, in order.
    pub(in crate::driver) steps: Mutex<Vec<String>>,
    /// The outputs of committed transactions.
    pub(in crate::driver) committed: Mutex<Vec<String>>,
    /// Clients that were destroyed.
    pub(in crate::driver) destroyed: Mutex<Vec<u32>>,
    hangs: Mutex<Vec<(String, Receiver<()>)>>,
    newest: AtomicU32,
    hanging: AtomicU32,
    seconds: AtomicU64,
}

struct ScriptedCalls {
    broker: Arc<ScriptedBroker>,
    client: u32,
    outputs: Vec<String>,
}

impl ScriptedBroker {
    /// Adds a step to [`ScriptedBroker::steps`].
    pub(in crate::driver) fn record(&self, step: &str) {
        self.steps.lock().unwrap().push(step.to_owned());
    }

    /// Makes this call hang, written as in [`ScriptedBroker::steps`], until the sender is used or dropped.
    pub(in crate::driver) fn hang(&self, call: &str) -> SyncSender<()> {
        let (release, released) = sync_channel(1);
        self.hangs.lock().unwrap().push((call.to_owned(), released));
        release
    }

    fn take_hang(&self, call: &str) -> Option<Receiver<()>> {
        let mut hangs = self.hangs.lock().unwrap();
        let index = hangs.iter().position(|(hanging, _)| hanging == call)?;
        Some(hangs.remove(index).1)
    }

    /// Returns the producers of this broker.
    pub(in crate::driver) fn producers(self: &Arc<Self>) -> Producers {
        let broker = Arc::clone(self);
        let connect = move |_: &KafkaConfig, _: &str, _: Acknowledgements| Ok(broker.connect());
        Producers::new(Box::new(connect), self.clock())
    }

    /// Creates the calls of the next client.
    pub(in crate::driver) fn connect(self: &Arc<Self>) -> Box<dyn TransactionalCalls> {
        let client = self.newest.fetch_add(1, Ordering::SeqCst) + 1;
        Box::new(ScriptedCalls { broker: Arc::clone(self), client, outputs: Vec::new() })
    }

    /// Returns a clock that passes a second whenever it is read while the newest client hangs, and is still otherwise.
    pub(in crate::driver) fn clock(self: &Arc<Self>) -> Clock {
        let (broker, start) = (Arc::clone(self), Instant::now());
        Arc::new(move || {
            let hangs = broker.hanging.load(Ordering::SeqCst) == broker.newest.load(Ordering::SeqCst);
            let passed = broker.seconds.fetch_add(u64::from(hangs), Ordering::SeqCst);
            start + Duration::from_secs(passed)
        })
    }
}

impl ScriptedCalls {
    /// Records the call, and hangs if it is to hang. Returns `true` if it took effect: a hanging call returns too late.
    fn call(&self, name: &str) -> bool {
        let call = format!("{} {name}", self.client);
        self.broker.record(&call);
        let Some(released) = self.broker.take_hang(&call) else {
            assert_eq!(self.client, self.broker.newest.load(Ordering::SeqCst), "an old client calls {name}");
            return true;
        };
        self.broker.hanging.store(self.client, Ordering::SeqCst);
        let _released_or_over = released.recv();
        false
    }
}

impl TransactionalCalls for ScriptedCalls {
    fn init(&mut self, _: Duration) -> Result<(), CallError> {
        self.call("init");
        Ok(())
    }

    fn begin(&mut self) -> Result<(), CallError> {
        self.call("begin");
        self.outputs.clear();
        Ok(())
    }

    fn produce(&mut self, batch: &mut OutgoingBatch, _: Duration) -> Result<(), CallError> {
        self.call("produce");
        self.outputs.extend(batch.texts());
        Ok(())
    }

    fn send_offsets(
        &mut self,
        _: &TopicPartitionList,
        _: &ConsumerGroupMetadata,
        _: Duration,
    ) -> Result<(), CallError> {
        self.call("send_offsets");
        Ok(())
    }

    fn commit(&mut self, _: Duration) -> Result<(), CallError> {
        if self.call("commit") {
            self.broker.committed.lock().unwrap().append(&mut self.outputs);
        }
        Ok(())
    }

    fn abort(&mut self, _: Duration) -> Result<(), CallError> {
        self.call("abort");
        Ok(())
    }
}

impl Drop for ScriptedCalls {
    fn drop(&mut self) {
        if let Some(released) = self.broker.take_hang(&format!("{} destroy", self.client)) {
            // The driver waits for it, whichever client is the newest.
            self.broker.hanging.store(self.broker.newest.load(Ordering::SeqCst), Ordering::SeqCst);
            let _released_or_over = released.recv();
        }
        self.broker.destroyed.lock().unwrap().push(self.client);
    }
}
