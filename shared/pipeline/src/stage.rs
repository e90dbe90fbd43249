//! Interface of a service's rules to the engine.

use std::time::Duration;

use crate::ids::{Epoch, InputPartition, Now, Reason, RecordId};
use crate::options::ORIGINATED_OUTPUTS_MAX;
use crate::originating::Originating;

/// The decision of the rules on one record.
#[derive(Debug)]
#[must_use]
pub enum Verdict<O> {
    /// Emitted when these outputs are acknowledged.
    Emit(Vec<O>),
    /// Needs no output. Counted under its reason.
    Drop(Reason),
    /// The stage keeps the id and resolves the record later through [`Effects`].
    Hold,
    /// Can never be processed: this output is its dead letter.
    Reject(O),
    /// Cannot be processed yet, for a temporary cause outside (the schema registry is unavailable). The partition pauses, and this
    /// record and those after it are redelivered. The stage must not have changed its state.
    Defer(String),
    /// The stage cannot continue: the engine stops without resolving the record.
    Fail(String),
}

/// A result for held records, or an output that resolves none.
#[derive(Debug)]
pub enum Effect<O> {
    /// Outputs that resolve these records, all of one partition and epoch.
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
        /// The held record. The prefix of its partition is committed in the same transaction, so it is fenced.
        on_behalf_of: RecordId,
        /// In the order in which they are produced.
        outputs: Vec<O>,
    },
    /// A held record that needs no output after all.
    Drop { id: RecordId, reason: Reason },
    /// Held records of draining partitions that cannot be resolved within the drain. They are redelivered to the next owner, and
    /// the drain does not wait for them.
    Release {
        /// The records. The stage forgets them.
        ids: Vec<RecordId>,
    },
    /// A held record that turned out to be unprocessable.
    Reject { id: RecordId, dead_letter: O },
    /// Outputs that no input record causes, on behalf of a partition. Requires [`Effects::room_to_originate`].
    ///
    /// They are exactly once under one condition: the stage decides whether to originate from restored state alone, and the outputs
    /// contain the state after the decision. After a crash the decision is then taken again (their transaction was aborted) or not (it
    /// was committed). A decision from memory alone is lost or repeated. All further outputs of the partition that contain the
    /// state must follow in the same epoch. At least once, the outputs may be repeated, or the state alone may be stored.
    Originate {
        /// The partition. Its prefix is committed in the same transaction, even if it has not moved, so it is fenced.
        input: InputPartition,
        /// The assignment whose restored state led to the decision. An older one has ended: the outputs are discarded.
        epoch: Epoch,
        /// In the order in which they are produced.
        outputs: Vec<O>,
    },
}

/// The effects of a stage, in order. The engine applies them after each call.
#[derive(Debug)]
pub struct Effects<O> {
    pub(crate) list: Vec<Effect<O>>,
    pub(crate) queued_outputs: usize,
    /// Outputs exceeded a bound when the call of the stage began.
    pub(crate) outputs_full: bool,
    pub(crate) originating: Originating,
}

impl<O> Default for Effects<O> {
    fn default() -> Self {
        Self::new(ORIGINATED_OUTPUTS_MAX)
    }
}

impl<O> Effects<O> {
    pub(crate) fn new(originated_max: usize) -> Self {
        let originating = Originating::new(originated_max);
        Self { list: Vec::new(), queued_outputs: 0, outputs_full: false, originating }
    }

    pub fn push(&mut self, effect: Effect<O>) {
        if let Effect::Originate { input, outputs, .. } = &effect {
            self.originating.add(*input, outputs.len());
        }
        self.list.push(effect);
    }

    /// Returns the number of outputs that were not acknowledged when the call of the stage began. Outputs leave in the order of their
    /// creation, so a stage that creates many ahead delays the urgent ones.
    #[must_use]
    pub fn queued_outputs(&self) -> usize {
        self.queued_outputs
    }

    /// Returns how many outputs the stage may [originate](Effect::Originate) for a partition now: fewer while earlier ones are not
    /// acknowledged, and none while outputs exceed a bound. A stage that originates more is stopped.
    #[must_use]
    pub fn room_to_originate(&self, input: InputPartition) -> usize {
        if self.outputs_full {
            return 0;
        }
        self.originating.max.saturating_sub(self.originating.of(input))
    }

    /// Sets [`Self::queued_outputs`]. For tests of a stage without an engine.
    #[must_use]
    pub fn with_queued_outputs(self, queued_outputs: usize) -> Self {
        Self { queued_outputs, ..self }
    }

    /// Takes all effects collected so far, in order. For tests of a stage without an engine.
    pub fn take(&mut self) -> Vec<Effect<O>> {
        std::mem::take(&mut self.list)
    }
}

/// The rules of a service. Pure: no I/O and no clock.
///
/// State that belongs to a partition is created in [`Stage::assigned`] and dropped in [`Stage::unassigned`]. The default methods are those
/// of a stage without state, queue and timers.
pub trait Stage {
    /// An input record, borrowed so that nothing is copied.
    type Record<'a>;
    /// An output record; opaque to the engine.
    type Output;
    /// The result of work outside the engine (a worker pool, a fetch from a source).
    type Completion;

    /// Creates the state of an assigned partition. Its records follow under this epoch.
    fn assigned(&mut self, _input: InputPartition, _epoch: Epoch, _now: Now) {}

    /// Drops all state of a partition that was revoked or lost, or whose clients are recreated.
    fn unassigned(&mut self, _input: InputPartition) {}

    /// Processes one record. Called at most once for a record within an epoch, whatever is aborted. The verdict counts before the
    /// effects of the same call, so a stage may hold a record and emit it at once, after others.
    fn process(
        &mut self,
        id: RecordId,
        record: Self::Record<'_>,
        now: Now,
        effects: &mut Effects<Self::Output>,
    ) -> Verdict<Self::Output>;

    /// All records that the partition had have been processed. More may follow; called again each time the end is reached.
    fn reached_end(&mut self, _input: InputPartition) {}

    /// Takes the result of work outside the engine.
    fn completed(&mut self, completion: Self::Completion, now: Now, effects: &mut Effects<Self::Output>);

    /// Advances time. Called after each batch of records, after completions, and when [`Stage::next_wake`] has passed.
    fn tick(&mut self, _now: Now, _effects: &mut Effects<Self::Output>) {}

    /// Resolves what can be resolved before these partitions are revoked or the process ends, and starts nothing new for them.
    /// Called again on each tick while the drain lasts.
    fn drain(&mut self, _inputs: &[InputPartition], _now: Now, _effects: &mut Effects<Self::Output>) {}

    /// Returns whether the stage's own queue for this input topic is full; the engine then pauses the topic's partitions. The stage
    /// applies its own hysteresis: full at the bound, not full again below half of it.
    fn is_full(&self, _topic: u16) -> bool {
        false
    }

    /// Returns the time until the stage needs [`Stage::tick`]; `None` if it needs none.
    fn next_wake(&self, _now: Now) -> Option<Duration> {
        None
    }
}
