//! The engine loop: apply events, settle, perform the actions of [`Engine::take_action`], repeat.
//!
//! ```text
//!  Records ─► process ─► Drop ──────────────────────────────► resolved ─┐
//!                      ├ Hold ─► ledger ◄── effects ─┐                  ├─► prefix ─► Commit, or within Transact
//!                      ├ Emit, Reject ─► outbox ─► batch ─► acknowledged ┘
//!                      ├ Defer ─► Pause, Rewind    ▲  │
//!                      └ Fail ─► Stop              └──┘ aborted: queued again, whole and in order
//! ```
//! At most one request is in flight, a batch or a plain commit, so positions are never committed out of order.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use kit::Hysteresis;

use crate::commit::{Commits, RetryPause};
use crate::counts::{Counts, Load};
use crate::drain::Drains;
use crate::event::{Action, Event};
use crate::fair_resume::FairResume;
use crate::ids::{BatchId, Epoch, InputPartition, Now};
use crate::laws::{Law, LawChecks};
use crate::ledger::{Ledger, Phase};
use crate::options::{Delivery, Options};
use crate::outbox::{Outbox, OutboxLoad};
use crate::stage::{Effects, Stage};

/// Interval at which a stage is called during a drain if no event wakes the loop.
const DRAIN_TICK: Duration = Duration::from_millis(10);

/// The delivery engine of one stage.
///
/// The shell must guarantee:
/// - It applies events in the order in which they happen, then calls `settle`, then takes and performs the actions in order.
/// - It reports the outcome of each `Transact`, `Produce` and `Commit` within the timeouts of the client, or applies
///   [`Event::ClientsRecreated`].
/// - It reads the group metadata that fences a transaction when the transaction begins, before the next poll. Read later, it may
///   belong to a generation in which another member owns the partitions.
/// - It applies [`Event::Tick`] after a poll without records (so that a batch closes), and when [`Engine::next_wake`] has passed.
/// - It fetches a partition from its assignment until [`Action::Pause`]. Records that arrive after a pause are still processed.
///   Records of a draining or stopped partition are ignored and redelivered under its next assignment.
/// - After [`Action::Rewind`] it delivers no record and no end of that partition that it fetched before, because they would take
///   the place of the deferred record.
pub struct Engine<S: Stage> {
    pub(crate) stage: S,
    pub(crate) options: Options,
    /// Owned partitions. Ordered maps keep the trace of a seed the same (P7).
    pub(crate) ledgers: BTreeMap<InputPartition, Ledger>,
    /// The last epoch of every partition that was ever assigned.
    pub(crate) epochs: BTreeMap<InputPartition, u32>,
    pub(crate) outbox: Outbox<S::Output>,
    pub(crate) commits: Commits,
    pub(crate) retry_pause: RetryPause,
    pub(crate) drains: Drains,
    pub(crate) held_full: Hysteresis,
    pub(crate) outputs_full: Hysteresis,
    pub(crate) outputs_bytes_full: Hysteresis,
    pub(crate) fair_resume: FairResume,
    pub(crate) effects: Effects<S::Output>,
    pub(crate) actions: VecDeque<Action>,
    /// The last poll returned no records.
    pub(crate) drained_fetch: bool,
    /// The stage must be called before the next settling.
    pub(crate) tick_due: bool,
    /// `Stop` was requested: no action follows.
    pub(crate) stopped: bool,
    /// The sum over all assignments that have ended.
    pub(crate) past: Counts,
    pub(crate) laws: LawChecks,
    /// Acknowledged dead letters (P6: counted separately from the records that they resolve).
    pub(crate) dead_letters: u64,
    /// The sequence number after the last acknowledged emission (P8).
    pub(crate) acknowledged: u64,
    pub(crate) latest: Duration,
}

impl<S: Stage> Engine<S> {
    /// Creates an engine that owns no partition.
    pub fn new(stage: S, options: Options) -> Self {
        let effects = Effects::new(options.originated_outputs_max);
        Self {
            stage,
            options,
            ledgers: BTreeMap::new(),
            epochs: BTreeMap::new(),
            outbox: Outbox::new(),
            commits: Commits::default(),
            retry_pause: RetryPause::default(),
            drains: Drains::default(),
            held_full: Hysteresis::new(),
            outputs_full: Hysteresis::default(),
            outputs_bytes_full: Hysteresis::default(),
            fair_resume: FairResume::default(),
            effects,
            actions: VecDeque::new(),
            drained_fetch: false,
            tick_due: false,
            stopped: false,
            past: Counts::default(),
            laws: LawChecks::default(),
            dead_letters: 0,
            acknowledged: 0,
            latest: Duration::ZERO,
        }
    }

