//! Construction of every librdkafka client of the workspace, with the options that all of them share.

use std::sync::{Mutex, PoisonError};

use rdkafka::client::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{NoCustomPartitioner, ProducerContext, ThreadedProducer};

use crate::broker_monitor::{self, BrokerMonitor, STATISTICS_INTERVAL_MS};
use crate::call_error::CallError;
use crate::config::{BATCH_BYTES_MAX, GroupProtocol, KafkaConfig, Profile};
use crate::connection_cause::{CONNECTION_FAILED, ConnectionCause, FailedConnection};
use crate::error_codes::{is_access_denied, is_connection_failure};
use crate::fetch_monitor::{self, ClientFetches};
use crate::librdkafka_error::LibrdkafkaError;

/// The largest message that a producer sends (`message.max.bytes`): a dead letter of a 1 MiB record with its headers fits. The bounds
/// of the topics are in `contracts`.
pub const PRODUCER_MESSAGE_MAX_BYTES: usize = 2 * 1024 * 1024;

/// `fetch.wait.max.ms` on the embedded broker, which always waits that long: the latency of one record.
const EMBEDDED_FETCH_WAIT_MS: u32 = 10;

/// `fetch.wait.max.ms` of a side input. The fetch after the last record reports the end of a partition; with librdkafka's 500 ms every
/// record that depends on a transaction would wait that long until the table has passed the transaction's marker.
const TABLE_FETCH_WAIT_MS: u32 = 25;

/// `fetch.wait.max.ms` of work. Only one fetch per broker is in flight, so a resumed partition waits for a fetch of idle partitions
/// first: with librdkafka's 500 ms each resume of a full lane took half a second if other partitions were idle.
const WORK_FETCH_WAIT_MS: u32 = 100;

/// A client could not be created: an option is invalid, or the system lacks threads or sockets.
#[derive(Debug, thiserror::Error)]
#[error("failed to create {kind} for brokers {brokers:?}")]
pub struct ClientError {
    kind: &'static str,
    brokers: String,
    source: LibrdkafkaError,
}

/// A client context that passes librdkafka's log lines and errors to the service's log.
#[derive(Debug, Default)]
pub struct LogContext {
    access_denied: Mutex<Option<(RDKafkaErrorCode, String)>>,
    connection: ConnectionCause,
    fetches: Option<ClientFetches>,
}

impl LogContext {
    /// Returns the context of a consumer whose fetches are observed.
    pub(crate) fn observed(fetches: ClientFetches) -> Self {
        Self { fetches: Some(fetches), ..Self::default() }
    }

    /// Returns the last error that denied access to this client, as the error of a call. `None` if no error served so far did.
    pub(crate) fn permanent_error(&self) -> Option<CallError> {
        self.access_denied().map(|(code, text)| CallError::fatal(code, text))
    }

    /// Returns the last error that denied access to this client, among the errors served so far.
    pub(crate) fn access_denied(&self) -> Option<(RDKafkaErrorCode, String)> {
        self.access_denied.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_statistics(&self, options: &mut ClientConfig) {
        if self.fetches.is_some() {
            options.set("statistics.interval.ms", fetch_monitor::INTERVAL_MS.to_string());
        }
    }

    /// Returns why the client has no connection, as far as its log was served.
    pub(crate) fn connection(&self) -> &ConnectionCause {
        &self.connection
    }
}

impl ClientContext for LogContext {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        log_line(None, level, facility, text);
        self.connection.observe(facility, text);
    }

    fn stats_raw(&self, statistics: &[u8]) {
        self.fetches.iter().for_each(|fetches| fetches.statistics(statistics));
    }

    fn error(&self, error: KafkaError, reason: &str) {
        log_error(&error, reason);
        if let Some(code) = error.rdkafka_error_code().filter(|code| is_access_denied(*code, reason)) {
            *self.access_denied.lock().unwrap_or_else(PoisonError::into_inner) =
                Some((code, reason.to_owned()));
        }
    }
}

/// Logs an error of a client. librdkafka logs most errors itself, and the call that a fatal error ends returns it.
pub(crate) fn log_error(error: &KafkaError, reason: &str) {
    tracing::debug!(target: "librdkafka", %error, reason, "client error");
}

/// Logs a fetch of `what` that failed temporarily. Failed connections are summed up with those of all clients.
pub(crate) fn log_failed_fetch(what: &'static str, code: RDKafkaErrorCode, text: &str) {
    match code {
        // Its text is a count; the lines of the single connections have the cause.
        RDKafkaErrorCode::AllBrokersDown => broker_monitor::connection_failed(""),
        code if is_connection_failure(code) => {
            broker_monitor::connection_failed(FailedConnection::of_line(text).cause);
        }
        _ => tracing::warn!(what, %code, text, "fetch failed: librdkafka retries automatically"),
    }
}

impl ConsumerContext for LogContext {}

impl ProducerContext for LogContext {
    type DeliveryOpaque = ();

