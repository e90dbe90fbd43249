//! Originated outputs: no input record causes them. Each belongs to a partition and an epoch.
//!
//! ```text
//!  tick, completed ─► Originate ─► outbox, in order with the other outputs of its partition ─┬─► acknowledged
//!                        │ the assignment has ended: stale                                  └─► discarded
//! ```
//! The transaction of an originated output commits the prefix of its partition, even if it has not moved, so the generation fences it.
//! A drain finishes it like an output of a record. It is discarded when the drain times out, when the partition is lost, and when the
//! clients are recreated: then every later output of that partition and epoch is discarded as well. So the outputs of an
//! assignment that are committed are always the first ones that its stage created, and none of them contains the state after a
//! discarded one (ADR 094).

use kit::SaturatingFrom;

use crate::engine::Engine;
use crate::ids::{Epoch, InputPartition, Now};
use crate::outbox::{Emission, Ends};
use crate::stage::Stage;

impl<S: Stage> Engine<S> {
    pub(crate) fn originate(
        &mut self,
        input: InputPartition,
        epoch: Epoch,
        outputs: Vec<S::Output>,
        now: Now,
    ) {
        let (open, max) = (self.effects.originating.of(input), self.options.originated_outputs_max);
        let count = outputs.len();
        let Some(ledger) = self.current(input, epoch) else {
            self.effects.originating.remove(input, count);
            let counts = self.ledgers.get_mut(&input).map_or(&mut self.past, |ledger| &mut ledger.counts);
            counts.stale_effects += 1;
            return;
        };
        if open > max {
            return self.fail(format!(
                "invalid effect: {open} originated outputs of {input:?}, at most {max} are allowed"
            ));
        }
        ledger.emissions += 1;
        ledger.counts.originated.create(u64::saturating_from(count));
        self.outbox.push((input, epoch), Ends::Originated, outputs, false, now);
    }

    /// Checks P1 of originated outputs: those of each assignment are the ones in the outbox.
    pub(crate) fn originated_are_queued(&self) -> bool {
        self.ledgers.iter().all(|(input, ledger)| {
            // A partition that was lost and assigned again may still have outputs of its last epoch in flight.
            let of_epoch = |emission: &&Emission<S::Output>| {
                emission.is_originated() && emission.input == *input && emission.epoch == ledger.epoch
            };
            let outputs: usize = self.outbox.emissions().filter(of_epoch).map(|e| e.outputs.len()).sum();
            u64::saturating_from(outputs) == ledger.counts.originated.in_flight
        })
    }
}
