//! Configuration section `kafka`, and the librdkafka options that the engine sets itself.

use std::collections::BTreeMap;
use std::time::Duration;

use kit::Millis;
use kit::secret::{REDACTED, redacted_address};
use serde::{Deserialize, Serialize};

use crate::broker_list;
use crate::config_error::ConfigError;
use crate::host_name;
use crate::option_check::{self, RejectedOption};
use crate::security::{self, Security};

/// The section `kafka`: the cluster and its clients. The defaults of times and sizes suit an ordinary cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct KafkaConfig {
    /// Bootstrap servers, `host:port`, separated by commas.
    pub brokers: String,
    /// A real cluster, or the embedded broker of `tapeline dev`.
    pub profile: Profile,
    /// The delivery guarantee: a transaction per batch, or at least once.
    pub delivery: Delivery,
    /// The group protocol. Unset: `classic` on a real cluster, `consumer` on the embedded broker, where classic groups take seconds to
    /// form.
    pub group_protocol: Option<GroupProtocol>,
    /// Partitions of every topic. Part of the contract: compared with the cluster at start, never increased in place.
    pub partitions: i32,
    /// The number of this instance among the replicas. The transactional id is `<group>-<ordinal>`: stable over restarts, so that a
    /// restarted instance aborts its predecessor's open transaction at once.
    pub ordinal: u32,
    /// Derives the ordinal from the host name instead, for replicas that differ in nothing else, such as containers: the number at the
    /// end of the name (`feature-2`), otherwise a hash of the name, as of a container id. A recreated container has another one.
    pub ordinal_from_host: bool,
    /// `transaction.timeout.ms`, milliseconds: the longest time that the open transaction of a failed instance blocks readers.
    pub transaction_timeout_ms: Millis<u32>,
    /// `max.poll.interval.ms`, milliseconds: the longest time between two polls before the group revokes the partitions.
    pub max_poll_interval_ms: Millis<u32>,
    /// `session.timeout.ms`, milliseconds: the time without heartbeats after which the group removes a member. Classic protocol only:
    /// with `consumer` the brokers define it.
    pub session_timeout_ms: Millis<u32>,
    /// The time, milliseconds, within which revoked partitions, or all at shutdown, have to drain.
    pub drain_budget_ms: Millis<u32>,
    /// The timeout of the commit after a drain, milliseconds.
    pub commit_timeout_ms: Millis<u32>,
    /// The time, milliseconds, after which a transactional call that has not returned is stuck, at most `transaction_timeout_ms`. Its
    /// client is abandoned and another one created. librdkafka has two thirds of this time for each call, and the call is repeated after
    /// them: only a call that ignores its timeout is stuck. 7,500: with the restart of the clients, a partition waits less than the
    /// transaction timeout of 15 s.
    pub call_deadline_ms: Millis<u32>,
    /// The timeout of one query to the cluster (watermarks, committed offsets, metadata), milliseconds.
    pub query_timeout_ms: Millis<u32>,
    /// The time, milliseconds, that the start of a service waits for topics that do not exist yet or may not be accessed yet; 0: it fails at
    /// once, as commands always do. 300,000: operators of topics and permissions take seconds to a few minutes, and a typo in a
    /// permission should end the start within the time that a roll-out is given.
    pub topics_wait_ms: Millis<u32>,
    /// The time without fetched records, milliseconds, after which the stall watchdog checks a partition. If records are available, and
    /// still are a quarter of this time later, the clients are recreated. Longer than a client needs to find a leader that has
    /// moved (about 10 s), and shorter than the minute after which it repeats a lost request automatically.
    pub watchdog_ms: Millis<u32>,
    /// `linger.ms`, milliseconds: the time that a producer waits for more records before it sends. Consuming broker batches of a single
    /// record takes half as much time again.
    pub linger_ms: Millis<u32>,
    /// Outputs per batch or transaction, unless a single emission has more. 5,000: about 1 MB of outputs of 200 bytes. `tests/bench`
    /// measures the overhead of smaller batches.
    pub batch_outputs_max: u32,
    /// The size of the prefetch buffer, KiB of values per consumer; at most five records per KiB. A consumer fetches again below it, and a
    /// response adds up to 1 MiB of compressed records per partition. 2,048: a larger one makes a restore no faster, and needs more memory
    /// (ADR 076).
    pub prefetch_kib: u32,
    /// Encryption and authentication.
    pub security: Security,
    /// Further librdkafka options, passed through unchanged. Options that the engine sets itself, unknown names and values that librdkafka
    /// does not accept are rejected.
    pub options: BTreeMap<String, String>,
}