    /// Bounds outputs by their memory as well, as measured by this function.
    #[must_use]
    pub fn measuring_outputs(mut self, bytes_of: fn(&S::Output) -> usize) -> Self {
        self.outbox.measure(bytes_of);
        self
    }

    /// Applies an event. Calls the rules of the stage, but requests nothing except what cannot wait.
    pub fn apply(&mut self, event: Event<'_, S>, now: Now) {
        self.laws.check(Law::Replay, now.monotonic >= self.latest);
        self.latest = now.monotonic;
        if self.stopped {
            return;
        }
        match event {
            Event::Assigned(inputs) => {
                for start in inputs {
                    self.assign(start, now);
                }
            }
            Event::Revoked(inputs) => self.revoke(inputs, now),
            Event::Lost(inputs) => self.lose(inputs),
            Event::Records(input, records) => self.receive(input, records, now),
            Event::EndReached(input, position) => self.reach_end(input, position),
            Event::Completed(completion) => {
                self.prepare_effects();
                self.stage.completed(completion, now, &mut self.effects);
                self.tick_due = true;
                self.take_effects(now);
            }
            Event::Delivered(batch) | Event::Committed(batch) => {
                self.acknowledge(batch, now);
                self.tick_due = true;
            }
            Event::DeliveryFailed(batch) | Event::Aborted(batch) => self.batch_failed(batch, now),
            Event::OffsetsCommitted => self.offsets_committed(),
            Event::OffsetCommitFailed => self.offset_commit_failed(now),
            Event::ClientsRecreated => self.lose_all(),
            Event::Tick => {
                self.drained_fetch = true;
                self.tick_due = true;
            }
            Event::ShutdownRequested => self.shut_down(now),
        }
    }

    /// Re-establishes the invariants and requests what is due. Call it after events and before taking actions.
    pub fn settle(&mut self, now: Now) {
        if self.stopped {
            return;
        }
        if std::mem::take(&mut self.tick_due) {
            self.tick(now);
        }
        self.expire_drains(now);
        self.finish_drains();
        if !self.stopped {
            // First, so that a shell that stops at a batch has rewound before it fetches again.
            self.rewind(now);
            self.send_next(now);
            self.apply_backpressure(now);
        }
        self.check();
    }

    /// Returns the next action, in order; `None` if there is none before the next event.
    pub fn take_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// Returns the outputs of the batch in flight, in order; none if another batch is meant.
    pub fn batch(&self, id: BatchId) -> impl Iterator<Item = &S::Output> {
        let batch = self.outbox.in_flight().filter(|batch| batch.id == id);
        batch.into_iter().flat_map(|batch| &batch.emissions).flat_map(|emission| &emission.outputs)
    }

    pub fn stage(&self) -> &S {
        &self.stage
    }

    /// Returns the stage for inputs that do not pass through the engine (side inputs).
    pub fn stage_mut(&mut self) -> &mut S {
        &mut self.stage
    }

