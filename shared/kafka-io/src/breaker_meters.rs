//! Log lines and metrics of a circuit breaker.

use kit::breaker::{State, Transition};
use metrics::{Counter, Gauge};

use crate::metric_names as names;

/// The handles of one breaker.
pub struct BreakerMeters {
    target: &'static str,
    state: Gauge,
    /// In the order of [`names::BREAKER_STATES`].
    transitions: [Counter; 3],
}

impl BreakerMeters {
    /// Creates handles that export nothing.
    #[must_use]
    pub fn none(target: &'static str) -> Self {
        Self { target, state: Gauge::noop(), transitions: std::array::from_fn(|_| Counter::noop()) }
    }

    /// Creates the handles of the breaker for `target`, one of the catalogue.
    #[must_use]
    #[expect(
        clippy::disallowed_macros,
        reason = "below the chassis: the catalogue is metric_names, each handle is created once"
    )]
    pub fn of(service: &'static str, target: &'static str) -> Self {
        let state = metrics::gauge!(names::BREAKER_STATE, "service" => service, "target" => target);
        state.set(number_of(State::Closed));
        let transitions = names::BREAKER_STATES.map(
            |to| metrics::counter!(names::BREAKER_TRANSITIONS, "service" => service, "target" => target, "to" => to),
        );
        Self { target, state, transitions }
    }

    /// Logs and counts a change of the state.
    pub fn changed(&self, Transition { from, to }: Transition, cause: &str) {
        let target = self.target;
        match to {
            State::Open => tracing::warn!(target, %from, "circuit breaker open: {cause}"),
            State::HalfOpen | State::Closed => tracing::info!(target, %from, "circuit breaker {to}: {cause}"),
        }
        self.state.set(number_of(to));
        let index = names::BREAKER_STATES.iter().position(|name| *name == to.as_str());
        if let Some(counter) = index.and_then(|index| self.transitions.get(index)) {
            counter.increment(1);
        }
    }
}

fn number_of(state: State) -> f64 {
    match state {
        State::Closed => 0.0,
        State::HalfOpen => 1.0,
        State::Open => 2.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_exported_as_numbers() {
        assert_eq!([State::Closed, State::HalfOpen, State::Open].map(number_of), [0.0, 1.0, 2.0]);
        assert_eq!([State::Closed, State::HalfOpen, State::Open].map(State::as_str), names::BREAKER_STATES);
    }
}
