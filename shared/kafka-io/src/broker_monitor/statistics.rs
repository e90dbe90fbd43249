//! The states of brokers in librdkafka's statistics.

use std::collections::HashMap;

use serde::Deserialize;

/// The brokers of a client, and how many of them have a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Reach {
    pub(crate) reachable: usize,
    pub(crate) known: usize,
}

#[derive(Deserialize)]
struct Statistics {
    brokers: HashMap<String, Broker>,
}

#[derive(Deserialize)]
struct Broker {
    /// -1 for a bootstrap server whose id is not known.
    nodeid: i32,
    /// `configured` or `learned`; others are not connections of their own.
    source: String,
    state: String,
}

impl Broker {
    fn is_reachable(&self) -> bool {
        // REAUTH renews the login over a connection that works.
        matches!(self.state.as_str(), "UP" | "REAUTH")
    }
}

impl Reach {
    /// Counts the brokers of the cluster; before the client has learned them, and if none of them is reachable but a bootstrap server
    /// is, the bootstrap servers.
    pub(super) fn of_statistics(json: &[u8]) -> Result<Self, serde_json::Error> {
        let Statistics { brokers } = serde_json::from_slice(json)?;
        let brokers =
            || brokers.values().filter(|broker| matches!(&*broker.source, "configured" | "learned"));
        let learned = Self::of(brokers().filter(|broker| broker.nodeid >= 0));
        let bootstrap = Self::of(brokers().filter(|broker| broker.nodeid < 0));
        Ok(if learned.known == 0 || learned.reachable == 0 && bootstrap.reachable > 0 {
            bootstrap
        } else {
            learned
        })
    }

    fn of<'a>(brokers: impl Iterator<Item = &'a Broker>) -> Self {
        brokers.fold(Self { reachable: 0, known: 0 }, |sum, broker| Self {
            reachable: sum.reachable + usize::from(broker.is_reachable()),
            known: sum.known + 1,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reach(brokers: &[(i32, &str, &str)]) -> (usize, usize) {
        let brokers = brokers.iter().enumerate().map(|(index, (nodeid, source, state))| {
            format!(
                r#""b{index}": {{"nodeid": {nodeid}, "source": "{source}", "state": "{state}", "tx": 7}}"#
            )
        });
        let json = format!(
            r#"{{"name": "x", "brokers": {{{}}}, "topics": {{}}}}"#,
            brokers.collect::<Vec<_>>().join(", ")
        );
        let Reach { reachable, known } = Reach::of_statistics(json.as_bytes()).unwrap();
        (reachable, known)
    }

    #[test]
    fn learned_brokers_count_instead_of_bootstrap_servers() {
        let (up, down) = ("UP", "TRY_CONNECT");
        assert_eq!(reach(&[(-1, "configured", "INIT"), (1, "learned", up), (2, "learned", down)]), (1, 2));
        assert_eq!(reach(&[(-1, "configured", "CONNECT"), (-1, "configured", "AUTH_REQ")]), (0, 2));
        // The learned brokers were replaced: the bootstrap server leads to the new ones.
        assert_eq!(reach(&[(-1, "configured", up), (1, "learned", down), (2, "learned", down)]), (1, 1));
        assert_eq!(reach(&[(-1, "configured", down), (1, "learned", down), (2, "learned", down)]), (0, 2));
        assert_eq!(reach(&[(-1, "logical", up), (-1, "internal", up), (0, "learned", "REAUTH")]), (1, 1));
    }
}
