//! Validation of bootstrap servers by the rules of librdkafka, which reports few of these errors and connects to another address instead.

use std::net::Ipv6Addr;

use kit::secret::redacted_address;

use crate::security::Protocol;

/// An error of a list of bootstrap servers. The text completes "must be `host:port`, separated by commas: ".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BrokerListError {
    #[error("an address is empty")]
    Empty,
    #[error("an address contains a user: use kafka.security")]
    User,
    #[error("`{0}` contains a blank: addresses are separated by commas")]
    Blank(String),
    #[error("`{0}` contains a semicolon: addresses are separated by commas")]
    Semicolon(String),
    #[error("`{0}` has the scheme of another protocol than Kafka's: leave it out")]
    Scheme(String),
    #[error("`{address}` has another protocol than kafka.security.protocol, which is {configured}")]
    OtherProtocol { address: String, configured: &'static str },
    #[error("`{0}` has a path")]
    Path(String),
    #[error("`{0}` has a query")]
    Query(String),
    #[error("`{0}` has an IPv6 address without brackets: write [::1]:9092")]
    Brackets(String),
    #[error("`{0}` has an invalid IPv6 address")]
    Ipv6(String),
    #[error("`{0}` has no host")]
    NoHost(String),
    #[error("`{0}` has a host with the character {1:?}")]
    Host(String, char),
    #[error("`{0}` has no port")]
    NoPort(String),
    #[error("the port of `{0}` is not a number from 1 to 65535")]
    Port(String),
}

/// Checks a list of bootstrap servers: `[protocol://]host:port`, separated by commas and perhaps spaces.
pub(crate) fn check(list: &str, protocol: Protocol) -> Result<(), BrokerListError> {
    if list.contains('@') {
        return Err(BrokerListError::User);
    }
    list.split(',').try_for_each(|address| check_address(address.trim_matches(' '), protocol))
}

fn check_address(address: &str, protocol: Protocol) -> Result<(), BrokerListError> {
    // A query may have a password.
    let named = || redacted_address(address);
    if address.is_empty() {
        return Err(BrokerListError::Empty);
    }
    if address.contains(char::is_whitespace) {
        return Err(BrokerListError::Blank(named()));
    }
    if address.contains(';') {
        return Err(BrokerListError::Semicolon(named()));
    }
    let rest = match address.split_once("://") {
        Some((scheme, rest)) => {
            check_scheme(&named(), scheme, protocol)?;
            rest
        }
        None => address,
    };
    if rest.contains('?') {
        return Err(BrokerListError::Query(named()));
    }
    if rest.contains('/') {
        return Err(BrokerListError::Path(named()));
    }
    let port = match rest.strip_prefix('[') {
        Some(bracketed) => {
            let (host, after) = bracketed.split_once(']').ok_or_else(|| BrokerListError::Ipv6(named()))?;
            // A zone names an interface of this host.
            let host = host.split_once('%').map_or(host, |(host, _)| host);
            host.parse::<Ipv6Addr>().map_err(|_| BrokerListError::Ipv6(named()))?;
            after.strip_prefix(':').ok_or_else(|| BrokerListError::NoPort(named()))?
        }
        None => {
            let (host, port) = rest.split_once(':').ok_or_else(|| BrokerListError::NoPort(named()))?;
            if port.contains(':') {
                return Err(BrokerListError::Brackets(named()));
            }
            if host.is_empty() {
                return Err(BrokerListError::NoHost(named()));
            }
            let is_allowed = |character: &char| character.is_alphanumeric() || "-._".contains(*character);
            if let Some(other) = host.chars().find(|character| !is_allowed(character)) {
                return Err(BrokerListError::Host(named(), other));
            }
            port
        }
    };
    let is_number = port.bytes().all(|byte| byte.is_ascii_digit());
    match port.parse::<u16>() {
        Ok(1..) if is_number => Ok(()),
        _ => Err(BrokerListError::Port(named())),
    }
}

/// librdkafka accepts the names of its protocols in upper and lower case, and only the configured one.
fn check_scheme(address: &str, scheme: &str, protocol: Protocol) -> Result<(), BrokerListError> {
    let all = [Protocol::Plaintext, Protocol::Ssl, Protocol::SaslPlaintext, Protocol::SaslSsl];
    match all.into_iter().find(|known| known.name().eq_ignore_ascii_case(scheme)) {
        None => Err(BrokerListError::Scheme(address.to_owned())),
        Some(known) if known != protocol => {
            Err(BrokerListError::OtherProtocol { address: address.to_owned(), configured: protocol.name() })
        }
        Some(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_that_librdkafka_reads_as_written_are_valid() {
        let lists = [
            "localhost:9092",
            "kafka-1:9092,kafka-2.example.org:9093",
            "a:1, b:65535 ,c_d:3",
            "[::1]:9092,[fe80::1%eth0]:9092,127.0.0.1:9092",
            "PLAINTEXT://a:1,plaintext://b:2",
        ];
        for list in lists {
            assert_eq!(check(list, Protocol::Plaintext), Ok(()), "{list}");
        }
        assert_eq!(check("SASL_SSL://a:1,sasl_ssl://[::1]:2,b:3", Protocol::SaslSsl), Ok(()));
    }

    #[test]
    fn every_other_list_is_rejected_with_its_cause() {
        let lists = [
            ("", "an address is empty"),
            ("a:1,,b:2", "an address is empty"),
            ("a:1 b:2", "`a:1 b:2` contains a blank"),
            ("a:1,\tb:2", "contains a blank"),
            ("a:1;b:2", "`a:1;b:2` contains a semicolon"),
            ("http://a:9092", "`http://a:9092` has the scheme"),
            ("://a:9092", "has the scheme"),
            ("SASL_SSL://a:1", "which is plaintext"),
            ("PLAINTEXT://a:1/x", "has a path"),
            ("::1:9092", "`::1:9092` has an IPv6 address without brackets"),
            ("[::1:9092", "invalid IPv6"),
            ("[localhost]:9092", "invalid IPv6"),
            ("[::1]", "no port"),
            (":9092", "no host"),
            ("kafka", "`kafka` has no port"),
            ("a\"b:1", "the character '\"'"),
            ("a:0", "the port of `a:0` is not a number from 1 to 65535"),
            ("a:65536", "the port of `a:65536`"),
            ("a:+1", "the port of"),
            ("a:", "the port of"),
            ("me:hunter2@a:1", "contains a user"),
            ("a:1?password=hunter2", "`a:1?[redacted]` has a query"),
            ("a:1/x?password=hunter2", "has a query"),
            ("a:1,b:2?password=hunter2,c:3", "`b:2?[redacted]` has a query"),
            ("a:1?password=hunter2;b:2", "contains a semicolon"),
            ("a:1?password=hunter2 b:2", "contains a blank"),
            ("http://a:1?password=hunter2", "`http://a:1?[redacted]` has the scheme"),
            ("SSL://a:1?password=hunter2", "`SSL://a:1?[redacted]` has another protocol"),
        ];
        for (list, cause) in lists {
            let error = check(list, Protocol::Plaintext).unwrap_err().to_string();
            assert!(error.contains(cause) && !error.contains("hunter2"), "{list}: {error}");
        }
    }
}