    fn delivery(&self, _: &rdkafka::producer::DeliveryResult<'_>, (): ()) {}
}

/// Logs a line of librdkafka's log, its errors as warnings. Failed connections go to the client's monitor, if it has one, and are
/// summed up with those of all clients.
pub(crate) fn log_line(monitor: Option<&BrokerMonitor>, level: RDKafkaLogLevel, facility: &str, text: &str) {
    if matches!(facility, CONNECTION_FAILED | "REQTMOUT") {
        let cause = FailedConnection::of_line(text).cause;
        monitor.iter().for_each(|monitor| monitor.failed(cause));
        // A connection that was merely closed, for example because it was idle, is logged at a lower level.
        if matches!(level, RDKafkaLogLevel::Error | RDKafkaLogLevel::Warning) {
            broker_monitor::connection_failed(cause);
        }
        return;
    }
    match level {
        RDKafkaLogLevel::Emerg
        | RDKafkaLogLevel::Alert
        | RDKafkaLogLevel::Critical
        | RDKafkaLogLevel::Error
        | RDKafkaLogLevel::Warning => tracing::warn!(target: "librdkafka", facility, "{text}"),
        RDKafkaLogLevel::Notice | RDKafkaLogLevel::Info => {
            tracing::info!(target: "librdkafka", facility, "{text}");
        }
        RDKafkaLogLevel::Debug => tracing::debug!(target: "librdkafka", facility, "{text}"),
    }
}

/// Creates the consumer of a stage's work: a member of its group, `read_committed`, without automatic offset reset.
pub(crate) fn work_consumer(
    config: &KafkaConfig,
    group: &str,
    context: LogContext,
) -> Result<BaseConsumer<LogContext>, ClientError> {
    let mut options = reading(config, group);
    context.set_statistics(&mut options);
    options
        .set("fetch.message.max.bytes", config.work_response_bytes().to_string())
        .set("auto.offset.reset", "error")
        .set("max.poll.interval.ms", config.max_poll_interval_ms.to_string());
    match config.protocol() {
        GroupProtocol::Classic => {
            options
                .set("group.protocol", "classic")
                .set("partition.assignment.strategy", "cooperative-sticky")
                .set("session.timeout.ms", config.session_timeout_ms.to_string())
                .set("heartbeat.interval.ms", (config.session_timeout_ms.get() / 10).max(100).to_string());
        }
        GroupProtocol::Consumer => {
            options.set("group.protocol", "consumer");
        }
    }
    let fetch_wait_ms = match config.profile {
        Profile::Real => WORK_FETCH_WAIT_MS,
        Profile::Embedded => EMBEDDED_FETCH_WAIT_MS,
    };
    options.set("fetch.wait.max.ms", fetch_wait_ms.to_string());
    create(config, "work consumer", &options, context)
}

/// Creates a consumer for manually assigned partitions: of a side input, or those that an operator's command reads. Its group id
/// neither subscribes nor commits; librdkafka requires one for an assignment.
pub(crate) fn follower(
    config: &KafkaConfig,
    group: &str,
    context: LogContext,
) -> Result<BaseConsumer<LogContext>, ClientError> {
    let mut options = reading(config, group);
    context.set_statistics(&mut options);
    let fetch_wait_ms = match config.profile {
        Profile::Real => TABLE_FETCH_WAIT_MS,
        Profile::Embedded => EMBEDDED_FETCH_WAIT_MS,
    };
    options.set("auto.offset.reset", "error").set("fetch.wait.max.ms", fetch_wait_ms.to_string());
    create(config, "follower", &options, context)
}

/// Creates a consumer like [`follower`] that also reads the records of aborted transactions.
pub(crate) fn uncommitted_follower(
    config: &KafkaConfig,
    group: &str,
) -> Result<BaseConsumer<LogContext>, ClientError> {
    let mut options = reading(config, group);
    options.set("auto.offset.reset", "error").set("isolation.level", "read_uncommitted");
    create(config, "uncommitted follower", &options, LogContext::default())
}

/// Creates a client that queries a group's committed offsets; it never subscribes.
pub(crate) fn group_query_client(
    config: &KafkaConfig,
    group: &str,
) -> Result<BaseConsumer<LogContext>, ClientError> {
    create(config, "group query client", &reading(config, group), LogContext::default())
}

/// Creates a client that queries topics. It is `read_uncommitted`: the end of a partition is its high watermark, records of open
/// transactions included. A `read_committed` client receives the last stable offset instead, which may precede acknowledged records.
pub(crate) fn topic_query_client(config: &KafkaConfig) -> Result<BaseConsumer<LogContext>, ClientError> {
    let mut options = base(config);
    options.set("isolation.level", "read_uncommitted");
    create(config, "topic query client", &options, LogContext::default())
}

/// Creates an idempotent producer with a thread that serves its acknowledgements; transactional if it has an id.
pub(crate) fn producer<C>(
    config: &KafkaConfig,
    transactional_id: Option<&str>,
    context: C,
) -> Result<ThreadedProducer<C>, ClientError>
where
    C: ProducerContext<NoCustomPartitioner> + 'static,
{
    let mut options = base(config);
    options
        .set("enable.idempotence", "true")
        .set("acks", "all")
        // The partition is computed by `contracts` with Java's hash; librdkafka's default partitioner has another one.
        .set("partitioner", "murmur2_random")
        .set("linger.ms", config.linger_ms.to_string())
        .set("message.max.bytes", PRODUCER_MESSAGE_MAX_BYTES.to_string())
        .set("statistics.interval.ms", STATISTICS_INTERVAL_MS.to_string())
        // Every broker is kept connected: the statistics show which are reachable.
        .set("enable.sparse.connections", "false");
    set_default(config, &mut options, "compression.type", "lz4");
    set_default(config, &mut options, "batch.size", &BATCH_BYTES_MAX.to_string());
    if let Some(id) = transactional_id {
        // An unacknowledged record must not outlive its transaction.
        options
            .set("transactional.id", id)
            .set("transaction.timeout.ms", config.transaction_timeout_ms.to_string())
            .set("message.timeout.ms", config.transaction_timeout_ms.to_string())
            // Sending offsets waits for the group's coordinator indefinitely (`rd_kafka_coord_req` ignores its timeout), and looks it
            // up again only when a connection opens or closes: after a broker's restart it stalled for minutes. So a client that
            // waits, whose connections are therefore idle, closes and reopens them: early enough for the deadline of the call, later
            // than a healthy broker needs to respond.
            .set("connections.max.idle.ms", config.call_timeout().as_millis().to_string());
        // A transaction that begins while the markers of the previous one are written has to retry; the markers need some 10 ms,
        // and librdkafka's first retry follows after 100 ms. Each further one waits twice as long, up to a second.
        set_default(config, &mut options, "retry.backoff.ms", "10");
        set_default(config, &mut options, "topic.metadata.refresh.fast.interval.ms", "100");
    } else {
        set_default(config, &mut options, "message.timeout.ms", "30000");
    }
    create(config, "producer", &options, context)
}

/// Creates the client of the operator's administrative commands.
pub(crate) fn administrator(
    config: &KafkaConfig,
) -> Result<rdkafka::admin::AdminClient<LogContext>, ClientError> {
    create(config, "administrator", &base(config), LogContext::default())
}

/// Creates a producer that hosts librdkafka's mock cluster of one broker. The cluster ends when the producer is dropped.
///
/// # Errors
/// If the system lacks threads or sockets.
pub fn mock_host() -> Result<rdkafka::producer::BaseProducer<LogContext>, ClientError> {
    mock_host_of(1)
}

pub(crate) fn mock_host_of(brokers: u32) -> Result<rdkafka::producer::BaseProducer<LogContext>, ClientError> {
    let config = KafkaConfig::embedded("127.0.0.1:1");
    let mut options = base(&config);
    options.remove("bootstrap.servers").set("test.mock.num.brokers", brokers.to_string());
    create(&config, "mock broker", &options, LogContext::default())
}

fn reading(config: &KafkaConfig, group: &str) -> ClientConfig {
    let mut options = base(config);
    options
        .set("group.id", group)
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("enable.partition.eof", "true")
        .set("isolation.level", "read_committed")
        .set("queued.max.messages.kbytes", config.prefetch_kib.to_string());
    // Values alone count for the limit in bytes; the structure and the key of a small record cost several times its value. librdkafka's
    // 100,000 records are some 50 MB.
    set_default(config, &mut options, "queued.min.messages", &config.prefetch_records_max().to_string());
    // The pause of fetching while the prefetch buffer is full. After librdkafka's 1,000 ms the stage has long emptied it and is idle.
    set_default(config, &mut options, "fetch.queue.backoff.ms", "20");
    options
}

#[expect(clippy::disallowed_methods, reason = "the only place that creates a client's configuration")]
fn base(config: &KafkaConfig) -> ClientConfig {
    let mut options = ClientConfig::new();
    options.set_log_level(RDKafkaLogLevel::Info);
    for (key, value) in &config.options {
        options.set(key, value);
    }
    options.set("bootstrap.servers", &config.brokers);
    config.security.apply_to(&mut options);
    set_default(config, &mut options, "client.id", "tapeline");
    // Prevents a load balancer from closing an idle connection, and detects a broken one early.
    set_default(config, &mut options, "socket.keepalive.enable", "true");
    // A restarted broker is found within this time; librdkafka's 10 s is most of an outage.
    set_default(config, &mut options, "reconnect.backoff.max.ms", "2000");
    options
}

fn set_default(config: &KafkaConfig, options: &mut ClientConfig, key: &str, value: &str) {
    if !config.options.contains_key(key) {
        options.set(key, value);
    }
}

fn create<C, T>(
    config: &KafkaConfig,
    kind: &'static str,
    options: &ClientConfig,
    context: C,
) -> Result<T, ClientError>
where
    C: ClientContext,
    T: rdkafka::config::FromClientConfigAndContext<C>,
{
    options.create_with_context(context).map_err(|error| ClientError {
        kind,
        brokers: config.shown_brokers(),
        source: error.into(),
    })
}
