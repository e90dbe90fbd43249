//! What a service gives to the engine: its rules behind one trait.

use std::time::Duration;

use crate::ids::{Epoch, InputPartition, Now, Reason, RecordId};

/// What becomes of one record, said by the rules when they see it.
#[derive(Debug)]
#[must_use]
pub enum Verdict<O> {
    /// Emitted when these outputs are acknowledged.
    Emit(Vec<O>),
    /// Needs no output. Counted under its reason.
    Drop(Reason),
    /// The stage keeps the id and settles it later through [`Effects`].
    Hold,
    /// Can't be processed, ever: this output is its dead letter.
    Reject(O),
    /// Can't be judged now, for a cause outside that passes (the schema registry is away): the input pauses, and the record and those
    /// behind it come again. The stage must not have taken anything of it in.
    Defer(String),
    /// The stage can't go on: the engine stops without resolving the record.
    Fail(String),
}

/// What a stage says of records that it held, and of outputs that resolve nothing.
#[derive(Debug)]
pub enum Effect<O> {
    /// The outputs that end these records, all of one input and epoch.
    Emit {
        /// The records that are emitted when the outputs are acknowledged.
        ids: Vec<RecordId>,
        /// In the order in which they are produced.
        outputs: Vec<O>,
        /// Closes the open transaction at once.
        urgent: bool,
    },
    /// Outputs on behalf of a record that stays held (a chunk of a long backfill).
    Append {
        /// The held record for whose partition this acts: that partition's prefix goes into the transaction, so it is fenced.
        on_behalf_of: RecordId,
        /// In the order in which they are produced.
        outputs: Vec<O>,
    },
    /// A held record that needs no output after all.
    Drop {
        /// The record.
        id: RecordId,
        /// Why.
        reason: Reason,
    },
    /// Held records of inputs that drain, which can't end within the drain: they are waited for no longer, and come again to whoever
    /// owns their partition next.
    Release {
        /// The records, which the stage forgets.
        ids: Vec<RecordId>,
    },
    /// A held record that turned out to be unprocessable.
    Reject {
        /// The record.
        id: RecordId,
        /// Its dead letter.
        dead_letter: O,
    },
}

/// Collects what a stage wants done; the engine takes it after each call.
#[derive(Debug)]
pub struct Effects<O> {
    pub(crate) list: Vec<Effect<O>>,
}

impl<O> Default for Effects<O> {
    fn default() -> Self {
        Self { list: Vec::new() }
    }
}

impl<O> Effects<O> {
    /// Adds one effect.
    pub fn push(&mut self, effect: Effect<O>) {
        self.list.push(effect);
    }

    /// Takes all effects collected so far, in order: for tests of a stage without an engine.
    pub fn take(&mut self) -> Vec<Effect<O>> {
        std::mem::take(&mut self.list)
    }
}

/// A service's rules as the engine sees them. Pure: no I/O, no clock of its own.
///
/// State that belongs to a partition is made in [`Stage::assigned`] and forgotten in [`Stage::released`].
pub trait Stage {
    /// A record as the shell hands it in; borrowed, so that nothing is copied on the way.
    type Record<'a>;
    /// What is produced; opaque to the engine.
    type Output;
    /// What comes back from work that was done elsewhere (a worker pool, a fetch).
    type Completion;

    /// A partition has come. Its records follow, under this epoch.
    fn assigned(&mut self, input: InputPartition, epoch: Epoch, now: Now);

    /// A partition has gone (revoked, lost, or the client is rebuilt): forget all that belongs to it.
    fn unassigned(&mut self, input: InputPartition);

    /// Judges one record. Never called twice for a record within an epoch, whatever is aborted. The verdict counts before the effects
    /// of the same call: a stage may hold a record and emit it at once, behind others.
    fn process(
        &mut self,
        id: RecordId,
        record: Self::Record<'_>,
        now: Now,
        effects: &mut Effects<Self::Output>,
    ) -> Verdict<Self::Output>;

    /// Work done elsewhere has ended.
    fn completed(&mut self, completion: Self::Completion, now: Now, effects: &mut Effects<Self::Output>);

    /// Called after each batch of records, after completions, and when [`Stage::next_wake`] has passed.
    fn tick(&mut self, now: Now, effects: &mut Effects<Self::Output>);

    /// These inputs are about to go, or the process ends: settle what can be settled now, start nothing new for them.
    /// Called again on each tick while the drain lasts.
    fn drain(&mut self, inputs: &[InputPartition], now: Now, effects: &mut Effects<Self::Output>);

    /// Whether the stage's own queue for this input topic is full; the engine then pauses the topic's partitions.
    /// A stage applies its own hysteresis (full at the bound, not full again below half of it).
    fn is_full(&self, topic: u16) -> bool;

    /// How long until the stage wants [`Stage::tick`], if at all.
    fn next_wake(&self, now: Now) -> Option<Duration>;
}
