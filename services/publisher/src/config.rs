//! Configuration of the publisher.

use std::net::{Ipv4Addr, SocketAddr};

use chassis::config::{ErrorCollector, Validate};
use chassis::run::Process;
use hosting::{KafkaSection, RegistrySection};
use kit::Millis;
use serde::{Deserialize, Serialize};

/// Settings of the publisher.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PublisherConfig {
    /// Admin server, logs and shutdown of the process.
    pub process: Process,
    /// Kafka cluster and its clients.
    pub kafka: KafkaSection,
    /// Schema registry and its cache.
    pub registry: RegistrySection,
    /// HTTP edge that accepts findings.
    pub edge: EdgeSection,
    /// Stage that announces proposed symbols.
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

/// Settings of the HTTP edge.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct EdgeSection {
    /// Address and port of the HTTP server. The default is a loopback address, because the edge does not authenticate callers.
    pub listen: SocketAddr,
    /// Maximum size of a request body, in bytes. 8 MiB is enough for 10,000 findings of usual size.
    pub body_max_bytes: usize,
    /// Maximum number of findings in one request. 10,000 findings of usual size fit in the default `body_max_bytes`.
    pub items_max: usize,
    /// Maximum number of concurrent requests; the edge rejects further requests with status 503 and `Retry-After`. With 64 requests
    /// of the default `body_max_bytes`, the bodies occupy at most 512 MiB of memory, and the records made from them as much again.
    pub requests_max: usize,
    /// Time within which a request body must arrive, in milliseconds; a later request is rejected with status 408, so that a stalled
    /// caller does not occupy one of `requests_max`. 10 s is enough for the largest body at 7 Mbit/s.
    pub body_timeout_ms: Millis,
    /// Maximum size of the records that are not acknowledged yet, in bytes, at least `body_max_bytes`; findings in excess of it have the
    /// outcome `refused`. 32 MiB is about one second of a busy edge.
    pub in_flight_max_bytes: usize,
    /// Time to wait for the brokers' acknowledgement, in milliseconds; then the outcome is `unknown`. 10 s is longer than the election
    /// of a new partition leader usually takes.
    pub acknowledge_timeout_ms: Millis,
}

/// Settings of the announcer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AnnouncerSection {
    /// Dedup window of a symbol's qualification for a layer, or promotion between two layers, in milliseconds of event time: within it,
    /// the same announcement is published once. 24 h, so that a symbol is announced once per trading day.
    pub window_ms: Millis,
    /// Maximum number of dedup windows per partition; the oldest is removed first. 100,000 is enough for every tradable symbol in every
    /// layer.
    pub partition_windows_max: usize,
}

impl Default for EdgeSection {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8_080)),
            body_max_bytes: 8 << 20,
            items_max: 10_000,
            requests_max: 64,
            body_timeout_ms: Millis::new(10_000),
            in_flight_max_bytes: 32 << 20,
            acknowledge_timeout_ms: Millis::new(10_000),
        }
    }
}

impl Default for AnnouncerSection {
    fn default() -> Self {
        Self { window_ms: Millis::new(24 * 3_600 * 1_000), partition_windows_max: 100_000 }
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
        errors.check(!body_timeout.is_zero(), "body_timeout_ms", body_timeout, "at least 1", "10000");
        let timeout = self.acknowledge_timeout_ms;
        errors.check(!timeout.is_zero(), "acknowledge_timeout_ms", timeout, "at least 1", "10000");
    }
}

impl Validate for AnnouncerSection {
    fn validate(&self, errors: &mut ErrorCollector) {
        errors.check(!self.window_ms.is_zero(), "window_ms", self.window_ms, "at least 1", "86400000");
        let windows = self.partition_windows_max;
        errors.check(windows >= 1, "partition_windows_max", windows, "at least 1", "100000");
    }
}
