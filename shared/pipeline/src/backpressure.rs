//! Backpressure: a reached bound pauses partitions, with hysteresis, and never drops records.

use kit::{Marks, SaturatingFrom};

use crate::engine::Engine;
use crate::event::Action;
use crate::ids::Now;
use crate::stage::Stage;

/// The marks of a bound: reached above it, left again at half of it.
fn bound(max: u64) -> Marks<u64> {
    Marks::above(max).low(max / 2)
}

impl<S: Stage> Engine<S> {
    /// Requests pause and resume for the partitions whose state changes.
    pub(crate) fn apply_backpressure(&mut self, now: Now) {
        let held = self.held_full.update(self.held(), bound(self.options.held_records_max));
        let outputs_max = bound(u64::saturating_from(self.options.outputs_max));
        let bytes_max = bound(u64::saturating_from(self.options.outputs_bytes_max));
        let load = self.outbox.load();
        let outputs = self.outputs_full.update(u64::saturating_from(load.outputs), outputs_max);
        let bytes = self.outputs_bytes_full.update(u64::saturating_from(load.bytes), bytes_max);
        let full = held || outputs || bytes;
        let entries_max = bound(u64::saturating_from(self.options.ledger_records_max));
        let metadata_max = bound(u64::saturating_from(self.options.completed_ranges_max_bytes));
        let (mut of_topic, mut ready) = (None, Vec::new());
        for (input, ledger) in &mut self.ledgers {
            let topic_full = match of_topic {
                Some((topic, known)) if topic == input.topic => known,
                _ => self.stage.is_full(input.topic),
            };
            of_topic = Some((input.topic, topic_full));
            let entries = u64::saturating_from(ledger.len());
            let entries_full = ledger.entries_full.update(entries, entries_max);
            let metadata_bytes = u64::saturating_from(ledger.metadata_bytes_max());
            let metadata_full = ledger.metadata_full.update(metadata_bytes, metadata_max);
            let pause = full || topic_full || entries_full || metadata_full || !ledger.accepts();
            match (pause, ledger.paused) {
                (true, false) => {
                    ledger.paused = true;
                    ledger.rank.paused();
                    self.actions.push_back(Action::Pause(*input));
                }
                (false, true) => ready.push(*input),
                _ => {}
            }
        }
        self.resume_fairly(&ready, now);
    }
}
