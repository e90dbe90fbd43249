//! Check of an option by librdkafka, before a client is created with it.

use kit::secret::{REDACTED, redacted_address};
use rdkafka::config::ClientConfig;
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaConfRes;

/// An option that librdkafka does not accept.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct RejectedOption {
    /// The value in the form that may be shown. That of an unknown option may be a secret.
    pub(crate) value: String,
    /// Completes "must be".
    pub(crate) rule: String,
}

/// Returns why librdkafka does not accept the option. `None` if it does.
#[expect(clippy::disallowed_methods, reason = "no client is created with it")]
pub(crate) fn check(key: &str, value: &str) -> Option<RejectedOption> {
    let cause = match ClientConfig::new().set(key, value).create_native_config() {
        Ok(_) => return None,
        Err(KafkaError::ClientConfig(RDKafkaConfRes::RD_KAFKA_CONF_UNKNOWN, ..)) => {
            let rule = "the name of an option of librdkafka".to_owned();
            return Some(RejectedOption { value: REDACTED.to_owned(), rule });
        }
        Err(KafkaError::ClientConfig(_, cause, ..)) => cause,
        Err(error) => error.to_string(),
    };
    let shown = redacted_address(value);
    // The cause may quote the value.
    let rule = if shown == value {
        format!("a value that librdkafka accepts: {cause}")
    } else {
        "a value that librdkafka accepts".to_owned()
    };
    Some(RejectedOption { value: shown, rule })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn option_that_librdkafka_does_not_accept_is_rejected() {
        assert_eq!(check("fetch.wait.max.ms", "10"), None);
        assert_eq!(check("message.timeout.ms", "10"), None, "an option of topics");
        let rejected = check("no.such.option", "hunter2").unwrap();
        assert_eq!(
            (rejected.value.as_str(), rejected.rule.as_str()),
            ("[redacted]", "the name of an option of librdkafka")
        );
        for (key, value, cause) in [
            ("fetch.wait.max.ms", "soon", "Invalid value"),
            ("fetch.min.bytes", "0", "outside allowed range"),
            ("error_cb", "x", ""),
        ] {
            let rejected = check(key, value).unwrap();
            assert_eq!(rejected.value, value);
            assert!(rejected.rule.starts_with("a value that librdkafka accepts: "), "{rejected:?}");
            assert!(rejected.rule.contains(cause), "{rejected:?}");
        }
        let rejected = check("broker.address.family", "me:hunter2@host").unwrap();
        assert!(!format!("{rejected:?}").contains("hunter2"), "{rejected:?}");
    }
}
