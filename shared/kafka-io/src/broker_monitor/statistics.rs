//! The states of brokers in librdkafka's statistics.

use std::collections::{BTreeSet, HashMap};

use serde::Deserialize;

/// The brokers of a client, by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sample {
    pub(super) connected: BTreeSet<String>,
    pub(super) disconnected: BTreeSet<String>,
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

impl Sample {
    /// Takes the brokers of the cluster; before the client has learned them, and if none of them is reachable but a bootstrap server is,
    /// the bootstrap servers.
    pub(super) fn of_statistics(json: &[u8]) -> Result<Self, serde_json::Error> {
        let Statistics { brokers } = serde_json::from_slice(json)?;
        let brokers =
            brokers.into_iter().filter(|(_, broker)| matches!(&*broker.source, "configured" | "learned"));
        let (learned, bootstrap): (Vec<_>, Vec<_>) = brokers.partition(|(_, broker)| broker.nodeid >= 0);
        let (learned, bootstrap) = (Self::of(learned), Self::of(bootstrap));
        let is_learned = !learned.connected.is_empty()
            || !learned.disconnected.is_empty() && bootstrap.connected.is_empty();
        Ok(if is_learned { learned } else { bootstrap })
    }

    fn of(brokers: Vec<(String, Broker)>) -> Self {
        let (connected, disconnected): (Vec<_>, Vec<_>) =
            brokers.into_iter().partition(|(_, broker)| broker.is_reachable());
        let names = |brokers: Vec<(String, Broker)>| brokers.into_iter().map(|(name, _)| name).collect();
        Self { connected: names(connected), disconnected: names(disconnected) }
    }

    /// Returns the number of brokers.
    pub(super) fn known(&self) -> usize {
        self.connected.len() + self.disconnected.len()
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
        let sample = Sample::of_statistics(json.as_bytes()).unwrap();
        (sample.connected.len(), sample.known())
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