    /// Returns the counts of all records since the engine was created.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let mut counts = self.past.clone();
        for ledger in self.ledgers.values() {
            counts.add(&ledger.counts);
        }
        counts
    }

    /// Returns the counts of a partition within its current assignment.
    #[must_use]
    pub fn partition_counts(&self, input: InputPartition) -> Option<&Counts> {
        self.ledgers.get(&input).map(|ledger| &ledger.counts)
    }

    /// Returns the epoch of a partition's current assignment.
    #[must_use]
    pub fn epoch(&self, input: InputPartition) -> Option<Epoch> {
        self.ledgers.get(&input).map(|ledger| ledger.epoch)
    }

    /// Returns the end of a partition's resolved prefix and its committed position.
    #[must_use]
    pub fn positions(&self, input: InputPartition) -> Option<(i64, i64)> {
        self.ledgers.get(&input).map(|ledger| (ledger.prefix(), ledger.committed))
    }

    /// Returns the partitions that are stopped after too many consecutive dead letters. They are read again after their next
    /// assignment.
    pub fn stopped_partitions(&self) -> impl Iterator<Item = InputPartition> + '_ {
        self.ledgers.iter().filter(|(_, ledger)| ledger.stopped).map(|(input, _)| *input)
    }

    /// Returns whether outputs have exceeded a bound. A shell then applies no further [completion](Event::Completed): the outputs of work
    /// that was begun before the pause would have no bound.
    #[must_use]
    pub fn has_full_outputs(&self) -> bool {
        let Options { outputs_max: outputs, outputs_bytes_max: bytes, .. } = self.options;
        self.outbox.load().exceeds(OutboxLoad { outputs, bytes })
    }

    /// Returns usage next to capacity.
    #[must_use]
    pub fn load(&self) -> Load {
        let outbox = self.outbox.load();
        Load {
            held: self.held(),
            held_max: self.options.held_records_max,
            outputs: outbox.outputs,
            outputs_max: self.options.outputs_max,
            outputs_bytes: outbox.bytes,
            outputs_bytes_max: self.options.outputs_bytes_max,
            originated: self.effects.originating.outputs_max(),
            originated_max: self.options.originated_outputs_max,
            inputs: self.ledgers.len(),
            paused: self.ledgers.values().filter(|ledger| ledger.paused).count(),
        }
    }

    /// Returns how often each law was violated, in the order of [`Law::ALL`]. Any value but zero is a bug of the engine.
    #[must_use]
    pub fn violations(&self) -> [u64; 8] {
        self.laws.violations()
    }

    /// Returns the time until [`Event::Tick`] is due without any event; `None` if only an event can change anything.
    #[must_use]
    pub fn next_wake(&self, now: Now) -> Option<Duration> {
        if self.stopped {
            return None;
        }
        let until = |deadline: Duration| deadline.saturating_sub(now.monotonic);
        let drain = self.drains.is_active().then_some(DRAIN_TICK);
        let batch = self.idle().then(|| self.batch_due()).flatten().map(until);
        let commit = self.idle().then(|| self.commit_due()).flatten().map(until);
        let deferred = self.next_retry_at().map(until);
        let round = self.fair_resume.next().map(until);
        [self.stage.next_wake(now), drain, batch, commit, deferred, round].into_iter().flatten().min()
    }

    pub(crate) fn held(&self) -> u64 {
        self.ledgers.values().map(|ledger| ledger.counts.held).sum()
    }

    /// Shows the stage how full the outbox is.
    fn prepare_effects(&mut self) {
        self.effects.queued_outputs = self.outbox.load().outputs;
        self.effects.outputs_full = self.has_full_outputs();
    }

    fn tick(&mut self, now: Now) {
        self.prepare_effects();
        self.stage.tick(now, &mut self.effects);
        self.take_effects(now);
        let leaving: Vec<InputPartition> = self
            .ledgers
            .iter()
            .filter(|(_, l)| l.phase == Phase::Draining)
            .map(|(input, _)| *input)
            .collect();
        if !leaving.is_empty() && !self.stopped {
            self.stage.drain(&leaving, now, &mut self.effects);
            self.take_effects(now);
        }
    }

    /// Checks the laws as far as that is cheap: once per settling and partition, never per record.
    fn check(&mut self) {
        let (mut conserves, mut prefix, mut all_paused) = (true, true, true);
        for ledger in self.ledgers.values() {
            conserves &= ledger.conserves();
            prefix &= ledger.prefix_holds();
            all_paused &= ledger.paused;
        }
        let load = self.load();
        let full = load.held > load.held_max || self.has_full_outputs();
        if cfg!(debug_assertions) {
            conserves &= self.stopped || self.originated_are_queued();
        }
        self.laws.check(Law::Conservation, conserves);
        self.laws.check(Law::Prefix, prefix);
        self.laws.check(Law::Bounds, self.stopped || !full || all_paused);
        self.laws.check(Law::Bounds, self.stopped || load.originated <= load.originated_max);
        let rejected =
            self.past.rejected + self.ledgers.values().map(|ledger| ledger.counts.rejected).sum::<u64>();
        self.laws.check(Law::DeadLetterFirst, rejected <= self.dead_letters);
    }

    pub(crate) fn is_transactional(&self) -> bool {
        self.options.mode == Delivery::Transactional
    }
}
