//! Requests of a command until they end.

use std::collections::HashMap;

use contracts::{BackfillErrorClass, RangeCompletion, RangeFailure, RangeProgress, Topic};
use kafka_io::OwnedRecord;
use uuid::Uuid;

use crate::exit::Failure;
use crate::history::{Decoder, Outcome};

/// The topics of progress and ends.
pub(super) const FOLLOWED: [Topic; 3] = [Topic::RangeProgressed, Topic::RangeCompleted, Topic::RangeFailed];

/// The open requests, and counts of the ended ones.
#[derive(Debug, Default)]
pub(super) struct Tracking {
    open: HashMap<Uuid, Chunks>,
    pub(super) counts: Counts,
}

/// The chunks of the newest fetch of a request.
#[derive(Debug, Clone, Copy, Default)]
struct Chunks {
    done: i32,
    total: i32,
}

/// Counts of a command.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) completed: u64,
    /// The service fetched the same within its dedup window.
    pub(super) duplicate: u64,
    pub(super) partial: u64,
    pub(super) failed: u64,
    /// Records written for the requests.
    pub(super) records: u64,
    /// Progress events.
    pub(super) chunks: u64,
    /// Attempts at the same backfills before these.
    pub(super) retries: u64,
}

/// An ended request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ended {
    pub(super) id: Uuid,
    pub(super) symbol: String,
    pub(super) outcome: Outcome,
}

impl Counts {
    pub(super) const fn ended(&self) -> u64 {
        self.completed + self.duplicate + self.partial + self.failed
    }
}

impl Tracking {
    /// Adds a request that is about to be written.
    pub(super) fn add(&mut self, id: Uuid) {
        self.open.insert(id, Chunks::default());
    }

    /// Returns the number of open requests.
    pub(super) fn open(&self) -> usize {
        self.open.len()
    }

    /// Returns the sum of the fetched parts of the open requests, each from 0 to 1.
    pub(super) fn fetched_parts(&self) -> f64 {
        let part = |chunks: &Chunks| f64::from(chunks.done) / f64::from(chunks.total.max(1));
        self.open.values().map(part).sum()
    }

    /// Returns the chunks of the only open request.
    pub(super) fn chunks(&self) -> Option<(i32, i32)> {
        let only = self.open.values().next().filter(|chunks| self.open.len() == 1 && chunks.total > 0);
        only.map(|chunks| (chunks.done, chunks.total))
    }

    /// Processes a record of one of the [`FOLLOWED`] topics. Returns the request that it ends.
    ///
    /// # Errors
    /// [`Failure::Unreachable`] if the registry is unavailable.
    pub(super) fn follow(
        &mut self,
        record: &OwnedRecord,
        decoder: &mut Decoder<'_>,
    ) -> Result<Option<Ended>, Failure> {
        Ok(match record.topic {
            Topic::RangeProgressed => {
                let event = decoder.event::<RangeProgress>(record)?;
                event.iter().for_each(|event| self.progressed(event));
                None
            }
            Topic::RangeCompleted => decoder.event::<RangeCompletion>(record)?.and_then(|event| {
                let outcome = Outcome::of_completion(&event);
                self.ended(&event.backfill_id, event.symbol, event.attempt, outcome)
            }),
            Topic::RangeFailed => decoder.event::<RangeFailure>(record)?.and_then(|event| {
                let (id, symbol, attempt) = (event.backfill_id.clone(), event.symbol.clone(), event.attempt);
                self.ended(&id, symbol, attempt, Outcome::of_failure(event))
            }),
            _ => None,
        })
    }

    fn progressed(&mut self, event: &RangeProgress) {
        let open = Uuid::try_parse(&event.backfill_id).ok().and_then(|id| self.open.get_mut(&id));
        let Some(chunks) = open else { return };
        *chunks = Chunks { done: event.done, total: event.total };
        self.counts.chunks += 1;
    }

    fn ended(&mut self, id: &str, symbol: String, attempt: i32, outcome: Outcome) -> Option<Ended> {
        let id = Uuid::try_parse(id).ok().filter(|id| self.open.remove(id).is_some())?;
        self.counts.retries += u64::from(attempt.unsigned_abs().saturating_sub(1));
        // A progress event also counts records of other requests of the same fetch.
        self.counts.records += outcome.records().unsigned_abs();
        let count = match &outcome {
            Outcome::Completed { .. } => &mut self.counts.completed,
            Outcome::Partial { .. } => &mut self.counts.partial,
            Outcome::Failed { class: BackfillErrorClass::Duplicate, .. } => &mut self.counts.duplicate,
            Outcome::Failed { .. } => &mut self.counts.failed,
        };
        *count += 1;
        Some(Ended { id, symbol, outcome })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "6c0c61cf-20f1-5f2b-8f6a-0a4f2c6f1f10";

    fn failed(class: BackfillErrorClass) -> Outcome {
        Outcome::Failed { class, is_retryable: false, calls: 1, error: "e".into() }
    }

    #[test]
    fn each_request_ends_once() {
        let mut tracking = Tracking::default();
        tracking.add(ID.parse().unwrap());
        assert!(
            tracking
                .ended(&ID.replace('6', "7"), "AAPL".into(), 1, failed(BackfillErrorClass::Invalid))
                .is_none()
        );
        assert!(tracking.ended(ID, "AAPL".into(), 3, failed(BackfillErrorClass::Exhausted)).is_some());
        assert!(tracking.ended(ID, "AAPL".into(), 4, failed(BackfillErrorClass::Exhausted)).is_none());
        let counts = Counts { failed: 1, retries: 2, ..Counts::default() };
        assert_eq!((tracking.open(), tracking.counts), (0, counts));
    }

    #[test]
    fn duplicate_of_a_success_is_no_failure() {
        let mut tracking = Tracking::default();
        tracking.add(ID.parse().unwrap());
        tracking.ended(ID, "AAPL".into(), 1, failed(BackfillErrorClass::Duplicate));
        assert_eq!(tracking.counts, Counts { duplicate: 1, ..Counts::default() });
    }
}