/// The kind of cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Profile {
    /// A Kafka cluster.
    #[default]
    Real,
    /// librdkafka's mock cluster inside the process: fast, at least once, not persistent.
    Embedded,
}

/// The delivery guarantee: how a batch of outputs and the offsets of its inputs are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Delivery {
    /// Outputs and offsets in one transaction: readers of committed records see both or neither.
    #[default]
    Transactional,
    /// Outputs first, offsets second: a crash in between repeats outputs.
    AtLeastOnce,
}

/// The rebalance protocol of a consumer group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GroupProtocol {
    /// The members assign partitions, with the cooperative-sticky assignor.
    Classic,
    /// The brokers assign partitions (KIP-848).
    Consumer,
}

/// `batch.size` of producers, uncompressed, and `fetch.message.max.bytes` of the consumer of work: so a response has room for a batch of
/// each partition (ADR 076). librdkafka's 1 MB are no faster.
pub(crate) const BATCH_BYTES_MAX: u64 = 128 << 10;

/// librdkafka's default of `fetch.message.max.bytes`. Other applications write bars, in batches of up to this size.
const SIDE_INPUT_RESPONSE_BYTES: u64 = 1 << 20;

/// Memory of a response, per compressed byte: the records decompressed and their structures. Measured with small records, 55 bytes
/// compressed: 6 to 8 (ADR 076).
const MEMORY_PER_FETCHED: u64 = 8;

/// The least `watchdog_ms`.
const WATCHDOG_MIN: Millis<u32> = Millis::new(1_000);

/// The least `call_deadline_ms`.
const CALL_DEADLINE_MIN: Millis<u32> = Millis::new(1_500);

/// The greatest `topics_wait_ms`: a day.
const TOPICS_WAIT_MAX: Millis<u32> = Millis::new(86_400_000);

/// librdkafka options that the engine sets, each with the setting to use instead or the reason.
const ENGINE_OPTIONS: &[(&str, &str)] = &[
    ("bootstrap.servers", "use `brokers`"),
    ("metadata.broker.list", "use `brokers`"),
    ("group.id", "each stage has its own group, named by the service"),
    ("group.instance.id", "static membership is not built yet"),
    ("group.protocol", "use `group_protocol`"),
    ("partition.assignment.strategy", "always cooperative-sticky: a group rejects mixed assignors"),
    ("enable.auto.commit", "the engine commits the resolved prefix only"),
    ("enable.auto.offset.store", "the engine commits the resolved prefix only"),
    ("auto.offset.reset", "the engine decides where to start: records are never skipped without an error"),
    ("enable.partition.eof", "the engine needs end-of-partition events"),
    ("isolation.level", "the engine reads committed records and queries high watermarks"),
    ("enable.idempotence", "always on"),
    ("acks", "always all"),
    ("request.required.acks", "always all"),
    ("max.in.flight", "bounded by idempotence"),
    ("max.in.flight.requests.per.connection", "bounded by idempotence"),
    ("partitioner", "the engine computes the partition"),
    ("transactional.id", "`<group>-<ordinal>`: use `ordinal`"),
    ("transaction.timeout.ms", "use `transaction_timeout_ms`"),
    ("max.poll.interval.ms", "use `max_poll_interval_ms`"),
    ("session.timeout.ms", "use `session_timeout_ms`"),
    ("linger.ms", "use `linger_ms`"),
    ("queue.buffering.max.ms", "use `linger_ms`"),
    ("queued.max.messages.kbytes", "use `prefetch_kib`"),
    ("log.queue", "librdkafka logs to the service's log"),
    ("statistics.interval.ms", "the engine counts the reachable brokers with it"),
    ("enable.sparse.connections", "the engine keeps the brokers of a producer connected"),
    ("test.mock.num.brokers", "`tapeline dev` starts the embedded broker"),
];

