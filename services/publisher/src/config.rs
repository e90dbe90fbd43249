//! The publisher's configuration.

use std::net::{Ipv4Addr, SocketAddr};

use chassis::config::{ErrorCollector, Validate};
use chassis::run::Process;
use hosting::{KafkaSection, RegistrySection};
use serde::{Deserialize, Serialize};

/// Everything that an operator may say to the publisher.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PublisherConfig {
    /// The process.
    pub process: Process,
    /// The cluster.
    pub kafka: KafkaSection,
    /// The schema registry.
    pub registry: RegistrySection,
    /// The HTTP edge.
    pub edge: EdgeSection,
    /// The announcer.
    pub announcer: AnnouncerSection,
}

impl Default for PublisherConfig {
    fn default() -> Self {
        Self {
            process: Process::on_admin_port(9_101),
            kafka: KafkaSection::default(),
            registry: RegistrySection::default(),
            edge: EdgeSection::default(),
            announcer: AnnouncerSection::default(),
        }
    }
}

/// The HTTP edge.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct EdgeSection {
    /// Where it listens. Loopback: callers have no names and tokens yet.
    pub listen: SocketAddr,
    /// The largest body. 8 MiB: 10,000 findings of a usual size.
    pub body_max_bytes: usize,
    /// The most findings of a body.
    pub items_max: usize,
    /// Requests that are answered at a time; beyond, callers are told to come again. 64: at worst 512 MiB of bodies, and as much again
    /// of what is made of them.
    pub requests_max: usize,
    /// How long a body may take to come: a caller that stalls gives its place back.
    pub body_timeout_ms: u64,
    /// Bytes in flight to the brokers at most; beyond, callers are told to come again. 32 MiB: a second of a busy edge.
    pub in_flight_max_bytes: usize,
    /// How long to wait for the brokers' acknowledgement before the outcome is `unknown`.
    pub acknowledge_timeout_ms: u64,
}

/// The announcer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AnnouncerSection {
    /// How long the same is announced once. 24 h.
    pub window_ms: u64,
    /// Windows that a partition remembers at most. 100,000: every symbol in every layer.
    pub partition_windows_max: usize,
}

impl Default for EdgeSection {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8_080)),
            body_max_bytes: 8 << 20,
            items_max: 10_000,
            requests_max: 64,
            body_timeout_ms: 10_000,
            in_flight_max_bytes: 32 << 20,
            acknowledge_timeout_ms: 10_000,
        }
    }
}

impl Default for AnnouncerSection {
    fn default() -> Self {
        Self { window_ms: 24 * 3_600 * 1_000, partition_windows_max: 100_000 }
    }
}

impl Validate for PublisherConfig {
    const FREE_FORM: &'static [&'static str] = &["kafka.options"];

    fn validate(&self, errors: &mut ErrorCollector) {
        errors.nest("process", &self.process);
        errors.nest("kafka", &self.kafka);
        errors.nest("registry", &self.registry);
        errors.nest("edge", &self.edge);
        errors.nest("announcer", &self.announcer);
    }
}

impl Validate for EdgeSection {
    fn validate(&self, errors: &mut ErrorCollector) {
        let (body, flight) = (self.body_max_bytes, self.in_flight_max_bytes);
        errors.check(body >= 1_024, "body_max_bytes", body, "at least 1024", "8388608");
        errors.check(flight >= body, "in_flight_max_bytes", flight, "at least body_max_bytes", "33554432");
        errors.check(self.items_max >= 1, "items_max", self.items_max, "at least 1", "10000");
        errors.check(self.requests_max >= 1, "requests_max", self.requests_max, "at least 1", "64");
        let body_timeout = self.body_timeout_ms;
        errors.check(body_timeout >= 1, "body_timeout_ms", body_timeout, "at least 1", "10000");
        let timeout = self.acknowledge_timeout_ms;
        errors.check(timeout >= 1, "acknowledge_timeout_ms", timeout, "at least 1", "10000");
    }
}

impl Validate for AnnouncerSection {
    fn validate(&self, errors: &mut ErrorCollector) {
        errors.check(self.window_ms >= 1, "window_ms", self.window_ms, "at least 1", "86400000");
        let windows = self.partition_windows_max;
        errors.check(windows >= 1, "partition_windows_max", windows, "at least 1", "100000");
    }
}
