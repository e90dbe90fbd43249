//! The engine: `apply` what happened, `settle`, perform what [`Engine::take_action`] gives, again.
//!
//! ```text
//!  Records ─► judge ─► Drop ────────────────────────────────► resolved ─┐
//!                    ├ Hold ─► ledger ◄── effects ─┐                    ├─► prefix ─► Commit, or in Transact
//!                    ├ Emit, Reject ─► outbox ─► batch ─► acknowledged ─┘
//!                    ├ Defer ─► Pause, Rewind    ▲  │
//!                    └ Fail ─► Stop   put back, whole, in order: aborted
//! ```
//! One thing at a time is asked of Kafka, a batch or a plain commit: so a position never overtakes another.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crate::backpressure::Gate;
use crate::commit::{Backoff, Commits};
use crate::counts::{Counts, Load};
use crate::drain::Drains;
use crate::event::{Action, Event};
use crate::fair_resume::Topics;
use crate::ids::{BatchId, Epoch, InputPartition, Now};
use crate::laws::{Law, Watch};
use crate::ledger::{Ledger, Phase};
use crate::options::{Delivery, Options};
use crate::outbox::Outbox;
use crate::stage::{Effects, Stage};

/// How often a stage is asked again while a drain lasts, if nothing else wakes the loop.
const DRAIN_TICK: Duration = Duration::from_millis(10);

/// The delivery engine of one stage.
///
/// What the shell owes it:
/// - events are applied in the order in which they happened, `settle` follows, then actions are taken and performed in order;
/// - each `Transact`, `Produce` and `Commit` is answered by its event within the client's own timeouts, or by [`Event::ClientsRecreated`];
/// - the group metadata that fences a transaction is read when the transaction begins, before the next poll: later it may be that of
///   a generation in which the partitions are someone else's;
/// - [`Event::Tick`] is applied after a poll that brought nothing (nothing more waits, so a batch closes), and when
///   [`Engine::next_wake`] has passed;
/// - a input flows from its assignment on, until [`Action::Pause`]. Records on their way at a pause are judged all the same; those of
///   a input that is leaving or poisoned are ignored and come again under its next assignment;
/// - after [`Action::Rewind`] no record and no end of that input is delivered that was fetched before: lying behind a deferred record,
///   it would take its place.
pub struct Engine<S: Stage> {
    pub(crate) stage: S,
    pub(crate) options: Options,
    /// Owned inputs. Ordered maps, so that one seed gives one trace (P7).
    pub(crate) ledgers: BTreeMap<InputPartition, Ledger>,
    /// The last epoch of every input ever assigned.
    pub(crate) epochs: BTreeMap<InputPartition, u32>,
    pub(crate) outbox: Outbox<S::Output>,
    pub(crate) commits: Commits,
    pub(crate) backoff: Backoff,
    pub(crate) drains: Drains,
    pub(crate) held_gate: Gate,
    pub(crate) outputs_gate: Gate,
    pub(crate) topics: Topics,
    pub(crate) effects: Effects<S::Output>,
    pub(crate) actions: VecDeque<Action>,
    /// The last poll brought nothing: nothing more waits.
    pub(crate) quiet: bool,
    /// The stage is owed a tick.
    pub(crate) tick_due: bool,
    /// `Stop` was said: nothing follows.
    pub(crate) stopped: bool,
    /// The sum over all assignments that have ended.
    pub(crate) past: Counts,
    pub(crate) laws: Watch,
    /// Dead letters acknowledged (P6: counted apart from the records that they end).
    pub(crate) dead_letters: u64,
    /// The number behind the last acknowledged emission (P8).
    pub(crate) acknowledged: u64,
    pub(crate) latest: Duration,
}

impl<S: Stage> Engine<S> {
    /// An engine that owns nothing yet.
    pub fn new(stage: S, options: Options) -> Self {
        Self {
            stage,
            options,
            ledgers: BTreeMap::new(),
            epochs: BTreeMap::new(),
            outbox: Outbox::new(),
            commits: Commits::default(),
            backoff: Backoff::default(),
            drains: Drains::default(),
            held_gate: Gate::default(),
            outputs_gate: Gate::default(),
            topics: Topics::default(),
            effects: Effects::default(),
            actions: VecDeque::new(),
            quiet: false,
            tick_due: false,
            stopped: false,
            past: Counts::default(),
            laws: Watch::default(),
            dead_letters: 0,
            acknowledged: 0,
            latest: Duration::ZERO,
        }
    }

