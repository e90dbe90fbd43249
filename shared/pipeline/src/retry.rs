//! Retry of records that cannot be processed yet: their partition pauses, and they are fetched again.
//!
//! ```text
//!           Defer                    wait is over              a record is processed
//!  owned ─────────► waiting, paused ──────────────► Rewind, Resume ────────────────► owned
//!                        ▲                              │ Defer: the wait doubles
//!                        └──────────────────────────────┘
//! ```

use std::time::Duration;

use kit::Backoff;

use crate::engine::Engine;
use crate::event::Action;
use crate::ids::{InputPartition, Now};
use crate::ledger::{Ledger, Phase};
use crate::options::Options;
use crate::stage::Stage;

/// The wait of a partition, from its first deferred record until a record is processed again.
#[derive(Debug)]
pub(crate) struct Deferral {
    cause: String,
    backoff: Backoff,
    /// Monotonic time of the next retry; `None` after the rewind was requested.
    until: Option<Duration>,
}

impl Deferral {
    pub(crate) fn is_waiting(&self) -> bool {
        self.until.is_some()
    }
}

impl Ledger {
    /// Defers the record at [`Ledger::expected`], or after a hole there.
    pub(crate) fn defer(&mut self, cause: String, now: Now, options: &Options) {
        let mut backoff = match self.deferral.take() {
            Some(before) => before.backoff,
            None => Backoff::new(options.defer_wait_first, options.defer_wait_max),
        };
        let until = Some(now.monotonic + backoff.fail());
        self.deferral = Some(Deferral { cause, backoff, until });
    }

    fn retry_at(&self) -> Option<Duration> {
        self.deferral.as_ref().filter(|_| self.phase == Phase::Owned)?.until
    }
}

impl<S: Stage> Engine<S> {
    /// Returns the partitions with a deferred record and the stage's cause, until a record of them is processed again.
    pub fn deferred(&self) -> impl Iterator<Item = (InputPartition, &str)> + '_ {
        let owned = self.ledgers.iter().filter(|(_, ledger)| ledger.phase == Phase::Owned);
        owned.filter_map(|(input, ledger)| Some((*input, ledger.deferral.as_ref()?.cause.as_str())))
    }

    pub(crate) fn next_retry_at(&self) -> Option<Duration> {
        self.ledgers.values().filter_map(Ledger::retry_at).min()
    }

    /// Requests a rewind for each paused partition whose wait is over. The partition resumes when no other bound pauses it.
    pub(crate) fn rewind(&mut self, now: Now) {
        for (input, ledger) in &mut self.ledgers {
            if !ledger.paused || ledger.retry_at().is_none_or(|until| until > now.monotonic) {
                continue;
            }
            self.actions.push_back(Action::Rewind(*input, ledger.expected()));
            if let Some(deferral) = &mut ledger.deferral {
                deferral.until = None;
            }
        }
    }
}
