//! What an operator may say about Kafka, and what the engine says itself.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::host;
use crate::security::{self, Security};

/// The cluster, and how to talk to it. Times and sizes have defaults that hold on an ordinary cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct KafkaConfig {
    /// Bootstrap servers: `host:port`, separated by commas.
    pub brokers: String,
    /// A real cluster, or the embedded broker of `tapeline dev`.
    pub profile: Profile,
    /// What holds a batch and its offsets together.
    pub delivery: Delivery,
    /// How the group is balanced. Unset: `classic` on a real cluster, `consumer` on the embedded broker, whose classic groups
    /// take seconds to form.
    pub group_protocol: Option<GroupProtocol>,
    /// Partitions of every topic. Part of the contract: compared with the cluster at start, never grown in place.
    pub partitions: i32,
    /// This instance's number among the replicas: its transactional id is `<group>-<ordinal>`, stable over restarts, so that a
    /// restarted instance ends its predecessor's open transaction at once.
    pub ordinal: u32,
    /// Takes the ordinal from the host's name instead, for replicas that differ in nothing else, as containers do: the number that the
    /// name ends in (`feature-2`), or one made of the name, as of a container's id. A container that is made anew has a new one.
    pub ordinal_from_host: bool,
    /// How long a dead instance's open transaction may block readers.
    pub transaction_timeout_ms: u32,
    /// The longest time between two polls before the group takes our partitions away.
    pub max_poll_interval_ms: u32,
    /// Silence after which the group takes a member for dead. Used by the classic protocol only: under `consumer` the brokers say.
    pub session_timeout_ms: u32,
    /// How long partitions that go away, or the whole stage at its end, may drain.
    pub drain_budget_ms: u32,
    /// How long the commit after a drain may take.
    pub commit_timeout_ms: u32,
    /// How long one question to the cluster (watermarks, committed offsets, metadata) may take.
    pub query_timeout_ms: u32,
    /// How long a partition may be silent before it is looked at: when records wait in it all the same, and still do a quarter of this
    /// later, the clients are made anew. Longer than what the client itself needs to find a leader that has moved (about 10 s), and
    /// shorter than the minute after which it gives up a request, which then heals alone.
    pub watchdog_ms: u32,
    /// How long a producer waits for more records before it sends. Broker batches of one record cost their consumer half as
    /// much again.
    pub linger_ms: u32,
    /// Outputs at which a batch or transaction closes, unless one emission alone is larger. 5,000: about 1 MB of outputs of 200 bytes.
    /// What smaller ones cost is for `tests/bench` to say.
    pub batch_outputs_max: u32,
    /// Bound of the records fetched ahead, KiB for each consumer.
    pub prefetch_kib: u32,
    /// Who we are to the cluster, and how we know that it is the cluster.
    pub security: Security,
    /// Further librdkafka options, passed through as they are; those that the engine owns are refused.
    pub options: BTreeMap<String, String>,
}

/// What stands at the other end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Profile {
    /// A Kafka cluster.
    #[default]
    Real,
    /// librdkafka's mock cluster inside the process: quick, at least once, nothing survives.
    Embedded,
}

/// What holds a batch of outputs and the offsets of its inputs together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Delivery {
    /// Outputs and offsets in one transaction: readers of committed records see both or neither.
    #[default]
    Transactional,
    /// Outputs first, offsets after: a crash in between repeats outputs.
    AtLeastOnce,
}

/// Who balances a consumer group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GroupProtocol {
    /// The members, by the cooperative-sticky assignor.
    Classic,
    /// The brokers (KIP-848).
    Consumer,
}

/// One thing wrong with a section of the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// Where: the key under the section.
    pub key: String,
    /// What stands there.
    pub value: String,
    /// The rule that it breaks, with an example where that helps.
    pub rule: String,
}

