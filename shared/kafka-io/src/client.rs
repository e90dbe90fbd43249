//! Builds every librdkafka client of the workspace, so that none misses the house options.

use std::sync::{Mutex, PoisonError};

use rdkafka::client::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{NoCustomPartitioner, ProducerContext, ThreadedProducer};

use crate::access_denied::{MaybeAccessDenied, is_access_denied};
use crate::config::{GroupProtocol, KafkaConfig, Profile};

/// Largest record that a producer sends: a dead letter of a 1 MiB record with its headers fits.
pub const MESSAGE_MAX_BYTES: usize = 2 * 1024 * 1024;

/// Longest wait of a fetch on the embedded broker, which always waits it out: the latency of one record.
const EMBEDDED_FETCH_WAIT_MS: u32 = 10;

/// Longest wait of a table's fetch. The end of a partition is told by the fetch after its last record; with librdkafka's 500 ms
/// everything caused by a transaction would wait that long for the table to pass the transaction's marker.
const TABLE_FETCH_WAIT_MS: u32 = 25;

/// Longest wait of a fetch of work. One fetch a broker is on its way at a time, so that a partition that flows again waits behind one of
/// partitions that have nothing: with librdkafka's 500 ms each opening of a full lane cost half a second beside idle partitions.
const WORK_FETCH_WAIT_MS: u32 = 100;

/// A client could not be made: an option is wrong, or the machine refuses.
#[derive(Debug, thiserror::Error)]
#[error("can't make a {kind} for brokers {brokers:?}: {cause}")]
pub struct ClientError {
    kind: &'static str,
    brokers: String,
    cause: Box<KafkaError>,
}

impl MaybeAccessDenied for ClientError {
    fn is_access_denied(&self) -> bool {
        false
    }
}

/// librdkafka's log lines and errors, in the service's log.
#[derive(Debug, Default)]
pub struct LogContext {
    kept_out: Mutex<Option<(RDKafkaErrorCode, String)>>,
}

impl LogContext {
    /// What kept this client from connecting, as far as its errors were served, if trying again won't help.
    pub(crate) fn kept_out(&self) -> Option<(RDKafkaErrorCode, String)> {
        self.kept_out.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl ClientContext for LogContext {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        log_line(level, facility, text);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        log_error(&error, reason);
        if let Some(code) = error.rdkafka_error_code().filter(|code| is_access_denied(*code, reason)) {
            *self.kept_out.lock().unwrap_or_else(PoisonError::into_inner) = Some((code, reason.to_owned()));
        }
    }
}

/// An error of a client. librdkafka logs most of them itself, and a fatal one comes back from the call that it ends.
pub(crate) fn log_error(error: &KafkaError, reason: &str) {
    match error.rdkafka_error_code() {
        Some(RDKafkaErrorCode::AllBrokersDown) => {
            tracing::warn!(target: "librdkafka", reason, "no broker is up")
        }
        _ => tracing::debug!(target: "librdkafka", %error, reason, "client error"),
    }
}

impl ConsumerContext for LogContext {}

impl ProducerContext for LogContext {
    type DeliveryOpaque = ();

