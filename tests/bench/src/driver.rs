//! Runs a stage with the real driver until it has processed its number of records.

use std::sync::OnceLock;

use clap::Args;
use contracts::Topic;
use kafka_io::{Delivery, Driver, DriverOptions, Hooks, KafkaConfig, KafkaStage, Shutdown, completions};
use pipeline::Stop;
use rdkafka::config::ClientConfig;

use crate::error::Error;
use crate::resource_usage::Usage;

/// Arguments of a run.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct DriveArgs {
    /// Count of records to process: all records of the topic, so that no variant fetches more than it processes.
    #[arg(long)]
    pub(crate) records: u64,
    /// Outputs per transaction; without it delivery is at least once.
    #[arg(long)]
    pub(crate) transaction: Option<u32>,
}

/// Stops the driver from inside its stage, after the last record.
#[derive(Default)]
pub(crate) struct StopSignal(OnceLock<Shutdown>);

impl StopSignal {
    pub(crate) fn send(&self) {
        if let Some(shutdown) = self.0.get() {
            shutdown.request();
        }
    }
}

impl DriveArgs {
    /// Returns the name of its line in the output.
    pub(crate) fn name(self, stage: &str) -> String {
        match self.transaction {
            Some(outputs) => format!("{stage}, transactions of {outputs}"),
            None => format!("{stage}, at least once"),
        }
    }

    fn config(self, brokers: &str) -> KafkaConfig {
        let default = KafkaConfig::default();
        KafkaConfig {
            brokers: brokers.to_owned(),
            delivery: if self.transaction.is_some() {
                Delivery::Transactional
            } else {
                Delivery::AtLeastOnce
            },
            batch_outputs_max: self.transaction.unwrap_or(default.batch_outputs_max),
            linger_ms: LINGER_MS.into(),
            drain_budget_ms: DRAIN_BUDGET_MS.into(),
            transaction_timeout_ms: (2 * DRAIN_BUDGET_MS).into(),
            call_deadline_ms: LONG_TIMEOUT_MS.into(),
            session_timeout_ms: LONG_TIMEOUT_MS.into(),
            watchdog_ms: LONG_TIMEOUT_MS.into(),
            ..default
        }
    }
}

/// The same for all variants, in milliseconds: the services' default.
pub(crate) const LINGER_MS: u32 = 5;

/// At the stop signal, up to 20,000 outputs wait for their transactions, in transactions of a hundred in one variant.
const DRAIN_BUDGET_MS: u32 = 100_000;

/// Timeouts after which clients are recreated or partitions are lost, which processes records twice: longer than any wait under callgrind on
/// a busy machine.
const LONG_TIMEOUT_MS: u32 = 120_000;

/// Runs `stage` until it sends the stop signal, drains, and prints the resource usage, from before the clients are created until the
/// group has been left. Every record that it received is then resolved and committed.
///
/// # Errors
/// The stage processed another number of records than `expected`, if that is given.
pub(crate) fn drive<S: KafkaStage<Completion = ()>>(
    brokers: &str,
    args: DriveArgs,
    name: &'static str,
    stage: S,
    stop: &StopSignal,
    expected: Option<u64>,
) -> Result<(), Error> {
    let (_, completed) = completions(1);
    let options = DriverOptions {
        service: "bench",
        stage: name,
        group: format!("bench.{name}-{}", std::process::id()),
        inputs: vec![Topic::AlertRaised],
        outputs: vec![Topic::BatchRequested],
        kafka: args.config(brokers),
        hooks: Hooks::default(),
    };
    let usage = Usage::begin();
    let driver = Driver::new(stage, completed, options)?;
    let _first = stop.0.set(driver.shutdown());
    let counts = driver.counts();
    match driver.run()? {
        Stop::Drained => {}
        stop => return Err(format!("{name} ended as {stop:?}").into()),
    }
    let counts = counts.latest().counts;
    if counts.rejected > 0 {
        return Err(format!("{name} rejected {} records", counts.rejected).into());
    }
    let (received, passed) = (counts.received, counts.emitted);
    if received != passed + counts.dropped.total() || expected.is_some_and(|expected| received != expected) {
        return Err(
            format!("{name} ended with other records than {expected:?}, all resolved: {counts:?}").into()
        );
    }
    usage.report(&args.name(name), received, passed);
    Ok(())
}

/// Creates the configuration of a plain client, for comparison with the project's.
#[expect(
    clippy::disallowed_methods,
    reason = "the baseline is librdkafka alone, without the project's client"
)]
pub(crate) fn client(brokers: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", brokers);
    config
}