/// librdkafka options that belong to the engine, and why.
const OWNED: &[(&str, &str)] = &[
    ("bootstrap.servers", "say it in `brokers`"),
    ("metadata.broker.list", "say it in `brokers`"),
    ("group.id", "each stage has its own group, named by the service"),
    ("group.instance.id", "static membership is not built yet"),
    ("group.protocol", "say it in `group_protocol`"),
    ("partition.assignment.strategy", "cooperative-sticky alone: mixed assignors are refused by the group"),
    ("enable.auto.commit", "the ledger commits, over the resolved prefix alone"),
    ("enable.auto.offset.store", "the ledger commits, over the resolved prefix alone"),
    ("auto.offset.reset", "the engine decides where to start; a silent skip is never right"),
    ("enable.partition.eof", "the engine needs it to know where a partition ends"),
    ("isolation.level", "the engine reads committed records, and asks for ends uncommitted"),
    ("enable.idempotence", "always on"),
    ("acks", "always all"),
    ("request.required.acks", "always all"),
    ("max.in.flight", "bounded by idempotence"),
    ("max.in.flight.requests.per.connection", "bounded by idempotence"),
    ("partitioner", "the engine computes the partition"),
    ("transactional.id", "`<group>-<ordinal>`: say `ordinal`"),
    ("transaction.timeout.ms", "say it in `transaction_timeout_ms`"),
    ("max.poll.interval.ms", "say it in `max_poll_interval_ms`"),
    ("session.timeout.ms", "say it in `session_timeout_ms`"),
    ("linger.ms", "say it in `linger_ms`"),
    ("queue.buffering.max.ms", "say it in `linger_ms`"),
    ("queued.max.messages.kbytes", "say it in `prefetch_kib`"),
    ("log.queue", "librdkafka's log lines go to the service's log"),
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
            transaction_timeout_ms: 15_000,
            max_poll_interval_ms: 300_000,
            session_timeout_ms: 15_000,
            drain_budget_ms: 8_000,
            commit_timeout_ms: 5_000,
            query_timeout_ms: 5_000,
            watchdog_ms: 30_000,
            linger_ms: 5,
            batch_outputs_max: 5_000,
            prefetch_kib: 16_384,
            security: Security::default(),
            options: BTreeMap::new(),
        }
    }
}

impl KafkaConfig {
    /// For the embedded broker that listens at `brokers`: at least once, since its transactions are faked.
    #[must_use]
    pub fn embedded(brokers: &str) -> Self {
        Self {
            brokers: brokers.to_owned(),
            profile: Profile::Embedded,
            delivery: Delivery::AtLeastOnce,
            ..Self::default()
        }
    }

    /// The ordinal in force.
    #[must_use]
    pub fn instance(&self) -> u32 {
        let named = self.ordinal_from_host.then(host::name).flatten();
        named.map_or(self.ordinal, |name| host::ordinal(&name))
    }

    /// The group protocol in force.
    #[must_use]
    pub fn protocol(&self) -> GroupProtocol {
        self.group_protocol.unwrap_or(match self.profile {
            Profile::Real => GroupProtocol::Classic,
            Profile::Embedded => GroupProtocol::Consumer,
        })
    }

    /// Everything that is wrong with it, at once.
    #[must_use]
    pub fn errors(&self) -> Vec<ConfigError> {
        let mut faults = Vec::new();
        let mut fault = |key: &str, value: String, rule: &str| {
            faults.push(ConfigError { key: key.to_owned(), value, rule: rule.to_owned() });
        };
        if self.brokers.split(',').any(|one| !names_a_broker(one.trim())) {
            fault(
                "brokers",
                self.brokers.clone(),
                "host:port, separated by commas, as `kafka-1:9092,kafka-2:9092`",
            );
        }
        if self.profile == Profile::Embedded && self.delivery == Delivery::Transactional {
            fault(
                "delivery",
                "transactional".to_owned(),
                "the embedded broker accepts transactions but fakes them: only `at_least_once` is honest there",
            );
        }
        let bound = self.max_poll_interval_ms.min(self.transaction_timeout_ms);
        if self.drain_budget_ms.saturating_add(self.commit_timeout_ms) >= bound {
            fault(
                "drain_budget_ms",
                format!("{} (commit_timeout_ms {})", self.drain_budget_ms, self.commit_timeout_ms),
                &format!(
                    "drain_budget_ms + commit_timeout_ms < min(max_poll_interval_ms, transaction_timeout_ms) = {bound}"
                ),
            );
        }
        if self.ordinal_from_host && (self.ordinal != 0 || host::name().is_none()) {
            let value = format!("true (ordinal {})", self.ordinal);
            fault("ordinal_from_host", value, "without `ordinal`, on a host that has a name");
        }
        if self.session_timeout_ms > self.max_poll_interval_ms {
            fault("session_timeout_ms", self.session_timeout_ms.to_string(), "at most max_poll_interval_ms");
        }
        if self.partitions < 1 {
            fault("partitions", self.partitions.to_string(), "at least 1, as 12");
        }
        for (key, value) in [
            ("query_timeout_ms", self.query_timeout_ms),
            ("prefetch_kib", self.prefetch_kib),
            ("batch_outputs_max", self.batch_outputs_max),
        ] {
            if value == 0 {
                fault(key, "0".to_owned(), "at least 1");
            }
        }
        if self.watchdog_ms < 1_000 {
            fault(
                "watchdog_ms",
                self.watchdog_ms.to_string(),
                "at least 1000: an ordinary fetch may wait half of that",
            );
        }
        for (key, value) in &self.options {
            if let Some((_, reason)) = OWNED.iter().find(|(owned, _)| owned == key) {
                fault(&format!("options.{key}"), value.clone(), &format!("owned by the engine: {reason}"));
            }
        }
        security::add_faults(self, &mut faults);
        faults
    }
}