    fn delivery(&self, _: &rdkafka::producer::DeliveryResult<'_>, (): ()) {}
}

/// A line of librdkafka's log. Its errors are mostly a broker that went away and comes back: something to look at, not an alarm.
pub(crate) fn log_line(level: RDKafkaLogLevel, facility: &str, text: &str) {
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

/// Reads a stage's work: a member of its group, read committed, never resetting an offset by itself.
pub(crate) fn work_consumer(
    config: &KafkaConfig,
    group: &str,
) -> Result<BaseConsumer<LogContext>, ClientError> {
    let mut options = reading(config, group);
    options
        .set("auto.offset.reset", "error")
        .set("max.poll.interval.ms", config.max_poll_interval_ms.to_string());
    match config.protocol() {
        GroupProtocol::Classic => {
            options
                .set("group.protocol", "classic")
                .set("partition.assignment.strategy", "cooperative-sticky")
                .set("session.timeout.ms", config.session_timeout_ms.to_string())
                .set("heartbeat.interval.ms", (config.session_timeout_ms / 10).max(100).to_string());
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
    make(config, "work consumer", &options, LogContext::default())
}

/// Follows partitions assigned by hand: a table's, or those that an operator's command reads. Its group id never subscribes nor
/// commits; librdkafka wants one before it assigns.
pub(crate) fn follower(config: &KafkaConfig, group: &str) -> Result<BaseConsumer<LogContext>, ClientError> {
    let mut options = reading(config, group);
    let fetch_wait_ms = match config.profile {
        Profile::Real => TABLE_FETCH_WAIT_MS,
        Profile::Embedded => EMBEDDED_FETCH_WAIT_MS,
    };
    options.set("auto.offset.reset", "error").set("fetch.wait.max.ms", fetch_wait_ms.to_string());
    make(config, "follower", &options, LogContext::default())
}

/// Follows partitions as [`follower`] does, and is shown the records of aborted transactions too.
pub(crate) fn uncommitted_follower(
    config: &KafkaConfig,
    group: &str,
) -> Result<BaseConsumer<LogContext>, ClientError> {
    let mut options = reading(config, group);
    options.set("auto.offset.reset", "error").set("isolation.level", "read_uncommitted");
    make(config, "uncommitted follower", &options, LogContext::default())
}

/// Asks a group for what it has committed; never subscribes.
pub(crate) fn group_inquirer(
    config: &KafkaConfig,
    group: &str,
) -> Result<BaseConsumer<LogContext>, ClientError> {
    make(config, "group inquirer", &reading(config, group), LogContext::default())
}

/// Asks for the ends of partitions as they are, records of open transactions included. A `read_committed` client is told the
/// last stable offset instead, which stands before what was acknowledged last.
pub(crate) fn end_inquirer(config: &KafkaConfig) -> Result<BaseConsumer<LogContext>, ClientError> {
    let mut options = base(config);
    options.set("isolation.level", "read_uncommitted");
    make(config, "end inquirer", &options, LogContext::default())
}

/// An idempotent producer with a thread that serves its acknowledgements; transactional when it is given an id.
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
        // librdkafka's own partitioner hashes otherwise than Java's; we compute the partition, and this is the same function.
        .set("partitioner", "murmur2_random")
        .set("linger.ms", config.linger_ms.to_string())
        .set("message.max.bytes", MESSAGE_MAX_BYTES.to_string());
    set_default(config, &mut options, "compression.type", "lz4");
    if let Some(id) = transactional_id {
        // An unacknowledged record must not outlive its transaction.
        options
            .set("transactional.id", id)
            .set("transaction.timeout.ms", config.transaction_timeout_ms.to_string())
            .set("message.timeout.ms", config.transaction_timeout_ms.to_string())
            // Sending offsets waits for the group's coordinator without an end (`rd_kafka_coord_req` never looks at its timeout), and
            // looks for it again only when some connection comes up or goes down: seen to stand still for minutes after a broker's
            // restart. So every broker is kept connected, and a client that waits, whose connections are therefore idle, drops
            // them and makes them anew: early enough for its transaction, later than a healthy broker takes to answer.
            .set("enable.sparse.connections", "false")
            .set("connections.max.idle.ms", (config.transaction_timeout_ms / 2).to_string());
        // A transaction that begins while the markers of the one before are being written is told to ask again; they take some 10 ms,
        // and librdkafka's first retry comes after 100 ms. Further ones wait twice as long each time, up to a second.
        set_default(config, &mut options, "retry.backoff.ms", "10");
        set_default(config, &mut options, "topic.metadata.refresh.fast.interval.ms", "100");
    } else {
        set_default(config, &mut options, "message.timeout.ms", "30000");
    }
    make(config, "producer", &options, context)
}

/// Options of an operator's administrative client.
pub(crate) fn administrator(
    config: &KafkaConfig,
) -> Result<rdkafka::admin::AdminClient<LogContext>, ClientError> {
    make(config, "administrator", &base(config), LogContext::default())
}

/// A producer that hosts librdkafka's mock cluster of one broker; the cluster lives as long as it does.
///
/// # Errors
/// When librdkafka refuses, for lack of threads or sockets.
pub fn mock_host() -> Result<rdkafka::producer::BaseProducer<LogContext>, ClientError> {
    mock_host_of(1)
}

pub(crate) fn mock_host_of(brokers: u32) -> Result<rdkafka::producer::BaseProducer<LogContext>, ClientError> {
    let config = KafkaConfig::embedded("127.0.0.1:1");
    let mut options = base(&config);
    options.remove("bootstrap.servers").set("test.mock.num.brokers", brokers.to_string());
    make(&config, "mock broker", &options, LogContext::default())
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
    // How long a full prefetch isn't looked at. Within librdkafka's 1,000 ms a stage has long taken all of it, and stands still.
    set_default(config, &mut options, "fetch.queue.backoff.ms", "20");
    options
}

#[expect(clippy::disallowed_methods, reason = "the one place that makes a client's configuration")]
fn base(config: &KafkaConfig) -> ClientConfig {
    let mut options = ClientConfig::new();
    options.set_log_level(RDKafkaLogLevel::Info);
    for (key, value) in &config.options {
        options.set(key, value);
    }
    options.set("bootstrap.servers", &config.brokers);
    config.security.lay(&mut options);
    set_default(config, &mut options, "client.id", "tapeline");
    // Keeps an idle connection from being cut by a load balancer, and a dead one from being noticed late.
    set_default(config, &mut options, "socket.keepalive.enable", "true");
    // A broker that comes back is found within this; librdkafka's 10 s is most of an outage.
    set_default(config, &mut options, "reconnect.backoff.max.ms", "2000");
    options
}

fn set_default(config: &KafkaConfig, options: &mut ClientConfig, key: &str, value: &str) {
    if !config.options.contains_key(key) {
        options.set(key, value);
    }
}

fn make<C, T>(
    config: &KafkaConfig,
    kind: &'static str,
    options: &ClientConfig,
    context: C,
) -> Result<T, ClientError>
where
    C: ClientContext,
    T: rdkafka::config::FromClientConfigAndContext<C>,
{
    options.create_with_context(context).map_err(|cause| ClientError {
        kind,
        brokers: config.brokers.clone(),
        cause: Box::new(cause),
    })
}
