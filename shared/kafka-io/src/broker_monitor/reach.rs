//! The number of brokers that a client reaches, and the confirmation of a loss by a second sample.

use super::statistics::Sample;

/// The number of brokers of a client, and how many of them it reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Reach {
    pub(super) reachable: usize,
    pub(super) known: usize,
}

/// Accepts the loss of a broker if two consecutive samples show it. One is not enough: an idle connection is closed and reopened, and a
/// new client needs some time to connect. A broker that is reachable again is accepted at once.
#[derive(Default)]
pub(super) struct Confirmation {
    previous: Option<Sample>,
    accepted: Option<Reach>,
}

// === impl Reach ===

impl Reach {
    pub(super) fn is_complete(self) -> bool {
        self.reachable >= self.known
    }

    fn missing(self) -> usize {
        self.known.saturating_sub(self.reachable)
    }
}

// === impl Confirmation ===

impl Confirmation {
    /// Takes the next sample. Returns the reach that it shows or confirms; `None` if it shows a loss for the first time.
    pub(super) fn take(&mut self, sample: Sample) -> Option<Reach> {
        let reach = self.confirmed(&sample);
        self.previous = Some(sample);
        if reach.is_some() {
            self.accepted = reach;
        }
        reach
    }

    fn confirmed(&self, sample: &Sample) -> Option<Reach> {
        let (reachable, known) = (sample.connected.len(), sample.known());
        if reachable == 0 {
            // The most brokers known while one was reachable: during an outage the client drops those that it has learned.
            let known = self.accepted.map_or(known, |accepted| known.max(accepted.known));
            let is_second = self.previous.as_ref().is_some_and(|previous| previous.connected.is_empty());
            return is_second.then_some(Reach { reachable, known });
        }
        let reach = Reach { reachable, known };
        let missing = match self.accepted {
            Some(Reach { reachable: 0, .. }) => return Some(reach),
            accepted => accepted.map_or(0, Reach::missing),
        };
        if reach.missing() <= missing {
            return Some(reach);
        }
        // By broker: two connections may be reopened one after the other.
        let previous = self.previous.as_ref()?;
        let lost = sample.disconnected.intersection(&previous.disconnected).count();
        (lost > missing).then(|| Reach { reachable: known - lost, known })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds samples of brokers, in capitals if they are connected.
    fn reaches(samples: &[&str]) -> Vec<Option<(usize, usize)>> {
        let mut confirmation = Confirmation::default();
        let mut take = |brokers: &str| {
            let brokers =
                brokers.chars().map(|broker| (broker.is_uppercase(), broker.to_lowercase().to_string()));
            let (connected, disconnected): (Vec<_>, Vec<_>) = brokers.partition(|(connected, _)| *connected);
            let names = |brokers: Vec<(bool, String)>| brokers.into_iter().map(|(_, name)| name).collect();
            let sample = Sample { connected: names(connected), disconnected: names(disconnected) };
            confirmation.take(sample).map(|Reach { reachable, known }| (reachable, known))
        };
        samples.iter().map(|brokers| take(brokers)).collect()
    }

    const ALL: Option<(usize, usize)> = Some((3, 3));

    #[test]
    fn reopened_connections_are_no_loss() {
        let accepted = reaches(&["ABC", "ABc", "ABC", "ABc", "ABC", "abc", "ABC"]);
        assert_eq!(accepted, [ALL, None, ALL, None, ALL, None, ALL]);
        // Of several brokers, one after the other.
        assert_eq!(reaches(&["ABC", "aBC", "AbC", "ABc", "ABC"]), [ALL, None, None, None, ALL]);
    }

    #[test]
    fn loss_is_confirmed_by_the_second_sample() {
        let accepted = reaches(&["ABC", "ABc", "ABc", "Abc", "Abc", "ABc", "ABC"]);
        let (two, one) = (Some((2, 3)), Some((1, 3)));
        assert_eq!(accepted, [ALL, None, two, None, one, two, ALL]);
        // One is lost, and the connection of another is reopened.
        assert_eq!(reaches(&["ABC", "aBc", "ABc", "aBc"]), [ALL, None, two, None]);
        assert_eq!(reaches(&["ABC", "abc", "abc", "a", "a", "A", "Abc"]), {
            let none = Some((0, 3));
            [ALL, None, none, none, none, Some((1, 1)), None]
        });
    }

    #[test]
    fn start_is_no_loss() {
        // `x` is a bootstrap server.
        assert_eq!(reaches(&["x", "X", "Abc", "ABC"]), [None, Some((1, 1)), None, ALL]);
        assert_eq!(reaches(&["x", "x", "Abc"]), [None, Some((0, 1)), Some((1, 3))]);
        assert_eq!(reaches(&["Abc", "Abc"]), [None, Some((1, 3))]);
    }
}