    /// Takes in what happened. Calls the stage's rules; asks for nothing yet but for what can't wait.
    pub fn apply(&mut self, event: Event<'_, S>, now: Now) {
        self.laws.see(Law::Replay, now.monotonic >= self.latest);
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
                self.stage.completed(completion, now, &mut self.effects);
                self.tick_due = true;
                self.absorb(now);
            }
            Event::Delivered(batch) | Event::Committed(batch) => self.acknowledge(batch, now),
            Event::DeliveryFailed(batch) | Event::Aborted(batch) => self.refuse(batch, now),
            Event::OffsetsCommitted => self.offsets_committed(),
            Event::OffsetCommitFailed => self.offset_commit_failed(now),
            Event::ClientsRecreated => self.lose_all(),
            Event::Tick => {
                self.quiet = true;
                self.tick_due = true;
            }
            Event::ShutdownRequested => self.shut_down(now),
        }
    }

    /// Re-establishes what must hold, and asks for what must be done. To be called after events and before actions are taken.
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
            // First, so that a shell which stops at a batch has done it before it fetches again.
            self.rewind(now);
            self.ask(now);
            self.press(now);
        }
        self.check();
    }

    /// The next thing to do, in order; `None` when there is nothing more until the next event.
    pub fn take_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// The outputs of the batch in flight, in order; nothing for any other.
    pub fn batch(&self, id: BatchId) -> impl Iterator<Item = &S::Output> {
        let batch = self.outbox.in_flight().filter(|batch| batch.id == id);
        batch.into_iter().flat_map(|batch| &batch.emissions).flat_map(|emission| &emission.outputs)
    }

    /// The rules.
    pub fn stage(&self) -> &S {
        &self.stage
    }

    /// The rules, for what reaches them beside the engine (tables).
    pub fn stage_mut(&mut self) -> &mut S {
        &mut self.stage
    }

    /// What became of all records since the engine was made.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let mut counts = self.past.clone();
        for ledger in self.ledgers.values() {
            counts.add(&ledger.counts);
        }
        counts
    }

    /// What became of the records of a input within its present assignment.
    #[must_use]
    pub fn partition_counts(&self, input: InputPartition) -> Option<&Counts> {
        self.ledgers.get(&input).map(|ledger| &ledger.counts)
    }

    /// The epoch of a input's present assignment.
    #[must_use]
    pub fn epoch(&self, input: InputPartition) -> Option<Epoch> {
        self.ledgers.get(&input).map(|ledger| ledger.epoch)
    }

    /// The end of a input's resolved prefix, and the position known to be committed.
    #[must_use]
    pub fn positions(&self, input: InputPartition) -> Option<(i64, i64)> {
        self.ledgers.get(&input).map(|ledger| (ledger.prefix(), ledger.committed))
    }

    /// Sources stopped for too many rejects in a row; they flow again when they are assigned again.
    pub fn stopped_partitions(&self) -> impl Iterator<Item = InputPartition> + '_ {
        self.ledgers.iter().filter(|(_, ledger)| ledger.poisoned).map(|(input, _)| *input)
    }

    /// Use beside capacity.
    #[must_use]
    pub fn load(&self) -> Load {
        Load {
            held: self.held(),
            held_max: self.options.held_records_max,
            outputs: self.outbox.outputs(),
            outputs_max: self.options.outputs_max,
            inputs: self.ledgers.len(),
            paused: self.ledgers.values().filter(|ledger| ledger.paused).count(),
        }
    }

    /// How often each law was seen broken, in the order of [`Law::ALL`]. Anything but zeros is a fault of the engine.
    #[must_use]
    pub fn violations(&self) -> [u64; 8] {
        self.laws.violations()
    }

    /// How long until a [`Event::Tick`] is due even if nothing happens; `None` when only an event can change anything.
    #[must_use]
    pub fn next_wake(&self, now: Now) -> Option<Duration> {
        if self.stopped {
            return None;
        }
        let until = |deadline: Duration| deadline.saturating_sub(now.monotonic);
        let drain = self.drains.is_active().then_some(DRAIN_TICK);
        let batch = self.idle().then(|| self.batch_due()).flatten().map(until);
        let commit = self.idle().then(|| self.commit_due()).flatten().map(until);
        let deferred = self.deferred_until().map(until);
        let turn = self.topics.next().map(until);
        [self.stage.next_wake(now), drain, batch, commit, deferred, turn].into_iter().flatten().min()
    }

    pub(crate) fn held(&self) -> u64 {
        self.ledgers.values().map(|ledger| ledger.counts.held).sum()
    }

    fn tick(&mut self, now: Now) {
        self.stage.tick(now, &mut self.effects);
        self.absorb(now);
        let leaving: Vec<InputPartition> = self
            .ledgers
            .iter()
            .filter(|(_, l)| l.phase == Phase::Draining)
            .map(|(input, _)| *input)
            .collect();
        if !leaving.is_empty() && !self.stopped {
            self.stage.drain(&leaving, now, &mut self.effects);
            self.absorb(now);
        }
    }

    /// The laws, as far as they can be seen cheaply: once per settling, per input, never per record.
    fn check(&mut self) {
        let (mut conserves, mut prefix, mut all_paused) = (true, true, true);
        for ledger in self.ledgers.values() {
            conserves &= ledger.conserves();
            prefix &= ledger.prefix_holds();
            all_paused &= ledger.paused;
        }
        let load = self.load();
        let full = load.held > load.held_max || load.outputs > load.outputs_max;
        self.laws.see(Law::Conservation, conserves);
        self.laws.see(Law::Prefix, prefix);
        self.laws.see(Law::Bounds, self.stopped || !full || all_paused);
        let rejected =
            self.past.rejected + self.ledgers.values().map(|ledger| ledger.counts.rejected).sum::<u64>();
        self.laws.see(Law::DeadLetterFirst, rejected <= self.dead_letters);
    }

    pub(crate) fn is_transactional(&self) -> bool {
        self.options.mode == Delivery::Transactional
    }
}
