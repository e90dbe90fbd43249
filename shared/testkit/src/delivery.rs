//! Interface of the simulation to an engine, or to a wrapper that breaks it on purpose.

use pipeline::{Action, BatchId, Engine, Event, Now};

use crate::output::Output;
use crate::rules::Rules;

/// An engine over the simulated rules. A wrapper that changes events or actions shows that the simulation can fail.
pub trait Delivery {
    /// See [`Engine::apply`].
    fn apply(&mut self, event: Event<'_, Rules>, now: Now);
    /// See [`Engine::settle`].
    fn settle(&mut self, now: Now);
    /// See [`Engine::take_action`].
    fn take_action(&mut self) -> Option<Action>;
    fn engine(&self) -> &Engine<Rules>;
    /// Returns the engine for calls that bypass `apply`.
    fn engine_mut(&mut self) -> &mut Engine<Rules>;

    /// See [`Engine::batch`].
    fn outputs(&self, batch: BatchId) -> Vec<Output> {
        self.engine().batch(batch).cloned().collect()
    }
}

impl Delivery for Engine<Rules> {
    fn apply(&mut self, event: Event<'_, Rules>, now: Now) {
        Engine::apply(self, event, now);
    }

    fn settle(&mut self, now: Now) {
        Engine::settle(self, now);
    }

    fn take_action(&mut self) -> Option<Action> {
        Engine::take_action(self)
    }

    fn engine(&self) -> &Engine<Rules> {
        self
    }

    fn engine_mut(&mut self) -> &mut Engine<Rules> {
        self
    }
}
