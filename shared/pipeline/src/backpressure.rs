//! Being full pauses inputs, with hysteresis; it never drops.

use crate::engine::Engine;
use crate::event::Action;
use crate::ids::Now;
use crate::stage::Stage;

/// A bound with hysteresis: shut above it, open again at half of it.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    shut: bool,
}

impl Gate {
    pub(crate) fn is_shut_at(&mut self, value: u64, bound: u64) -> bool {
        self.shut = value > if self.shut { bound / 2 } else { bound };
        self.shut
    }
}

impl<S: Stage> Engine<S> {
    /// Tells the shell which inputs to pause and which to let flow, where that has changed.
    pub(crate) fn press(&mut self, now: Now) {
        let held = self.held_gate.is_shut_at(self.held(), self.options.held_records_max);
        let (outputs, outputs_max) = (as_u64(self.outbox.outputs()), as_u64(self.options.outputs_max));
        let full = self.outputs_gate.is_shut_at(outputs, outputs_max) || held;
        let (mut of_topic, mut ready) = (None, Vec::new());
        for (input, ledger) in &mut self.ledgers {
            let topic_full = match of_topic {
                Some((topic, known)) if topic == input.topic => known,
                _ => self.stage.is_full(input.topic),
            };
            of_topic = Some((input.topic, topic_full));
            let bound = as_u64(self.options.ledger_records_max);
            let crowded = ledger.crowded.is_shut_at(as_u64(ledger.len()), bound);
            let room = as_u64(self.options.completed_ranges_max_bytes);
            let scattered = ledger.scattered.is_shut_at(as_u64(ledger.scattered_bytes()), room);
            let pause = full || topic_full || crowded || scattered || !ledger.accepts();
            match (pause, ledger.paused) {
                (true, false) => {
                    ledger.paused = true;
                    ledger.place.leave();
                    self.actions.push_back(Action::Pause(*input));
                }
                (false, true) => ready.push(*input),
                _ => {}
            }
        }
        self.take_turns(&ready, now);
    }
}

fn as_u64(value: usize) -> u64 {
    u64::try_from(value).unwrap_or(u64::MAX)
}