fn names_a_broker(text: &str) -> bool {
    text.rsplit_once(':').is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok())
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} = {:?}: {}", self.key, self.value, self.rule)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(config: &KafkaConfig) -> Vec<String> {
        config.errors().into_iter().map(|fault| fault.key).collect()
    }

    #[test]
    fn defaults_are_sound_on_both_profiles() {
        assert_eq!(keys(&KafkaConfig::default()), Vec::<String>::new());
        assert_eq!(keys(&KafkaConfig::embedded("127.0.0.1:9092")), Vec::<String>::new());
    }

    #[test]
    fn transactions_on_the_embedded_broker_are_refused_with_the_reason() {
        let config =
            KafkaConfig { delivery: Delivery::Transactional, ..KafkaConfig::embedded("127.0.0.1:1") };
        let faults = config.errors();
        assert_eq!(faults.len(), 1);
        assert!(faults[0].to_string().contains("fakes them"), "{}", faults[0]);
    }

    #[test]
    fn a_drain_must_fit_into_the_shorter_of_poll_interval_and_transaction() {
        let config = KafkaConfig { drain_budget_ms: 10_000, ..KafkaConfig::default() };
        assert_eq!(keys(&config), ["drain_budget_ms"]);
        let config =
            KafkaConfig { max_poll_interval_ms: 12_000, session_timeout_ms: 6_000, ..KafkaConfig::default() };
        assert_eq!(keys(&config), ["drain_budget_ms"]);
    }

    #[test]
    fn options_of_the_engine_are_refused_by_name_and_all_faults_come_at_once() {
        let mut config = KafkaConfig { brokers: "kafka".to_owned(), ..KafkaConfig::default() };
        for key in ["acks", "auto.offset.reset", "fetch.max.bytes"] {
            config.options.insert(key.to_owned(), "1".to_owned());
        }
        assert_eq!(keys(&config), ["brokers", "options.acks", "options.auto.offset.reset"]);
    }

    #[test]
    fn a_watchdog_that_barks_at_an_ordinary_fetch_is_refused() {
        assert_eq!(keys(&KafkaConfig { watchdog_ms: 999, ..KafkaConfig::default() }), ["watchdog_ms"]);
        assert_eq!(keys(&KafkaConfig { watchdog_ms: 1_000, ..KafkaConfig::default() }), Vec::<String>::new());
    }

    #[test]
    fn an_ordinal_is_said_or_taken_from_the_host() {
        assert_eq!(KafkaConfig { ordinal: 3, ..KafkaConfig::default() }.instance(), 3);
        let named = KafkaConfig { ordinal_from_host: true, ..KafkaConfig::default() };
        assert_eq!((keys(&named), named.instance()), (vec![], host::ordinal(&host::name().unwrap())));
        assert_eq!(keys(&KafkaConfig { ordinal: 3, ..named }), ["ordinal_from_host"]);
    }

    #[test]
    fn an_unknown_key_is_refused() {
        let error = serde_json::from_str::<KafkaConfig>(r#"{"broker":"a:1"}"#).unwrap_err();
        assert!(error.to_string().contains("broker"), "{error}");
    }
}
