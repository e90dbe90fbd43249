//! Records that can't be judged now: their input waits, and they come again.
//!
//! ```text
//!          Defer                  the wait is over             a record is judged
//!  flows ─────────► waits, paused ────────────────► Rewind, Resume ─────────────────► flows
//!                        ▲                                  │ Defer: the wait doubles
//!                        └──────────────────────────────────┘
//! ```

use std::time::Duration;

use crate::engine::Engine;
use crate::event::Action;
use crate::ids::{InputPartition, Now};
use crate::ledger::{Ledger, Phase};
use crate::options::Options;
use crate::stage::Stage;

/// What a input waits for, since a record of it couldn't be judged and until one is.
#[derive(Debug)]
pub(crate) struct Deferral {
    cause: String,
    /// Deferrals in a row.
    times: u32,
    /// Monotonic time at which its records are asked for again; none once they are.
    until: Option<Duration>,
}

impl Deferral {
    pub(crate) fn waits(&self) -> bool {
        self.until.is_some()
    }
}

impl Ledger {
    /// The record at [`Ledger::expected`], or behind a hole there, can't be judged.
    pub(crate) fn defer(&mut self, cause: String, now: Now, options: &Options) {
        let times = self.deferral.take().map_or(0, |before| before.times);
        let wait = options.defer_wait_first.saturating_mul(1 << times.min(30)).min(options.defer_wait_max);
        self.deferral = Some(Deferral { cause, times: times + 1, until: Some(now.monotonic + wait) });
    }

    /// When its records are to be asked for again.
    fn defers_until(&self) -> Option<Duration> {
        self.deferral.as_ref().filter(|_| self.phase == Phase::Owned)?.until
    }
}

impl<S: Stage> Engine<S> {
    /// Sources of which a record can't be judged, with the cause that the stage gave; until one is judged again.
    pub fn deferred(&self) -> impl Iterator<Item = (InputPartition, &str)> + '_ {
        let owned = self.ledgers.iter().filter(|(_, ledger)| ledger.phase == Phase::Owned);
        owned.filter_map(|(input, ledger)| Some((*input, ledger.deferral.as_ref()?.cause.as_str())))
    }

    pub(crate) fn deferred_until(&self) -> Option<Duration> {
        self.ledgers.values().filter_map(Ledger::defers_until).min()
    }

    /// Asks for the records of paused inputs again whose wait is over. That they flow again is said when nothing else pauses them.
    pub(crate) fn rewind(&mut self, now: Now) {
        for (input, ledger) in &mut self.ledgers {
            if !ledger.paused || ledger.defers_until().is_none_or(|until| until > now.monotonic) {
                continue;
            }
            self.actions.push_back(Action::Rewind(*input, ledger.expected()));
            if let Some(deferral) = &mut ledger.deferral {
                deferral.until = None;
            }
        }
    }
}