impl Default for KafkaConfig {
    fn default() -> Self {
        Self {
            brokers: "localhost:9092".to_owned(),
            profile: Profile::Real,
            delivery: Delivery::Transactional,
            group_protocol: None,
            partitions: contracts::topics::DEFAULT_PARTITIONS,
            ordinal: 0,
            ordinal_from_host: false,
            transaction_timeout_ms: Millis::new(15_000),
            max_poll_interval_ms: Millis::new(300_000),
            session_timeout_ms: Millis::new(15_000),
            drain_budget_ms: Millis::new(8_000),
            commit_timeout_ms: Millis::new(5_000),
            call_deadline_ms: Millis::new(7_500),
            query_timeout_ms: Millis::new(5_000),
            topics_wait_ms: Millis::new(300_000),
            watchdog_ms: Millis::new(30_000),
            linger_ms: Millis::new(5),
            batch_outputs_max: 5_000,
            prefetch_kib: 2_048,
            security: Security::default(),
            options: BTreeMap::new(),
        }
    }
}

impl KafkaConfig {
    /// Returns the configuration for the embedded broker at `brokers`: at least once, since its transactions are not real, and without
    /// a wait for topics, which no operator creates later.
    #[must_use]
    pub fn embedded(brokers: &str) -> Self {
        Self {
            brokers: brokers.to_owned(),
            profile: Profile::Embedded,
            delivery: Delivery::AtLeastOnce,
            topics_wait_ms: Millis::new(0),
            ..Self::default()
        }
    }

    /// Returns the effective ordinal.
    #[must_use]
    pub fn instance(&self) -> u32 {
        let named = self.ordinal_from_host.then(host_name::name).flatten();
        named.map_or(self.ordinal, |name| host_name::ordinal(&name))
    }

    /// Returns the number of prefetched records below which a consumer fetches again.
    #[must_use]
    pub fn prefetch_records_max(&self) -> u64 {
        u64::from(self.prefetch_kib) * 5
    }

    /// Returns `fetch.message.max.bytes` of the consumer of work: the compressed bytes of one partition in a response. A batch may be larger.
    #[must_use]
    pub fn work_response_bytes(&self) -> u64 {
        self.response_bytes_option().unwrap_or(BATCH_BYTES_MAX)
    }

    /// Returns the same of consumers of side inputs.
    #[must_use]
    pub fn side_input_response_bytes(&self) -> u64 {
        self.response_bytes_option().unwrap_or(SIDE_INPUT_RESPONSE_BYTES)
    }

    /// Returns the memory that the records of one partition in a response of work may need. It does not fall with
    /// `fetch.message.max.bytes`: a lower one is for records that need more.
    #[must_use]
    pub fn work_response_memory(&self) -> u64 {
        self.work_response_bytes().max(BATCH_BYTES_MAX).saturating_mul(MEMORY_PER_FETCHED)
    }

    /// Returns the same of side inputs.
    #[must_use]
    pub fn side_input_response_memory(&self) -> u64 {
        self.side_input_response_bytes().max(SIDE_INPUT_RESPONSE_BYTES).saturating_mul(MEMORY_PER_FETCHED)
    }

    fn response_bytes_option(&self) -> Option<u64> {
        let names = ["fetch.message.max.bytes", "max.partition.fetch.bytes"];
        names.iter().find_map(|name| self.options.get(*name)?.parse().ok())
    }

    /// Returns the effective group protocol.
    #[must_use]
    pub fn protocol(&self) -> GroupProtocol {
        self.group_protocol.unwrap_or(match self.profile {
            Profile::Real => GroupProtocol::Classic,
            Profile::Embedded => GroupProtocol::Consumer,
        })
    }

    /// Returns the effective `call_deadline_ms`.
    pub(crate) fn call_deadline(&self) -> Duration {
        self.call_deadline_ms.min(self.transaction_timeout_ms).as_duration()
    }

