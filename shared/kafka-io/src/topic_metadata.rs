//! Topic metadata, fetched so that denied access is detected at once and with its cause.

use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::metadata::Metadata;

use crate::access_denied::{AccessDenied, serve};
use crate::client::LogContext;
use crate::config::KafkaConfig;
use crate::librdkafka_error::LibrdkafkaError;

/// Timeout of the first request; each further one waits twice as long. The client's events are served in between: an authentication
/// error arrives there only, while the request waits for a connection that is never established.
const FIRST_TIMEOUT: Duration = Duration::from_millis(250);

/// Metadata is not available.
#[derive(Debug)]
pub(crate) enum MetadataError {
    /// No retry succeeds.
    AccessDenied(AccessDenied),
    /// No response within the timeout.
    Unavailable(LibrdkafkaError),
}

/// Fetches the topics that the principal may describe. Blocks up to `timeout`.
pub(crate) fn fetch_all(
    client: &BaseConsumer<LogContext>,
    config: &KafkaConfig,
    timeout: Duration,
) -> Result<Metadata, MetadataError> {
    let deadline = Instant::now() + timeout;
    let mut wait = FIRST_TIMEOUT;
    loop {
        let left = deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        let error = match client.fetch_metadata(None, wait.min(left)) {
            Ok(metadata) => return Ok(metadata),
            Err(error) => error,
        };
        drop(serve(client));
        if let Some((code, text)) = client.context().access_denied() {
            return Err(MetadataError::AccessDenied(AccessDenied::new(config, code, &text)));
        }
        if Instant::now() >= deadline {
            return Err(MetadataError::Unavailable(client.context().connection().explain(error)));
        }
        wait = timeout.min(2 * wait);
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

/// Returns the error of a topic that is missing in the metadata because the principal may not describe it. `None` if it does not
/// exist. Not for the embedded broker, which creates a topic that is requested by name.
pub(crate) fn describe_denied(
    client: &BaseConsumer<LogContext>,
    config: &KafkaConfig,
    topic: &str,
    timeout: Duration,
) -> Option<AccessDenied> {
    let metadata = client.fetch_metadata(Some(topic), timeout).ok()?;
    let error = metadata.topics().iter().find(|found| found.name() == topic)?.error()?;
    let code = RDKafkaErrorCode::from(error);
    let text = format!("not authorized to describe topic {topic} ({code:?})");
    (code == RDKafkaErrorCode::TopicAuthorizationFailed).then(|| AccessDenied::new(config, code, &text))
}
