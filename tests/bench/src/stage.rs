//! Runs a stage under the real driver until it has judged what it was to judge.

use std::sync::OnceLock;

use clap::Args;
use contracts::Topic;
use kafka_io::{Delivery, Driver, DriverOptions, Hooks, KafkaConfig, KafkaStage, Shutdown, completions};
use pipeline::Stop;
use rdkafka::config::ClientConfig;

use crate::Failed;
use crate::usage::Usage;

/// How a stage is driven.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct How {
    /// Records to judge.
    #[arg(long)]
    pub(crate) records: u64,
    /// Outputs a transaction; none: at least once.
    #[arg(long)]
    pub(crate) transaction: Option<u32>,
}

/// Ends the driver from inside of its stage, once it was judged enough.
#[derive(Default)]
pub(crate) struct Enough(OnceLock<Shutdown>);

impl Enough {
    pub(crate) fn reached(&self) {
        if let Some(shutdown) = self.0.get() {
            shutdown.request();
        }
    }
}

impl How {
    /// What its line is called.
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
            ..default
        }
    }
}

/// The same for all variants. 5 ms: the services' default.
pub(crate) const LINGER_MS: u32 = 5;

/// What was read ahead is produced too, in transactions of a hundred if need be.
const DRAIN_BUDGET_MS: u32 = 100_000;

/// Drives `stage` until it says that it was enough, drains, and prints what that took, from before the clients are made until after
/// the group was left.
pub(crate) fn drive<S: KafkaStage<Completion = ()>>(
    brokers: &str,
    how: How,
    name: &'static str,
    stage: S,
    enough: &Enough,
) -> Result<(), Failed> {
    let (_, completed) = completions(1);
    let options = DriverOptions {
        service: "bench",
        stage: name,
        group: format!("bench.{name}-{}", std::process::id()),
        inputs: vec![Topic::AlertRaised],
        outputs: vec![Topic::BatchRequested],
        kafka: how.config(brokers),
        hooks: Hooks::default(),
    };
    let usage = Usage::begin();
    let driver = Driver::new(stage, completed, options)?;
    let _first = enough.0.set(driver.shutdown());
    let counts = driver.counts();
    match driver.run()? {
        Stop::Drained => {}
        stop => return Err(format!("{name} ended as {stop:?}").into()),
    }
    let counts = counts.latest().counts;
    if counts.rejected > 0 {
        return Err(format!("{name} rejected {} records", counts.rejected).into());
    }
    usage.tell(&how.name(name), counts.received);
    Ok(())
}

/// A client that isn't the product's: what it is compared with.
#[expect(clippy::disallowed_methods, reason = "the baseline is librdkafka alone, without the house's client")]
pub(crate) fn client(brokers: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", brokers);
    config
}
