//! Configuration of the publisher.

use std::net::{Ipv4Addr, SocketAddr};

use chassis::config::{ErrorCollector, Validate};
use chassis::run::Process;
use hosting::{KafkaSection, RegistrySection};
use kit::Millis;
use serde::{Deserialize, Serialize};

use crate::edge::FINDING_BYTES;

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
    /// Maximum number of open connections. If all are in use, the one that waits longest for a request is closed; if each has a
    /// request, further ones are rejected with status 503. Each needs a file descriptor and up to 64 KiB of memory.
    pub connections_max: usize,
    /// Time within which the head of a request must arrive, in milliseconds, from its first byte or from the start of the connection;
    /// then the connection is closed, with status 408 if a part of the head has arrived. 10 s is enough on slow networks too.
    pub head_timeout_ms: Millis,
    /// Time that a connection may be idle between two requests, in milliseconds; then it is closed. 60 s, so that scanners that send
    /// once per minute keep their connections. A response must be read within this time too, but at most 30 s.
    pub idle_timeout_ms: Millis,
    /// Maximum number of concurrent requests; the edge rejects further requests with status 503 and `Retry-After`.
    pub requests_max: usize,
    /// Maximum size of the bodies of concurrent requests, in bytes, with 256 bytes for each finding in them; the edge rejects further
    /// requests with status 503 and `Retry-After`. Each byte counts twice in the memory of the process.
    pub bodies_max_bytes: usize,
    /// The part of `requests_max` and `bodies_max_bytes` that the requests of one remote address may use, so that one caller cannot
    /// block all others. IPv6 addresses count by their network of 64 bits. 1 switches it off, for an edge behind a proxy, where all
    /// callers have the same address.
    pub peer_share: f64,
    /// Time that a request in excess of one of these bounds waits before it is rejected, in milliseconds; its body is not read
    /// meanwhile. 50 ms is longer than the acknowledgement of a batch usually takes.
    pub wait_ms: Millis,
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
    /// Maximum number of dedup windows per partition, about 250 bytes each; the oldest is removed first. 20,000 in each of 12 partitions
    /// are five times the number of tradable symbols in four layers.
    pub partition_windows_max: usize,
}

impl Default for EdgeSection {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8_080)),
            body_max_bytes: 8 << 20,
            items_max: 10_000,
            connections_max: 1_024,
            head_timeout_ms: Millis::new(10_000),
            idle_timeout_ms: Millis::new(60_000),
            requests_max: 64,
            bodies_max_bytes: 64 << 20,
            peer_share: 0.5,
            wait_ms: Millis::new(50),
            body_timeout_ms: Millis::new(10_000),
            in_flight_max_bytes: 32 << 20,
            acknowledge_timeout_ms: Millis::new(10_000),
        }
    }
}

impl Default for AnnouncerSection {
    fn default() -> Self {
        Self { window_ms: Millis::new(24 * 3_600 * 1_000), partition_windows_max: 20_000 }
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

impl EdgeSection {
    /// Returns the maximum size of one request in `bodies_max_bytes`.
    #[must_use]
    pub fn request_max_bytes(&self) -> usize {
        self.body_max_bytes.saturating_add(self.items_max.saturating_mul(FINDING_BYTES))
    }
}

impl Validate for EdgeSection {
    fn validate(&self, errors: &mut ErrorCollector) {
        let (body, flight) = (self.body_max_bytes, self.in_flight_max_bytes);
        errors.check(body >= 1_024, "body_max_bytes", body, "at least 1024", "8388608");
        errors.check(flight >= body, "in_flight_max_bytes", flight, "at least body_max_bytes", "33554432");
        let mut at_least_1 = |key: &str, value: usize, example: &str| {
            errors.check(value >= 1, key, value, "at least 1", example);
        };
        at_least_1("items_max", self.items_max, "10000");
        at_least_1("connections_max", self.connections_max, "1024");
        at_least_1("requests_max", self.requests_max, "64");
        for (key, time, example) in [
            ("head_timeout_ms", self.head_timeout_ms, "10000"),
            ("idle_timeout_ms", self.idle_timeout_ms, "60000"),
            ("body_timeout_ms", self.body_timeout_ms, "10000"),
            ("acknowledge_timeout_ms", self.acknowledge_timeout_ms, "10000"),
        ] {
            errors.check(!time.is_zero(), key, time, "at least 1", example);
        }
        let (bodies, share) = (self.bodies_max_bytes, self.peer_share);
        let rule = "at least body_max_bytes and 256 bytes for each of items_max";
        errors.check(bodies >= self.request_max_bytes(), "bodies_max_bytes", bodies, rule, "67108864");
        errors.check(share > 0.0 && share <= 1.0, "peer_share", share, "above 0, at most 1", "0.5");
    }
}

impl Validate for AnnouncerSection {
    fn validate(&self, errors: &mut ErrorCollector) {
        errors.check(!self.window_ms.is_zero(), "window_ms", self.window_ms, "at least 1", "86400000");
        let windows = self.partition_windows_max;
        errors.check(windows >= 1, "partition_windows_max", windows, "at least 1", "20000");
    }
}
