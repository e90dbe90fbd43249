use std::sync::atomic::{AtomicU32, Ordering};

use super::*;
use crate::driver::hung_clients::HungClients;
use crate::driver::output::tests::scripted_broker::ScriptedBroker;

fn start(broker: &Arc<ScriptedBroker>, clock: Clock) -> CallThread {
    start_counted(broker, clock, &HungClients::default())
}

fn start_counted(broker: &Arc<ScriptedBroker>, clock: Clock, hung: &HungClients) -> CallThread {
    let bounds = Bounds { timeout: Duration::from_secs(5), deadline: Duration::from_millis(7_500), clock };
    CallThread::start(1, broker.connect(), ClientState::new(hung.clone()), bounds).unwrap()
}

#[test]
fn late_response_is_ignored_and_its_client_destroyed() {
    let broker = Arc::new(ScriptedBroker::default());
    let hanging = broker.hang("1 commit");
    let hung = HungClients::default();
    let thread = start_counted(&broker, broker.clock(), &hung);
    assert_eq!(thread.call(Call::Begin, &mut || {}), Ok(()));
    let error = thread.call(Call::Commit, &mut || {}).unwrap_err();
    assert!(error.abandoned && error.text.contains("commit_transaction of client 1"), "{error}");
    assert_eq!(hung.count(), 1);
    assert!(broker.destroyed.lock().unwrap().is_empty());
    hanging.send(()).unwrap();
    assert_eq!(thread.responses.recv(), Err(std::sync::mpsc::RecvError));
    assert_eq!(*broker.steps.lock().unwrap(), ["1 begin", "1 commit"]);
    assert_eq!(*broker.destroyed.lock().unwrap(), [1]);
    assert_eq!(hung.count(), 0);
}

#[test]
fn waiting_sends_heartbeats_and_counts_no_pause_of_the_process() {
    let broker = Arc::new(ScriptedBroker::default());
    let _hanging = broker.hang("1 begin");
    // The process is paused for an hour between any two heartbeats.
    let (start_at, hours) = (Instant::now(), AtomicU32::new(0));
    let hour = Duration::from_secs(3_600);
    let clock: Clock = Arc::new(move || start_at + hour * hours.fetch_add(1, Ordering::Relaxed));
    let mut beats = 0;
    let error = start(&broker, clock).call(Call::Begin, &mut || beats += 1).unwrap_err();
    assert!(error.abandoned, "{error}");
    assert_eq!(beats, 8);
}

#[test]
fn client_that_is_not_destroyed_is_abandoned() {
    let broker = Arc::new(ScriptedBroker::default());
    let _hanging = broker.hang("1 destroy");
    let error = start(&broker, broker.clock()).close(&mut || {}).unwrap_err();
    assert!(error.abandoned && error.text.contains("destroy of client 1"), "{error}");
}

#[test]
fn closing_waits_until_the_client_is_destroyed() {
    let broker = Arc::new(ScriptedBroker::default());
    let thread = start(&broker, broker.clock());
    assert_eq!(thread.close(&mut || {}), Ok(()));
    assert_eq!(*broker.destroyed.lock().unwrap(), [1]);
}