    /// Returns librdkafka's own bound of a transactional call: well before its deadline, so that a call that is merely slow returns and is
    /// repeated.
    pub(crate) fn call_timeout(&self) -> Duration {
        self.call_deadline() * 2 / 3
    }

    /// Returns the bootstrap servers in the form that may be shown: an invalid list may contain a password.
    #[must_use]
    pub fn shown_brokers(&self) -> String {
        redacted_address(&self.brokers)
    }

    /// Returns all validation errors.
    #[must_use]
    pub fn errors(&self) -> Vec<ConfigError> {
        let mut errors = Vec::new();
        let mut error = |key: &str, value: String, rule: &str| {
            errors.push(ConfigError {
                key: key.to_owned(),
                value: redacted_address(&value),
                rule: rule.to_owned(),
            });
        };
        if let Err(cause) = broker_list::check(&self.brokers, self.security.protocol) {
            error("brokers", self.brokers.clone(), &format!("host:port, separated by commas: {cause}"));
        }
        if self.profile == Profile::Embedded && self.delivery == Delivery::Transactional {
            error(
                "delivery",
                "transactional".to_owned(),
                "`at_least_once`, since the embedded broker accepts transactions but does not isolate them",
            );
        }
        let bound = self.max_poll_interval_ms.min(self.transaction_timeout_ms);
        if self.drain_budget_ms.saturating_add(self.commit_timeout_ms) >= bound {
            error(
                "drain_budget_ms",
                format!("{} (commit_timeout_ms {})", self.drain_budget_ms, self.commit_timeout_ms),
                &format!(
                    "drain_budget_ms + commit_timeout_ms < min(max_poll_interval_ms, transaction_timeout_ms) = {bound}"
                ),
            );
        }
        if self.ordinal_from_host && (self.ordinal != 0 || host_name::name().is_none()) {
            let value = format!("true (ordinal {})", self.ordinal);
            error("ordinal_from_host", value, "without `ordinal`, on a host that has a name");
        }
        if self.session_timeout_ms > self.max_poll_interval_ms {
            error("session_timeout_ms", self.session_timeout_ms.to_string(), "at most max_poll_interval_ms");
        }
        if self.partitions < 1 {
            error("partitions", self.partitions.to_string(), "at least 1, as 12");
        }
        for (key, value) in [
            ("query_timeout_ms", self.query_timeout_ms.get()),
            ("prefetch_kib", self.prefetch_kib),
            ("batch_outputs_max", self.batch_outputs_max),
        ] {
            if value == 0 {
                error(key, "0".to_owned(), "at least 1");
            }
        }
        for (key, value, min, reason) in [
            ("watchdog_ms", self.watchdog_ms, WATCHDOG_MIN, "an ordinary fetch may wait half of that"),
            ("call_deadline_ms", self.call_deadline_ms, CALL_DEADLINE_MIN, "a coordinator may need a second"),
        ] {
            if value < min {
                error(key, value.to_string(), &format!("at least {min}: {reason}"));
            }
        }
        if self.topics_wait_ms > TOPICS_WAIT_MAX {
            error("topics_wait_ms", self.topics_wait_ms.to_string(), "at most 86400000 (a day)");
        }
        errors.extend(self.option_errors());
        errors.extend(self.security.errors(self.profile == Profile::Embedded));
        errors
    }

    /// Returns the errors of options that the engine sets itself, or that librdkafka does not accept.
    fn option_errors(&self) -> impl Iterator<Item = ConfigError> {
        self.options.iter().filter_map(|(key, value)| {
            let engine_option = ENGINE_OPTIONS.iter().find(|(option, _)| option == key);
            let owned = |reason: &str| format!("owned by the engine: {reason}");
            let RejectedOption { value, rule } = match (engine_option, security::option_error(key)) {
                (Some((_, reason)), _) => {
                    RejectedOption { value: redacted_address(value), rule: owned(reason) }
                }
                // Some of these options are secrets: their values are redacted.
                (None, Some(reason)) => RejectedOption { value: REDACTED.to_owned(), rule: owned(reason) },
                (None, None) => option_check::check(key, value)?,
            };
            Some(ConfigError { key: format!("options.{key}"), value, rule })
        })
    }
}

#[cfg(test)]
mod tests;
