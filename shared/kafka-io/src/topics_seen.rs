//! Which topics there are, asked so that a refusal is told at once and with its cause.

use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::metadata::Metadata;

use crate::access_denied::{AccessDenied, serve};
use crate::client::LogContext;
use crate::config::KafkaConfig;

/// The first wait for an answer; each that follows is twice as long. In between the client's errors are looked at: one that keeps us
/// out comes by that way alone, while the call itself waits for a connection that will never be.
const FIRST_WAIT: Duration = Duration::from_millis(250);

/// There is no answer.
#[derive(Debug)]
pub(crate) enum Unseen {
    /// And none will come.
    AccessDenied(AccessDenied),
    /// Not within the time given.
    Unanswered(KafkaError),
}

/// The topics that our principal may know of. Blocks up to `timeout`.
pub(crate) fn all(
    client: &BaseConsumer<LogContext>,
    config: &KafkaConfig,
    timeout: Duration,
) -> Result<Metadata, Unseen> {
    let deadline = Instant::now() + timeout;
    let mut wait = FIRST_WAIT;
    loop {
        let left = deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        let error = match client.fetch_metadata(None, wait.min(left)) {
            Ok(metadata) => return Ok(metadata),
            Err(error) => error,
        };
        drop(serve(client));
        if let Some((code, text)) = client.context().kept_out() {
            return Err(Unseen::AccessDenied(AccessDenied::new(config, code, &text)));
        }
        if Instant::now() >= deadline {
            return Err(Unseen::Unanswered(error));
        }
        wait = timeout.min(2 * wait);
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

/// Why a topic isn't among them, if that is for lack of a right. Not for the embedded broker, which makes what is asked for by name.
pub(crate) fn hidden(
    client: &BaseConsumer<LogContext>,
    config: &KafkaConfig,
    topic: &str,
    timeout: Duration,
) -> Option<AccessDenied> {
    let metadata = client.fetch_metadata(Some(topic), timeout).ok()?;
    let error = metadata.topics().iter().find(|found| found.name() == topic)?.error()?;
    let code = RDKafkaErrorCode::from(error);
    let text = format!("topic {topic} may not even be described ({code:?}): it needs a right to it");
    (code == RDKafkaErrorCode::TopicAuthorizationFailed).then(|| AccessDenied::new(config, code, &text))
}
